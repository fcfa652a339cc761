use bridge_rtp::{SequenceUnwrapper, is_newer_seq};

use super::red::{RedBlock, RedError, RedPacket, write_red};

/// The redundancy of one audio source: taken out for receivers that did not negotiate it, added for
/// those that did (JVB: `AudioRedHandler`).
///
/// Works on the numbers and timestamps that it is given. What it makes of a packet depends on no
/// receiver, so one for each source serves them all; JVB has one for each receiver.
#[derive(Clone, Debug, Default)]
pub struct RedStream {
    unwrapper: SequenceUnwrapper,
    /// Bit n: the packet n before the newest one was forwarded.
    emitted: u64,
    /// Of the last plain packets, by number; empty until one is protected.
    recent: [CachedAudio; CACHED],
}

/// Settings, `jmt.audio.red`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedConfig {
    /// What is done.
    pub policy: RedPolicy,
    /// How many earlier packets are added.
    pub distance: RedDistance,
    /// Whether only speech is added.
    pub vad_only: bool,
}

impl Default for RedConfig {
    fn default() -> Self {
        Self { policy: RedPolicy::Noop, distance: RedDistance::Two, vad_only: true }
    }
}

/// What is done with the redundancy of audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RedPolicy {
    /// Nothing, for receivers that understand it.
    #[default]
    Noop,
    /// It is taken out.
    Strip,
    /// It is added where there is none.
    ProtectAll,
}

/// How many earlier packets are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RedDistance {
    /// One.
    One,
    /// Two.
    #[default]
    Two,
}

/// What a receiver gets of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedAction {
    /// The packet unchanged.
    Forward,
    /// The result of [`RedStream::strip`].
    Strip,
    /// The result of [`RedStream::protect`], with the receiver's payload type for redundant audio.
    Protect,
}

impl RedPolicy {
    /// What a receiver gets of a packet of redundant or plain audio.
    pub const fn action(self, packet_is_red: bool, receiver_has_red: bool) -> RedAction {
        match (self, packet_is_red, receiver_has_red) {
            (_, true, false) | (Self::Strip, true, true) => RedAction::Strip,
            (Self::ProtectAll, false, true) => RedAction::Protect,
            _ => RedAction::Forward,
        }
    }
}

/// A packet of audio as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioPacket<'p> {
    /// Of the header.
    pub sequence_number: u16,
    /// Of the header.
    pub timestamp: u32,
    /// Of the header.
    pub payload_type: u8,
    /// The V bit of the level extension.
    pub voice_activity: bool,
    /// Without padding.
    pub payload: &'p [u8],
}

/// A packet of plain audio out of redundant audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainAudio<'p> {
    /// The packet itself, or one that was lost before it.
    pub sequence_number: u16,
    /// In the ticks of the packet.
    pub timestamp: u32,
    /// Of the block; the receiver has to know it.
    pub payload_type: u8,
    /// The audio.
    pub payload: &'p [u8],
    /// Whether this packet was lost. It has no extensions and no marker then.
    pub is_recovered: bool,
}

impl RedStream {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet of redundant audio apart: `emit` gets the one or two packets lost right before
    /// it, oldest first, then the packet itself, unless it came from redundancy before.
    pub fn strip<'p>(
        &mut self,
        packet: &AudioPacket<'p>,
        mut emit: impl FnMut(PlainAudio<'p>),
    ) -> Result<(), RedError> {
        let red = RedPacket::parse(packet.payload)?;
        let is_nested = |block: RedBlock<'_>| block.payload_type == packet.payload_type;
        if is_nested(red.primary()) || red.redundant().any(is_nested) {
            return Err(RedError::Nested);
        }
        let index = self.advance(packet.sequence_number);
        let count = red.redundant_count();
        for (position, block) in red.redundant().enumerate() {
            let distance = u16::try_from(count - position).unwrap_or(u16::MAX);
            // Only so far back: one small packet shall not become many (JVB does the same).
            if distance > MAX_RECOVERED || block.data.is_empty() {
                continue;
            }
            if self.note_emitted(index - i64::from(distance)) {
                emit(PlainAudio {
                    sequence_number: packet.sequence_number.wrapping_sub(distance),
                    timestamp: packet.timestamp.wrapping_sub(block.timestamp_offset.into()),
                    payload_type: block.payload_type,
                    payload: block.data,
                    is_recovered: true,
                });
            }
        }
        if self.note_emitted(index) {
            emit(PlainAudio {
                sequence_number: packet.sequence_number,
                timestamp: packet.timestamp,
                payload_type: red.primary().payload_type,
                payload: red.primary().data,
                is_recovered: false,
            });
        }
        Ok(())
    }

