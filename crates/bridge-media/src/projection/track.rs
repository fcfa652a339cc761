use bridge_rtp::{SequenceUnwrapper, seq_delta, timestamp_delta};

use super::frame_ring::{FrameRecord, FrameRing};
use crate::renumbering::{Renumbering, low_16_bits};

/// Ids that go on by more than this are a new run of the sender, as in JVB.
const MAX_ID_GAP: i64 = 500;
/// A pause of more than this many ticks is a new run, too: 500 frames at one in two seconds (JVB).
const MAX_TIMESTAMP_GAP: i32 = 500 * 90_000 * 2;
/// Lost packets beside dropped frames that are looked into; a longer loss stays visible as a gap.
const MAX_PRESUMED: i64 = 128;
/// A new run whose sequence numbers go on by at most this keeps its offset; others are joined on.
const MAX_LINEAR_SEQUENCE_GAP: i16 = 3_000;
/// Packets that can still be on their way from before a restart.
const MAX_REORDERING: i32 = 1_000;
/// 1024 packets: more than two seconds of the highest layers.
pub(super) const SEQUENCE_BLOCKS: usize = 16;

/// One encoding as one receiver's projection follows it: its frames and the numbers of its packets.
#[derive(Clone, Debug)]
pub(super) struct Track<D> {
    pub(super) ssrc: u32,
    pub(super) frames: FrameRing<D>,
    pub(super) sequence: Renumbering<SEQUENCE_BLOCKS>,
    unwrapper: SequenceUnwrapper,
    newest_sequence: Option<u16>,
    ids: IdUnwrapper,
    /// Frames below belong to an earlier run or stretch.
    pub(super) floor: i64,
    /// Newest sequence number and timestamp before a restart: what comes late from before is refused.
    restarted_after: Option<(u16, u32)>,
    /// Added to the sender's timestamps in the stretch that is or was forwarded last.
    pub(super) timestamp_offset: Option<u32>,
}

/// A packet as the tracks of all codecs see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) sequence_number: u16,
    pub(super) timestamp: u32,
    /// The number that orders frames, of `id_bits` bits.
    pub(super) id: u32,
    pub(super) id_bits: u32,
    /// Orders frames with the same id, below [`FRAMES_PER_ID`].
    pub(super) part: u8,
    pub(super) starts_frame: bool,
    pub(super) ends_frame: bool,
    pub(super) is_keyframe: bool,
    /// The ids are timestamps: they do not tell neighbours or jumps.
    pub(super) id_is_timestamp: bool,
}

/// Where a packet was put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    pub(super) place: usize,
    pub(super) sequence_index: i64,
    /// The first packet of its frame to arrive.
    pub(super) is_new_frame: bool,
    /// The highest sequence index of the frame before this packet.
    latest_before: i64,
    /// The first packet of a new run, whose ids and numbers have nothing to do with those before.
    pub(super) jumped: bool,
}

/// Why a packet has no place.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotPlaced {
    pub(super) sequence_index: i64,
}

