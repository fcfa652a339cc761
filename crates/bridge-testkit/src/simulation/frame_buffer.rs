//! Puts frames together and decides in which order they can be decoded, by what headers say.

use super::frame_header::{PacketFrame, References, Unwrapper};
use super::frame_stamp::FrameStamp;
use bridge_units::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Frames of one stream on their way to the decoder.
#[derive(Debug, Default)]
pub(crate) struct FrameBuffer {
    /// In the order of time: with SSRC rewriting another source's ids may be lower.
    frames: BTreeMap<FrameKey, Assembly>,
    timestamps: Unwrapper<32>,
    decoded: BTreeSet<i64>,
    /// Frames of temporal layer 0 by tl0picidx.
    bases: BTreeMap<i64, i64>,
    last_decoded: Option<FrameKey>,
    /// The number of the last packet decoded.
    last_number: Option<i64>,
}

/// Timestamp and id, neither of which wraps.
type FrameKey = (i64, i64);

/// A frame of which some packets came.
#[derive(Debug)]
struct Assembly {
    header: PacketFrame,
    stamp: FrameStamp,
    timestamp: u32,
    first: Option<i64>,
    last: Option<i64>,
    packets: BTreeSet<i64>,
    ends_picture: bool,
    completed: Option<Timestamp>,
}

/// All frames with one timestamp.
struct DecodablePicture {
    keys: Vec<FrameKey>,
    first: i64,
    completed: Timestamp,
}

/// A frame that goes to the decoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodableFrame {
    pub(crate) stamp: FrameStamp,
    /// Headers call it a key frame.
    pub(crate) key: bool,
    /// The number of its last packet.
    pub(crate) last_number: i64,
    /// When its picture became complete.
    pub(crate) completed: Timestamp,
}

impl FrameBuffer {
    pub(crate) fn add(
        &mut self,
        now: Timestamp,
        index: i64,
        frame: PacketFrame,
        (timestamp, marker): (u32, bool),
        stamp: FrameStamp,
    ) {
        let key = (self.timestamps.update(timestamp), frame.id);
        if self.last_decoded.is_some_and(|last| key <= last) {
            return;
        }
        let (starts, ends) = (frame.starts, frame.ends);
        let assembly = self.frames.entry(key).or_insert_with(|| Assembly {
            header: frame.clone(),
            stamp,
            timestamp,
            first: None,
            last: None,
            packets: BTreeSet::new(),
            ends_picture: false,
            completed: None,
        });
        if starts {
            assembly.first = Some(index);
            assembly.header = frame;
        }
        if ends {
            assembly.last = Some(index);
        }
        assembly.ends_picture |= marker;
        assembly.packets.insert(index);
        if let (Some(first), Some(last)) = (assembly.first, assembly.last)
            && assembly.packets.range(first..=last).count() as i64 == last - first + 1
        {
            assembly.completed.get_or_insert(now);
        }
        while self.frames.len() > MAX_FRAMES {
            self.frames.pop_first();
        }
    }

    /// The frames of the next picture that can be decoded. Pictures before it that are not complete
    /// are waited for, as long as `patience`.
    pub(crate) fn pop(
        &mut self,
        now: Timestamp,
        patience: Duration,
        is_padding: impl Fn(i64) -> bool,
    ) -> Vec<DecodableFrame> {
        let Some(picture) = self.next_decodable(&is_padding) else { return Vec::new() };
        let follows =
            self.last_number.is_none_or(|last| (last + 1..picture.first).all(&is_padding));
        if !follows && now < picture.completed + patience {
            return Vec::new();
        }
        let mut frames = Vec::new();
        for key in picture.keys {
            let Some(assembly) = self.frames.remove(&key) else { continue };
            let last_number = assembly.last.unwrap_or(picture.first);
            self.note_decoded(key, last_number, &assembly);
            frames.push(DecodableFrame {
                stamp: assembly.stamp,
                key: assembly.header.key,
                last_number,
                completed: picture.completed,
            });
        }
        if let Some(last) = self.last_decoded {
            self.frames = self.frames.split_off(&last);
        }
        frames
    }

    /// When [`Self::pop`] may have something although nothing new came.
    pub(crate) fn poll_timeout(
        &self,
        patience: Duration,
        is_padding: impl Fn(i64) -> bool,
    ) -> Timestamp {
        let next = self.next_decodable(&is_padding);
        next.map_or(Timestamp::FAR_FUTURE, |picture| picture.completed + patience)
    }

