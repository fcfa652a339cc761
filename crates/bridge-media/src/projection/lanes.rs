use super::track::Track;
use crate::source::MAX_ENCODINGS;

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
        let lane = self.lanes.get_mut(index)?;
        if lane.track.ssrc != ssrc {
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

    /// Whether a frame of `encoding` would start a new stretch of the receiver's stream.
    pub(super) fn is_start(&self, encoding: u8) -> bool {
        self.is_resuming || self.current != Some(encoding)
    }

    /// Whether such a start would go on with the encoding that was forwarded last.
    pub(super) fn is_resumption(&self, encoding: u8) -> bool {
        self.is_resuming && self.current == Some(encoding)
    }

    /// How far the first sequence number of a new stretch is from the last one: a receiver must not
    /// take an unfinished frame as finished, so it misses one number after it.
    pub(super) fn gap_of_start(&self) -> u16 {
        let unfinished =
            if self.is_resuming { self.left_unfinished } else { self.last_frame_is_unfinished() };
        if unfinished { 2 } else { 1 }
    }

    pub(super) fn start(&mut self, encoding: u8) {
        self.current = Some(encoding);
        self.is_resuming = false;
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
