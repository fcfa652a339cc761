use super::output::Output;
use super::track::{Arrival, Placement, Track};
use super::{Refusal, Stamp};
use crate::renumbering::low_16_bits;
use crate::source::MAX_ENCODINGS;
use crate::video_packet::VideoPacket;

/// One encoding with what its codec remembers of it.
#[derive(Clone, Debug)]
pub(super) struct Lane<D, E> {
    pub(super) track: Track<D>,
    pub(super) extra: E,
}

/// The encodings of a source as one receiver's projection follows them.
#[derive(Clone, Debug)]
pub(super) struct Lanes<D, E> {
    lanes: Vec<Lane<D, E>>,
    /// The encoding that was forwarded last.
    pub(super) current: Option<u8>,
    /// Suspended, or resumed and no keyframe has come yet.
    is_resuming: bool,
    is_suspended: bool,
    left_unfinished: bool,
}

impl<D: Copy, E: Default> Lanes<D, E> {
    pub(super) fn new() -> Self {
        Self {
            lanes: Vec::new(),
            current: None,
            is_resuming: false,
            is_suspended: false,
            left_unfinished: false,
        }
    }

    /// The lane of an encoding; `None` if there cannot be so many. An encoding with another SSRC than
    /// before starts anew.
    pub(super) fn lane(&mut self, encoding: u8, ssrc: u32) -> Option<&mut Lane<D, E>> {
        let index = usize::from(encoding);
        if index >= MAX_ENCODINGS {
            return None;
        }
        while self.lanes.len() <= index {
            self.lanes.push(Lane { track: Track::new(ssrc), extra: E::default() });
        }
        let is_other = self.lanes.get(index)?.track.ssrc != ssrc;
        if is_other && self.current == Some(encoding) && !self.is_resuming {
            self.left_unfinished = self.last_frame_is_unfinished();
            self.is_resuming = true;
        }
        let lane = self.lanes.get_mut(index)?;
        if is_other {
            *lane = Lane { track: Track::new(ssrc), extra: E::default() };
        }
        Some(lane)
    }

    pub(super) fn get(&self, encoding: u8, ssrc: u32) -> Option<&Lane<D, E>> {
        self.lanes.get(usize::from(encoding)).filter(|lane| lane.track.ssrc == ssrc)
    }

    /// Notes that nothing is wanted. What was sent stays known for loss reports.
    pub(super) fn suspend(&mut self) {
        if !self.is_suspended {
            self.left_unfinished = self.last_frame_is_unfinished();
            self.is_suspended = true;
            self.is_resuming = true;
        }
    }

    /// Notes that something is wanted again: what was seen before is too old to build on.
    pub(super) fn resume(&mut self) {
        if self.is_suspended {
            self.is_suspended = false;
            self.lanes.iter_mut().for_each(|lane| lane.track.restart());
        }
    }

    /// Whether a key frame must come before anything is forwarded.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_resuming && !self.is_suspended
    }

    /// Whether a frame of `encoding` would start a new stretch of the receiver's stream.
    pub(super) fn is_start(&self, encoding: u8) -> bool {
        self.is_resuming || self.current != Some(encoding)
    }

    /// Whether such a start would go on with the encoding that was forwarded last.
    fn is_resumption(&self, encoding: u8) -> bool {
        self.is_resuming && self.current == Some(encoding)
    }

    /// Finds or makes the frame of a packet in its lane. What has no place is taken out.
    pub(super) fn place(
        &mut self,
        packet: &VideoPacket,
        arrival: &Arrival,
        detail: D,
    ) -> Result<Placement, Refusal> {
        let lane = self.lane(packet.encoding, packet.ssrc).ok_or(Refusal::UnknownEncoding)?;
        lane.track.place(arrival, detail).map_err(|refused| {
            lane.track.sequence.discard(refused.sequence_index);
            Refusal::NoPlace
        })
    }

    /// Starts a new stretch of the receiver's stream with a packet of the frame just placed. The
    /// first number is `gap` after the last one, and packets of up to `gap - 1` before it keep theirs.
    pub(super) fn begin(
        &mut self,
        packet: &VideoPacket,
        placement: &Placement,
        gap: u16,
        floor: i64,
        output: &mut Output,
    ) {
        let unfinished = self.gap_of_start() - 1;
        let is_resumption = self.is_resumption(packet.encoding);
        self.current = Some(packet.encoding);
        self.is_resuming = false;
        let Some(lane) = self.lane(packet.encoding, packet.ssrc) else { return };
        let timestamp = match lane.track.timestamp_offset {
            Some(offset) if is_resumption => output.timestamp_of_resumption(packet, offset),
            _ => output.timestamp_of_switch(packet),
        };
        lane.track.timestamp_offset = Some(timestamp.wrapping_sub(packet.timestamp));
        let number = output.sequence_number.wrapping_add(gap).wrapping_add(unfinished);
        let reserve = u32::from(gap.saturating_sub(1));
        lane.track.sequence.anchor(placement.sequence_index, i64::from(number), reserve);
        lane.track.floor = floor;
    }

    /// Gives a packet of an accepted frame its numbers, or takes one of a refused frame out.
    pub(super) fn forward(
        &mut self,
        packet: &VideoPacket,
        placement: &Placement,
        output: &mut Output,
    ) -> Result<Stamp, Refusal> {
        let is_current = self.current == Some(packet.encoding);
        let lane = self.lane(packet.encoding, packet.ssrc).ok_or(Refusal::UnknownEncoding)?;
        let track = &mut lane.track;
        if !track.frames.get(placement.place).ok_or(Refusal::NoPlace)?.accepted {
            track.discard(placement);
            return Err(Refusal::NotSelected);
        }
        let limit = track.sequence.highest_forwarded().filter(|_| !is_current);
        if limit.is_some_and(|limit| placement.sequence_index >= limit) {
            return Err(Refusal::AfterSwitch);
        }
        let offset = track.timestamp_offset.ok_or(Refusal::NoPlace)?;
        let number = track.sequence.forward(placement.sequence_index).ok_or(Refusal::NoNumber)?;
        let stamp = Stamp {
            sequence_number: low_16_bits(number),
            timestamp: packet.timestamp.wrapping_add(offset),
        };
        output.note(packet, stamp.sequence_number, stamp.timestamp);
        Ok(stamp)
    }

    /// How far the first sequence number of a new stretch is from the last one: a receiver must not
    /// take an unfinished frame as finished, so it misses one number after it.
    fn gap_of_start(&self) -> u16 {
        let unfinished =
            if self.is_resuming { self.left_unfinished } else { self.last_frame_is_unfinished() };
        if unfinished { 2 } else { 1 }
    }

    /// The encoding, SSRC and number of the packet that was forwarded with this number.
    pub(super) fn source_of(&self, sequence_number: u16) -> Option<(u8, u32, u16)> {
        (0_u8..).zip(&self.lanes).find_map(|(encoding, lane)| {
            let source = lane.track.source_sequence(sequence_number)?;
            Some((encoding, lane.track.ssrc, source))
        })
    }

    /// What is added to the timestamps of the encoding that is being forwarded, if it is this one.
    pub(super) fn timestamp_offset(&self, ssrc: u32) -> Option<u32> {
        let lane = self.lanes.get(usize::from(self.current?))?;
        lane.track.timestamp_offset.filter(|_| lane.track.ssrc == ssrc && !self.is_suspended)
    }

    fn last_frame_is_unfinished(&self) -> bool {
        self.current
            .and_then(|current| self.lanes.get(usize::from(current)))
            .and_then(|lane| lane.track.newest_accepted())
            .is_some_and(|frame| !frame.has_end)
    }
}