    /// The first picture that is complete and refers to nothing that was not decoded.
    fn next_decodable(&self, is_padding: &impl Fn(i64) -> bool) -> Option<DecodablePicture> {
        let mut frames = self.frames.iter().peekable();
        while let Some((key, frame)) = frames.next() {
            let mut group = vec![(*key, frame)];
            while let Some((key, frame)) =
                frames.next_if(|(_, next)| next.timestamp == frame.timestamp)
            {
                group.push((*key, frame));
            }
            // Without a marker the beginning of another picture ends this one.
            let ends = group.iter().any(|(_, frame)| frame.ends_picture) || frames.peek().is_some();
            if let Some(picture) = self.decodable_picture(&group, is_padding).filter(|_| ends) {
                return Some(picture);
            }
        }
        None
    }

    fn decodable_picture(
        &self,
        group: &[(FrameKey, &Assembly)],
        is_padding: &impl Fn(i64) -> bool,
    ) -> Option<DecodablePicture> {
        let keys: Vec<FrameKey> = group.iter().map(|(key, _)| *key).collect();
        let ids: Vec<i64> = keys.iter().map(|(_, id)| *id).collect();
        let mut completed = Timestamp::ZERO;
        let mut first = i64::MAX;
        for (position, (key, frame)) in group.iter().enumerate() {
            completed = completed.max(frame.completed?);
            first = first.min(frame.first?);
            let below = &ids[..position];
            if !self.is_decodable(*key, frame.first?, frame, below, is_padding) {
                return None;
            }
        }
        Some(DecodablePicture { keys, first, completed })
    }

    fn is_decodable(
        &self,
        key: FrameKey,
        first: i64,
        frame: &Assembly,
        below: &[i64],
        is_padding: &impl Fn(i64) -> bool,
    ) -> bool {
        let is_there = |id: &i64| self.decoded.contains(id) || below.contains(id);
        match &frame.header.references {
            _ if frame.header.key => true,
            References::Nothing => true,
            References::Frames(frames) => frames.iter().all(is_there),
            References::Previous => self
                .last_number
                .is_some_and(|last| last < first && (last + 1..first).all(is_padding)),
            References::TemporalLayers { tl0, temporal: 0, .. } => {
                self.bases.get(&(tl0 - 1)).is_some_and(|base| self.decoded.contains(base))
            }
            References::TemporalLayers { tl0, temporal, sync } => {
                let Some(base) = self.bases.get(tl0) else { return false };
                let (_, id) = key;
                *sync || (base + 1..id).all(|n| self.is_no_hindrance(n, key, *temporal))
            }
        }
    }

    /// Whether a picture before one of this temporal layer is there or is not referred to.
    fn is_no_hindrance(&self, id: i64, before: FrameKey, temporal: u8) -> bool {
        let is_above = |frame: &Assembly| {
            matches!(frame.header.references,
                References::TemporalLayers { temporal: of, .. } if of > temporal)
        };
        let mut waiting = self.frames.range(..before).rev().take(MAX_BETWEEN);
        self.decoded.contains(&id)
            || waiting.find(|((_, other), _)| *other == id).is_some_and(|(_, f)| is_above(f))
    }

    fn note_decoded(&mut self, key: FrameKey, last_number: i64, assembly: &Assembly) {
        let (_, id) = key;
        // libwebrtc takes a key frame with a lower id and a later time for a new beginning.
        if assembly.header.key && self.last_decoded.is_some_and(|(_, last)| id <= last) {
            self.decoded.clear();
            self.bases.clear();
        }
        self.decoded.insert(id);
        self.last_decoded = Some(key);
        self.last_number = Some(last_number);
        if let References::TemporalLayers { tl0, temporal: 0, .. } = assembly.header.references {
            self.bases.insert(tl0, id);
        }
        while self.decoded.len() > MAX_DECODED {
            self.decoded.pop_first();
        }
        while self.bases.len() > MAX_DECODED {
            self.bases.pop_first();
        }
    }
}

/// libwebrtc's frame buffer holds 800; a stalled stream needs no more here.
const MAX_FRAMES: usize = 400;
/// Frames between two of the lowest temporal layer, and some more.
const MAX_BETWEEN: usize = 8;
/// References reach back by a few frames.
const MAX_DECODED: usize = 400;
