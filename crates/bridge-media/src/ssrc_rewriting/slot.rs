use bridge_rtp::{SequenceUnwrapper, seq_delta, timestamp_delta};
use bridge_units::SourceId;

use super::codec_state::{CodecDelta, CodecState};
use super::output_stream::{MAX_REORDERING, OutputStream, Sent};
use super::rewritten_packet::RewritingRefusal;
use crate::renumbering::low_16_bits;

/// A pair of outgoing SSRCs with the source that it stands for (JVB: `SendSource`).
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) source: SourceId,
    /// The SSRC of the source's packets.
    pub(super) ssrc: u32,
    pub(super) output: OutputStream,
    /// A packet has come with which a receiver can begin.
    started: bool,
    /// Of the source, sent or not.
    progress: Option<Progress>,
    /// Since something of the source was sent.
    mapping: Option<Mapping>,
    pub(super) last_used: u64,
    pub(super) to_be_announced: bool,
}

/// What counts in a packet before rewriting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) sequence_number: u16,
    pub(super) timestamp: u32,
    pub(super) codec: CodecState,
}

/// A packet's values after rewriting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) sequence_number: u16,
    pub(super) timestamp: u32,
    pub(super) codec: CodecDelta,
}

/// How a source's packets become those of the outgoing SSRC.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    input: SequenceUnwrapper,
    /// From an input's number to the output's, neither of which wraps.
    shift: i64,
    /// Numbers below were sent, or skipped, for another source.
    floor: i64,
    timestamp: u32,
    codec: CodecDelta,
}

impl Slot {
    pub(super) fn new(
        source: SourceId,
        ssrc: u32,
        output: OutputStream,
        progress: Option<Progress>,
    ) -> Self {
        Self {
            source,
            ssrc,
            output,
            started: false,
            progress,
            mapping: None,
            last_used: 0,
            to_be_announced: true,
        }
    }

    /// Rewrites a packet. Nothing is sent before one that `starts`. `ticks` is what a first packet is
    /// taken to be later than the last one of the SSRC.
    pub(super) fn rewrite(
        &mut self,
        packet: Progress,
        starts: bool,
        ticks: u32,
    ) -> Result<Stamp, RewritingRefusal> {
        self.started |= starts;
        if !self.started {
            self.note_progress(packet);
            return Err(RewritingRefusal::AwaitsKeyframe);
        }
        if self.mapping.is_some_and(|mapping| mapping.is_left_behind_by(packet.sequence_number)) {
            self.restart();
        }
        let mut mapping = self.mapping.unwrap_or_else(|| self.begin(packet, ticks));
        if !mapping.codec.fits(packet.codec) {
            mapping.codec = self.output.codec_like(packet.codec).followed_by(packet.codec);
        }
        let index = mapping.input.update(packet.sequence_number) + mapping.shift;
        if index < mapping.floor {
            return Err(RewritingRefusal::TooLate);
        }
        self.mapping = Some(mapping);
        self.note_progress(packet);
        let stamp = mapping.stamp(packet, index);
        self.output.note(Sent {
            index,
            timestamp: stamp.timestamp,
            codec: stamp.codec.apply(packet.codec),
        });
        Ok(stamp)
    }

    /// The same as a packet got when it was rewritten.
    pub(super) fn rewrite_again(&self, packet: Progress) -> Option<Stamp> {
        let mapping = self.mapping.filter(|mapping| mapping.codec.fits(packet.codec))?;
        let input = mapping.input.interpret(packet.sequence_number);
        let index = input + mapping.shift;
        let was_sent = mapping.input.highest().is_some_and(|highest| input <= highest);
        (was_sent && index >= mapping.floor).then(|| mapping.stamp(packet, index))
    }

    /// The source's number of a packet that was sent under a number.
    pub(super) fn original(&self, sequence_number: u16) -> Option<u16> {
        let mapping = self.mapping?;
        let index = self.output.index_of(sequence_number)?;
        (index >= mapping.floor).then(|| low_16_bits(index - mapping.shift))
    }

    /// What is added to the source's timestamps; `None` before anything was sent.
    pub(super) fn timestamp_offset(&self) -> Option<u32> {
        self.mapping.map(|mapping| mapping.timestamp)
    }

    /// What was last seen of the source.
    pub(super) const fn progress(&self) -> Option<Progress> {
        self.progress
    }

    /// The source's numbers begin anew with the next packet.
    pub(super) fn restart(&mut self) {
        self.mapping = None;
        self.progress = None;
    }

    fn note_progress(&mut self, packet: Progress) {
        let is_newer = |last: Progress| seq_delta(packet.sequence_number, last.sequence_number) > 0;
        if self.progress.is_none_or(is_newer) {
            self.progress = Some(packet);
        }
    }

    /// The mapping with which the source's first packet goes on where the last source was.
    fn begin(&self, packet: Progress, ticks: u32) -> Mapping {
        let mut input = SequenceUnwrapper::new();
        let index = input.update(packet.sequence_number);
        let Some(last) = self.output.last() else {
            return Mapping {
                input,
                shift: 0,
                floor: i64::MIN,
                timestamp: 0,
                codec: CodecDelta::unchanged(packet.codec),
            };
        };
        let codec = self.output.codec_like(packet.codec);
        let seen = self.progress.filter(|seen| seen.is_near(packet));
        let (step, ticks, codec) = match seen {
            Some(seen) => (
                i64::from(seq_delta(packet.sequence_number, seen.sequence_number)),
                packet.timestamp.wrapping_sub(seen.timestamp),
                codec.followed_at_distance(seen.codec, packet.codec),
            ),
            None => (1, ticks, codec.followed_by(packet.codec)),
        };
        Mapping {
            input,
            shift: last.index + step - index,
            floor: last.index + 1,
            timestamp: last.timestamp.wrapping_add(ticks).wrapping_sub(packet.timestamp),
            codec,
        }
    }
}

impl Progress {
    /// Whether a later packet is so near that the source's own distance can be kept.
    ///
    /// Differs from JVB, which keeps any: over a long absence a receiver would see its numbers jump
    /// backwards.
    fn is_near(&self, packet: Self) -> bool {
        let packets = i64::from(seq_delta(packet.sequence_number, self.sequence_number));
        (1..=MAX_REORDERING).contains(&packets)
            && timestamp_delta(packet.timestamp, self.timestamp) >= 0
    }
}

impl Mapping {
    fn is_left_behind_by(&self, sequence_number: u16) -> bool {
        let index = self.input.interpret(sequence_number);
        self.input.highest().is_some_and(|highest| index < highest - MAX_REORDERING)
    }

    fn stamp(&self, packet: Progress, index: i64) -> Stamp {
        Stamp {
            sequence_number: low_16_bits(index),
            timestamp: packet.timestamp.wrapping_add(self.timestamp),
            codec: self.codec,
        }
    }
}