impl<D: Copy> Track<D> {
    pub(super) fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            frames: FrameRing::new(),
            sequence: Renumbering::new(),
            unwrapper: SequenceUnwrapper::new(),
            newest_sequence: None,
            ids: IdUnwrapper::default(),
            floor: i64::MIN,
            restarted_after: None,
            timestamp_offset: None,
        }
    }

    /// Forgets the frames after nothing was followed for a while, but not what was forwarded.
    pub(super) fn restart(&mut self) {
        if let (Some(sequence), Some(frame)) = (self.newest_sequence, self.frames.newest()) {
            self.restarted_after = Some((sequence, frame.timestamp));
        }
        self.frames.clear();
        self.sequence = Renumbering::new();
        self.unwrapper = SequenceUnwrapper::new();
        self.newest_sequence = None;
        self.ids = IdUnwrapper::default();
        self.floor = i64::MIN;
    }

    /// Finds or makes the frame of a packet.
    pub(super) fn place(&mut self, packet: &Arrival, detail: D) -> Result<Placement, NotPlaced> {
        let jumped = self.is_jump(packet);
        if jumped {
            self.begin_run(packet);
        }
        let sequence_index = self.unwrapper.update(packet.sequence_number);
        if self.newest_sequence.is_none_or(|newest| seq_delta(packet.sequence_number, newest) > 0) {
            self.newest_sequence = Some(packet.sequence_number);
        }
        let refused = NotPlaced { sequence_index };
        if self.sequence.has_seen(sequence_index) || self.is_from_before_restart(packet) {
            return Err(refused);
        }
        let index = frame_index(self.ids.update(packet.id, packet.id_bits), packet.part);
        if jumped {
            self.floor = index;
        }
        if index < self.floor {
            return Err(refused);
        }
        if let Some(place) = self.frames.find(index) {
            let latest_before = self.extend(place, packet, sequence_index).ok_or(refused)?;
            let is_new_frame = false;
            return Ok(Placement { place, sequence_index, is_new_frame, latest_before, jumped });
        }
        let frame = FrameRecord {
            index,
            timestamp: packet.timestamp,
            earliest: sequence_index,
            latest: sequence_index,
            has_start: packet.starts_frame,
            has_end: packet.ends_frame,
            accepted: false,
            is_keyframe: packet.is_keyframe,
            detail,
        };
        let place = self.frames.insert(frame).ok_or(refused)?;
        let latest_before = sequence_index;
        Ok(Placement { place, sequence_index, is_new_frame: true, latest_before, jumped })
    }

    /// Finds the frame that a packet was part of when it was forwarded, and the packet's number.
    pub(super) fn find_sent(&self, packet: &Arrival) -> Option<(&FrameRecord<D>, u16)> {
        let id = self.ids.interpret(packet.id, packet.id_bits);
        let frame = self.frames.get(self.frames.find(frame_index(id, packet.part))?)?;
        let sequence_index = self.unwrapper.interpret(packet.sequence_number);
        let matches =
            frame.accepted && frame.timestamp == packet.timestamp && frame.index >= self.floor;
        let number = self.sequence.number(sequence_index).filter(|_| matches)?;
        Some((frame, low_16_bits(number)))
    }

    /// The sender's number of the packet that was forwarded with this one.
    pub(super) fn source_sequence(&self, sequence_number: u16) -> Option<u16> {
        let newest = self.sequence.number(self.sequence.highest_forwarded()?)?;
        let back = seq_delta(low_16_bits(newest), sequence_number);
        let index = self.sequence.index_of(newest.checked_sub(i64::from(back))?)?;
        (back >= 0 && self.sequence.has_seen(index)).then(|| low_16_bits(index))
    }

    /// Takes out lost packets that must have belonged to frames that are dropped: those between the
    /// newest frame, just decided, and the one before it. `adjacent` frames have none between them.
    pub(super) fn settle_gap(&mut self, place: usize, adjacent: bool) {
        if !self.frames.is_newest(place) {
            return;
        }
        let (Some(frame), Some(before)) =
            (self.frames.get(place), self.frames.before(place).next())
        else {
            return;
        };
        let (from, to) = (before.latest + 1, frame.earliest);
        let first = (from, from + 1);
        let last = (to - 1, to);
        let missing = to - from;
        if !(1..=MAX_PRESUMED).contains(&missing) {
            return;
        }
        let before_may_go_on = !before.accepted && !before.has_end;
        let frame_may_have_begun = !frame.accepted && !frame.has_start;
        let none_of_accepted = match (before.accepted, frame.accepted) {
            (false, false) => true,
            (false, true) => frame.has_start,
            (true, false) => before.has_end,
            (true, true) => return,
        };
        if adjacent && none_of_accepted {
            self.sequence.presume_discarded(from, to);
            return;
        }
        if before_may_go_on {
            self.sequence.presume_discarded(first.0, first.1);
        }
        if frame_may_have_begun && missing > i64::from(before_may_go_on) {
            self.sequence.presume_discarded(last.0, last.1);
        }
    }

    /// Takes out a packet that is not forwarded, and lost ones before it in the same dropped frame.
    pub(super) fn discard(&mut self, placement: &Placement) {
        let (index, before) = (placement.sequence_index, placement.latest_before);
        if (1..=MAX_PRESUMED).contains(&(index - before - 1)) {
            self.sequence.presume_discarded(before + 1, index);
        }
        self.sequence.discard(index);
    }

    /// The newest frame that was accepted.
    pub(super) fn newest_accepted(&self) -> Option<&FrameRecord<D>> {
        let newest = self.frames.newest().filter(|frame| frame.accepted);
        newest.or_else(|| self.frames.before(usize::MAX).find(|frame| frame.accepted))
    }

    fn extend(&mut self, place: usize, packet: &Arrival, sequence_index: i64) -> Option<i64> {
        let frame = self.frames.get_mut(place)?;
        let latest_before = frame.latest;
        if frame.timestamp != packet.timestamp {
            return None;
        }
        frame.earliest = frame.earliest.min(sequence_index);
        frame.latest = frame.latest.max(sequence_index);
        frame.has_start |= packet.starts_frame;
        frame.has_end |= packet.ends_frame;
        Some(latest_before)
    }

    fn is_from_before_restart(&self, packet: &Arrival) -> bool {
        self.restarted_after.is_some_and(|(sequence, timestamp)| {
            timestamp_delta(packet.timestamp, timestamp) <= 0
                && i32::from(seq_delta(packet.sequence_number, sequence)).abs() <= MAX_REORDERING
        })
    }

    fn is_jump(&self, packet: &Arrival) -> bool {
        let (Some(newest), Some(newest_sequence)) = (self.frames.newest(), self.newest_sequence)
        else {
            return false;
        };
        let ticks = timestamp_delta(packet.timestamp, newest.timestamp);
        if ticks > MAX_TIMESTAMP_GAP {
            return true;
        }
        let sequence_delta = seq_delta(packet.sequence_number, newest_sequence);
        if packet.id_is_timestamp {
            return ticks < 0 && sequence_delta > MAX_LINEAR_SEQUENCE_GAP;
        }
        let ids = self.ids.interpret(packet.id, packet.id_bits) - newest.index / FRAMES_PER_ID;
        ids > MAX_ID_GAP || (ids < 0 && (ticks > 0 || sequence_delta > 0))
    }

    /// Starts a new run at a packet whose ids jumped. Numbers go on linearly, as in JVB, unless they
    /// jumped too far for a receiver to follow: then one is left out and the run is joined on.
    ///
    /// Differs from JVB: its linear offsets can take a receiver's sequence numbers back by half their
    /// range, which its replay protection answers by silence.
    fn begin_run(&mut self, packet: &Arrival) {
        let newest = self.newest_sequence.unwrap_or(packet.sequence_number);
        let linear =
            (1..=MAX_LINEAR_SEQUENCE_GAP).contains(&seq_delta(packet.sequence_number, newest));
        self.frames.clear();
        self.ids.reset_at(packet.id, packet.id_bits);
        if linear {
            return;
        }
        let number =
            self.sequence.highest_forwarded().and_then(|highest| self.sequence.number(highest));
        let index = self.unwrapper.reset_at(packet.sequence_number);
        self.newest_sequence = Some(packet.sequence_number);
        self.sequence = Renumbering::new();
        if let Some(number) = number {
            self.sequence.anchor(index, number + 2, 0);
        }
    }
}