    /// Whether receivers of stripped audio get a plain packet that the sender put between redundant
    /// ones: not if it was recovered before. Differs from JVB, which may send one number twice.
    pub fn accept_plain(&mut self, sequence_number: u16) -> bool {
        let index = self.advance(sequence_number);
        self.note_emitted(index)
    }

    /// Writes the payload of redundant audio for a packet of plain audio: up to two packets before
    /// it, as `config` says and as they are known, then its own. Answers the length; `None` if not
    /// even that fits `out`, then the packet is to be forwarded unchanged.
    pub fn protect(
        &mut self,
        packet: &AudioPacket<'_>,
        config: &RedConfig,
        out: &mut [u8],
    ) -> Option<usize> {
        self.remember(packet);
        let primary = RedBlock {
            payload_type: packet.payload_type,
            timestamp_offset: 0,
            data: packet.payload,
        };
        let speaks = |cached: &&CachedAudio| !config.vad_only || cached.voice_activity;
        let first = self.before(packet, 1);
        let second = match config.distance {
            RedDistance::One => None,
            RedDistance::Two => self.before(packet, 2).filter(speaks),
        };
        let blocks = [second, first].map(|cached| cached.map(|c| c.block(packet.timestamp)));
        let written = match blocks {
            [Some(second), Some(first)] => write_red(&[second, first], primary, out),
            _ => None,
        };
        let alone = || match blocks {
            [_, Some(block)] if first.is_some_and(|cached| speaks(&cached)) => {
                write_red(&[block], primary, out)
            }
            _ => None,
        };
        written.or_else(alone).or_else(|| write_red(&[], primary, out))
    }

    /// The index of a packet, and makes room for it if it is the newest.
    fn advance(&mut self, sequence_number: u16) -> i64 {
        let before = self.unwrapper.highest();
        let index = self.unwrapper.update(sequence_number);
        let ahead = before.map_or(i64::MAX, |before| index - before);
        if ahead > 0 {
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.emitted = self.emitted.checked_shl(shift).unwrap_or(0);
        }
        index
    }

    /// Whether the packet had not been emitted; it is from now on. Packets older than the window
    /// count as emitted.
    fn note_emitted(&mut self, index: i64) -> bool {
        let age = self.unwrapper.highest().map_or(0, |highest| highest - index);
        let bit = u32::try_from(age).ok().and_then(|age| 1_u64.checked_shl(age));
        let is_new = bit.is_some_and(|bit| self.emitted & bit == 0);
        self.emitted |= bit.unwrap_or(0);
        is_new
    }

    fn remember(&mut self, packet: &AudioPacket<'_>) {
        let slot = usize::from(packet.sequence_number) % CACHED;
        let Some(cached) = self.recent.get_mut(slot) else { return };
        if cached.is_used && is_newer_seq(cached.sequence_number, packet.sequence_number) {
            return;
        }
        cached.replace(packet);
    }

    /// The packet `distance` before another, if it can be its redundancy.
    fn before(&self, packet: &AudioPacket<'_>, distance: u16) -> Option<&CachedAudio> {
        let wanted = packet.sequence_number.wrapping_sub(distance);
        let cached = self.recent.get(usize::from(wanted) % CACHED)?;
        let offset = packet.timestamp.wrapping_sub(cached.timestamp);
        (cached.is_used
            && cached.sequence_number == wanted
            && offset <= u32::from(RedBlock::MAX_OFFSET)
            && cached.payload.len() <= RedBlock::MAX_LEN)
            .then_some(cached)
    }
}

/// A plain packet that may become redundancy.
#[derive(Clone, Debug, Default)]
struct CachedAudio {
    is_used: bool,
    sequence_number: u16,
    timestamp: u32,
    payload_type: u8,
    voice_activity: bool,
    /// Keeps its capacity, so that it is allocated once; at most [`RedBlock::MAX_LEN`] and one.
    payload: Vec<u8>,
}

impl CachedAudio {
    fn replace(&mut self, packet: &AudioPacket<'_>) {
        self.is_used = packet.payload.len() <= RedBlock::MAX_LEN;
        self.sequence_number = packet.sequence_number;
        self.timestamp = packet.timestamp;
        self.payload_type = packet.payload_type;
        self.voice_activity = packet.voice_activity;
        self.payload.clear();
        if self.is_used {
            self.payload.reserve_exact(RedBlock::MAX_LEN);
            self.payload.extend_from_slice(packet.payload);
        }
    }

    fn block(&self, timestamp: u32) -> RedBlock<'_> {
        let offset = timestamp.wrapping_sub(self.timestamp);
        RedBlock {
            payload_type: self.payload_type,
            timestamp_offset: u16::try_from(offset).unwrap_or(u16::MAX),
            data: &self.payload,
        }
    }
}

/// Packets recovered from one at most.
const MAX_RECOVERED: u16 = 2;

/// Two are used; two more keep them known while packets are out of order.
const CACHED: usize = 4;
