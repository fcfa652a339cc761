use super::random::SimulationRandom;
use super::rtp_writer::{AUDIO_LEVEL_ID, OutgoingRtp};
use super::video_sender::capture_ticks;
use bridge_rtp::rtcp::SenderInfo;
use bridge_units::Timestamp;
use std::time::Duration;

/// A scripted microphone: an Opus packet every 20 ms with its level, while it is open.
pub struct AudioSender {
    ssrc: u32,
    sequence_number: u16,
    timestamp_offset: u32,
    next: Timestamp,
    level: Option<u8>,
    random: SimulationRandom,
    packets: u32,
    octets: u32,
    counter: u32,
}

impl AudioSender {
    /// Silent until [`Self::set_level`].
    pub fn new(ssrc: u32, start: Timestamp, mut random: SimulationRandom) -> Self {
        let phase = PACKET_TIME.mul_f64(random.unit());
        Self {
            ssrc,
            sequence_number: random.next_u16(),
            timestamp_offset: random.next_u32(),
            next: start + phase,
            level: None,
            random,
            packets: 0,
            octets: 0,
            counter: 0,
        }
    }

    /// How loud it is from now on, in -dBov; `None` for a closed microphone, which sends nothing.
    pub fn set_level(&mut self, level: Option<u8>) {
        self.level = level;
    }

    /// The SSRC.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// How many packets it has sent.
    pub const fn packets(&self) -> u32 {
        self.packets
    }

    pub(crate) fn poll(&mut self, now: Timestamp) -> Option<OutgoingRtp> {
        if self.next > now {
            return None;
        }
        let at = self.next;
        self.next = at + PACKET_TIME;
        let level = self.level?;
        // Speech swings by a few decibels, and between words there is only the room.
        let between_words = self.counter % WORD_PACKETS < PAUSE_PACKETS;
        let level = if between_words { level.max(ROOM_LEVEL) } else { level };
        let level = level.saturating_add((self.random.next_u16() % 6) as u8).min(127);
        let mut payload = OPUS_HEAD.to_vec();
        payload.extend_from_slice(&self.counter.to_be_bytes());
        payload.resize(OPUS_BYTES, 0x5a);
        self.counter = self.counter.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(OPUS_BYTES as u32);
        let packet = OutgoingRtp {
            ssrc: self.ssrc,
            payload_type: OPUS,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp(at),
            marker: false,
            extensions: vec![(AUDIO_LEVEL_ID, vec![0x80 | level])],
            payload,
        };
        self.sequence_number = self.sequence_number.wrapping_add(1);
        Some(packet)
    }

    /// When to poll next.
    pub const fn poll_timeout(&self) -> Timestamp {
        self.next
    }

    /// What it says of itself now, if it has sent anything.
    pub fn sender_report(&self, now: Timestamp, ntp: u64) -> Option<SenderInfo> {
        (self.packets > 0 && self.level.is_some()).then(|| SenderInfo {
            ssrc: self.ssrc,
            ntp_timestamp: ntp,
            rtp_timestamp: self.timestamp(now),
            packet_count: self.packets,
            octet_count: self.octets,
        })
    }

    /// 48 kHz.
    fn timestamp(&self, at: Timestamp) -> u32 {
        let ticks = u64::from(capture_ticks(at)) * 8 / 15;
        (ticks as u32).wrapping_add(self.timestamp_offset)
    }
}

/// The number that a scripted packet carries in its payload.
pub(crate) fn counter_of(payload: &[u8]) -> Option<u32> {
    let rest = payload.strip_prefix(&OPUS_HEAD)?;
    rest.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The payload type of Opus, as Jitsi clients number it.
pub(crate) const OPUS: u8 = 111;

const PACKET_TIME: Duration = Duration::from_millis(20);

/// A table of contents byte (20 ms of full-band speech) and a mark.
const OPUS_HEAD: [u8; 4] = [0x78, 0xa5, 0x51, 0x0e];

/// The level between words, in -dBov.
const ROOM_LEVEL: u8 = 75;

/// A word and the pause before it take 400 ms, ...
const WORD_PACKETS: u32 = 20;
/// ... of which this is the pause.
const PAUSE_PACKETS: u32 = 3;

/// 32 kbps.
const OPUS_BYTES: usize = 80;