/// Extends ids of any width to an index that does not wrap.
#[derive(Clone, Copy, Debug, Default)]
struct IdUnwrapper {
    highest: Option<i64>,
}

impl IdUnwrapper {
    fn update(&mut self, id: u32, bits: u32) -> i64 {
        let index = self.interpret(id, bits);
        self.highest = Some(self.highest.map_or(index, |highest| highest.max(index)));
        index
    }

    fn interpret(&self, id: u32, bits: u32) -> i64 {
        let Some(highest) = self.highest else { return i64::from(id) };
        let cycle = 1_i64 << bits.min(32);
        // The remainder, since a cycle is a power of two.
        let ahead = (i64::from(id) - highest) & (cycle - 1);
        highest + if ahead >= cycle / 2 { ahead - cycle } else { ahead }
    }

    /// Takes an id as newer than all before, whatever its distance.
    fn reset_at(&mut self, id: u32, bits: u32) {
        let Some(highest) = self.highest else { return };
        let cycle = 1_i64 << bits.min(32);
        let ahead = (i64::from(id) - highest).rem_euclid(cycle);
        self.highest = Some(highest + if ahead == 0 { cycle } else { ahead });
    }
}

fn frame_index(id: i64, part: u8) -> i64 {
    id * FRAMES_PER_ID + i64::from(part)
}

/// Spatial layers of one picture.
pub(super) const FRAMES_PER_ID: i64 = 8;
