use bridge_rtp::SequenceUnwrapper;

use super::received::ReceptionRefusal;
use crate::renumbering::{Renumbering, low_16_bits};

/// The numbers of one received SSRC: each packet once, without the gaps of what was left out (JVB:
/// `DuplicateTermination` and `ResumableStreamRewriter`).
///
/// What was sent on under a number is never sent under another, and no number is used twice. A run
/// of numbers that does not go on from the last one is joined on behind it.
#[derive(Debug, Default)]
pub(super) struct StreamNumbers {
    unwrapper: SequenceUnwrapper,
    renumbering: Renumbering<BLOCKS>,
    /// The number that would confirm that the sender began anew.
    expected_restart: Option<u16>,
    highest_number: Option<i64>,
}

/// Where a packet is among those of its SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: i64,
    /// It begins a new run of numbers.
    pub(super) restarts: bool,
}

impl StreamNumbers {
    /// Places a packet that has not come before. What was sent again cannot begin a new run.
    pub(super) fn place(
        &mut self,
        sequence_number: u16,
        sent_again: bool,
    ) -> Result<Place, ReceptionRefusal> {
        let Some(highest) = self.unwrapper.highest() else {
            let index = self.unwrapper.update(sequence_number);
            return Ok(Place { index, restarts: false });
        };
        let index = self.unwrapper.interpret(sequence_number);
        if sent_again && index > highest + MAX_REORDERING {
            return Err(ReceptionRefusal::OutOfRange);
        }
        if index < highest - MAX_REORDERING {
            return if sent_again {
                Err(ReceptionRefusal::OutOfRange)
            } else {
                self.restart(sequence_number)
            };
        }
        if self.renumbering.has_seen(index) {
            return Err(ReceptionRefusal::Duplicate);
        }
        self.unwrapper.update(sequence_number);
        Ok(Place { index, restarts: false })
    }

    /// Leaves the packet at `index` out.
    pub(super) fn leave_out(&mut self, index: i64) {
        self.renumbering.discard(index);
    }

    /// The number under which the packet at `index` is sent on.
    pub(super) fn keep(&mut self, index: i64) -> Result<u16, ReceptionRefusal> {
        let mut number = self.renumbering.forward(index).ok_or(ReceptionRefusal::OutOfRange)?;
        if let Some(highest) = self.highest_number.filter(|highest| number - highest > MAX_JUMP) {
            number = highest + JOINT;
            self.renumbering.anchor(index, number, 0);
            self.renumbering.forward(index);
        }
        self.highest_number = self.highest_number.max(Some(number));
        Ok(low_16_bits(number))
    }

    /// A packet older than any reordering is a stray one, unless the next one follows it (RFC 3550,
    /// appendix A.1).
    fn restart(&mut self, sequence_number: u16) -> Result<Place, ReceptionRefusal> {
        if self.expected_restart != Some(sequence_number) {
            self.expected_restart = Some(sequence_number.wrapping_add(1));
            return Err(ReceptionRefusal::OutOfRange);
        }
        self.expected_restart = None;
        let index = self.unwrapper.reset_at(sequence_number);
        if let Some(highest) = self.highest_number {
            self.renumbering.anchor(index, highest + JOINT, 0);
        }
        Ok(Place { index, restarts: true })
    }
}

/// A receiver cannot place numbers that jump by half their range; what was lost of so many packets
/// is past repair.
const MAX_JUMP: i64 = 3_000;

/// From the last number before a break to the first one behind it: one is missing.
const JOINT: i64 = 2;

/// As many packets as JVB remembers of a stream.
const BLOCKS: usize = 16;

/// Packets that can overtake one another: what is remembered for certain, whatever the block that
/// the newest one is in.
const MAX_REORDERING: i64 = Renumbering::<BLOCKS>::WINDOW - 64;
