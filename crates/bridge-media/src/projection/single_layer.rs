use std::time::Duration;

use bridge_rtp::codec::Vp8Descriptor;
use bridge_units::Timestamp;

use super::keyframe_group::{KeyframeGroup, KeyframeVerdict};
use super::lanes::Lanes;
use super::output::Output;
use super::rewrite::{PayloadRewrite, Rewrite};
use super::track::{Arrival, FRAMES_PER_ID, Placement};
use super::{Refusal, Stamp};
use crate::layer_index::LayerIndex;
use crate::renumbering::{Renumbering, low_16_bits};
use crate::video_packet::{FrameDescription, VideoPacket};

/// Encodings without spatial layers: VP8, and by the same rules every codec whose frames tell no
/// layers at all (JVB: `VP8AdaptiveSourceProjectionContext`, `GenericAdaptiveSourceProjectionContext`).
///
/// Differs from JVB, whose generic context neither keeps to one encoding and SSRC nor closes the gap
/// of a suspension, and which knows no key frames of H.264 and H.265.
#[derive(Clone, Debug)]
pub(super) struct SingleLayerContext {
    lanes: Lanes<Detail, Extra>,
    group: KeyframeGroup,
    current: Option<u8>,
    last_picture_id: Option<u16>,
    last_tl0: Option<u8>,
    waiting_since: Option<Timestamp>,
    has_projected: bool,
}

/// What is remembered of a frame.
#[derive(Clone, Copy, Debug)]
struct Detail {
    temporal_id: u8,
}

/// What is remembered of an encoding.
#[derive(Clone, Debug, Default)]
struct Extra {
    pictures: Renumbering<PICTURE_BLOCKS>,
    tl0_offset: u8,
    has_keyframes: bool,
}

impl SingleLayerContext {
    pub(super) fn new() -> Self {
        Self {
            lanes: Lanes::new(),
            group: KeyframeGroup::default(),
            current: None,
            last_picture_id: None,
            last_tl0: None,
            waiting_since: None,
            has_projected: false,
        }
    }

    pub(super) fn needs_keyframe(&self) -> bool {
        self.group.needs_keyframe || !self.has_projected || self.lanes.is_waiting()
    }

    pub(super) fn current(&self) -> Option<u8> {
        self.current
    }

    pub(super) fn accept(
        &mut self,
        packet: &VideoPacket,
        target: LayerIndex,
        output: &mut Output,
    ) -> Result<Rewrite, Refusal> {
        self.set_target(target);
        let Some(target_encoding) = target.encoding() else {
            self.current = None;
            self.lanes.suspend();
            return Err(Refusal::NotWanted);
        };
        self.lanes.resume();
        let (arrival, detail) = describe(packet);
        let placement = self.lanes.place(packet, &arrival, detail)?;
        if arrival.is_keyframe
            && let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc)
        {
            lane.extra.has_keyframes = true;
        }
        if placement.jumped {
            self.restart_pictures(packet);
        }
        if placement.is_new_frame {
            self.decide(
                packet,
                &arrival,
                placement,
                (target_encoding, target.temporal_id()),
                output,
            );
        }
        self.forward(packet, &placement, output)
    }

    /// The rewriting of a packet that was forwarded before.
    pub(super) fn rewrite_again(&self, packet: &VideoPacket, output: &Output) -> Option<Rewrite> {
        let (arrival, _) = describe(packet);
        let lane = self.lanes.get(packet.encoding, packet.ssrc)?;
        let (frame, sequence_number) = lane.track.find_sent(&arrival)?;
        let index = frame.index;
        let stamp = Stamp {
            sequence_number,
            timestamp: packet.timestamp.wrapping_add(lane.track.timestamp_offset?),
        };
        Some(self.rewrite(packet, index, stamp, output.ssrc))
    }

    pub(super) fn source_of(&self, sequence_number: u16) -> Option<(u8, u32, u16)> {
        self.lanes.source_of(sequence_number)
    }

    pub(super) fn timestamp_offset(&self, ssrc: u32) -> Option<u32> {
        self.lanes.timestamp_offset(ssrc)
    }

    fn set_target(&mut self, target: LayerIndex) {
        if target.encoding() != self.group.target {
            self.group.target = target.encoding();
            if self.group.target.is_some() {
                self.group.needs_keyframe = true;
            }
        }
    }

    /// Decides on a frame by its first packet to arrive; a new stretch starts here.
    fn decide(
        &mut self,
        packet: &VideoPacket,
        arrival: &Arrival,
        placement: Placement,
        target: (u8, u8),
        output: &mut Output,
    ) {
        let is_start = self.lanes.is_start(packet.encoding);
        let starts_stream = self.starts_stream(packet, arrival, is_start, target.0);
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        let Some(frame) = lane.track.frames.get(placement.place) else { return };
        // Frames that need this one were refused already: it comes too late to start with.
        let is_late = lane
            .track
            .frames
            .after(placement.place)
            .find(|next| next.detail.temporal_id == 0)
            .is_some_and(|next| !next.accepted);
        let is_keyframe = starts_stream && !(is_start && is_late);
        let temporal_id = frame.detail.temporal_id;
        let index = frame.index;
        let decodable = is_keyframe || is_decodable(&lane.track, placement.place);
        let accepted = self.filter(packet, is_keyframe, temporal_id, target)
            && decodable
            && (is_keyframe || !is_start);
        if accepted && is_start {
            self.start(packet, placement, index, output);
        }
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        if let Some(frame) = lane.track.frames.get_mut(placement.place) {
            frame.accepted = accepted;
            frame.is_keyframe = is_keyframe;
        }
        if !accepted {
            lane.extra.pictures.discard(index / FRAMES_PER_ID);
        }
        let adjacent = !arrival.id_is_timestamp && follows_directly(&lane.track, placement.place);
        lane.track.settle_gap(placement.place, adjacent);
    }

    /// Whether a receiver can start with this frame. Without any way to tell, it can with each.
    fn starts_stream(
        &mut self,
        packet: &VideoPacket,
        arrival: &Arrival,
        is_start: bool,
        target: u8,
    ) -> bool {
        let may_be_any = match packet.frame {
            FrameDescription::Unparsed => true,
            FrameDescription::KeyFrames { .. } => {
                let since = *self.waiting_since.get_or_insert(packet.received);
                let lane = self.lanes.lane(packet.encoding, packet.ssrc);
                packet.received - since > MAX_WAIT_FOR_FIRST_KEYFRAME
                    && lane.is_some_and(|lane| !lane.extra.has_keyframes)
            }
            _ => false,
        };
        arrival.is_keyframe || (may_be_any && is_start && packet.encoding == target)
    }

    /// JVB: `VP8QualityFilter`.
    fn filter(
        &mut self,
        packet: &VideoPacket,
        is_keyframe: bool,
        temporal_id: u8,
        (target, target_temporal_id): (u8, u8),
    ) -> bool {
        let encoding = packet.encoding;
        if is_keyframe {
            let verdict = self.group.keyframe(encoding, self.current, packet.received);
            if verdict == KeyframeVerdict::Refuse {
                if self.current == Some(encoding) {
                    // What follows refers to it. Differs from JVB, which goes on with layer 0.
                    self.current = None;
                    self.group.needs_keyframe = true;
                }
                return false;
            }
            self.current = Some(encoding);
            return true;
        }
        let Some(current) = self.current else { return false };
        if self.group.is_over(packet.received) && self.group.is_nearer(encoding, current) {
            self.group.needs_keyframe = true;
        }
        if encoding != current {
            return false;
        }
        // Only the base layer while waiting to go down, everything while waiting to go up.
        match current.cmp(&target) {
            std::cmp::Ordering::Greater => temporal_id < 1,
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => temporal_id <= target_temporal_id,
        }
    }

    fn start(
        &mut self,
        packet: &VideoPacket,
        placement: Placement,
        index: i64,
        output: &mut Output,
    ) {
        self.waiting_since = None;
        self.has_projected = true;
        let (last_picture_id, last_tl0) = (self.last_picture_id, self.last_tl0);
        let gap = self.gap_of_start(packet, &placement);
        self.lanes.begin(packet, &placement, gap, index, output);
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        if let FrameDescription::Vp8(vp8) = &packet.frame {
            let own = vp8.picture_id.map_or(0, |id| id.value);
            let picture_id = last_picture_id.map_or(own, |last| last.wrapping_add(1));
            lane.extra.pictures.anchor(index / FRAMES_PER_ID, i64::from(picture_id), 0);
            let own = vp8.tl0_picture_index.unwrap_or(0);
            let tl0 = last_tl0.map_or(own, |last| last.wrapping_add(1));
            lane.extra.tl0_offset = tl0.wrapping_sub(own);
        }
    }

    /// How far the first number is from the last one. A key frame that is told by the payload may
    /// begin with parameter sets in packets before the one that tells: if such were lost on their
    /// way here, their numbers are kept for them, as no receiver decodes the frame without.
    fn gap_of_start(&mut self, packet: &VideoPacket, placement: &Placement) -> u16 {
        if !matches!(packet.frame, FrameDescription::KeyFrames { .. }) || placement.jumped {
            return 1;
        }
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return 1 };
        let before = lane.track.frames.before(placement.place).next();
        let gap = before.map_or(1, |before| placement.sequence_index - before.latest);
        u16::try_from(gap.clamp(1, MAX_EARLY_PACKETS)).unwrap_or(1)
    }

    /// After a jump of the sender's picture ids the offset stays (JVB: reset).
    fn restart_pictures(&mut self, packet: &VideoPacket) {
        let FrameDescription::Vp8(Vp8Descriptor { picture_id: Some(id), .. }) = packet.frame else {
            return;
        };
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        let pictures = &mut lane.extra.pictures;
        let Some(highest) = pictures.highest_forwarded() else { return };
        let offset = pictures.number(highest).unwrap_or(highest) - highest;
        let Some(newest) = lane.track.frames.newest() else { return };
        let index = newest.index / FRAMES_PER_ID;
        let number = i64::from(id.value) + offset.rem_euclid(1 << id.bits());
        *pictures = Renumbering::new();
        pictures.anchor(index, number, 0);
    }

    fn forward(
        &mut self,
        packet: &VideoPacket,
        placement: &Placement,
        output: &mut Output,
    ) -> Result<Rewrite, Refusal> {
        let stamp = self.lanes.forward(packet, placement, output)?;
        let lane = self.lanes.lane(packet.encoding, packet.ssrc).ok_or(Refusal::UnknownEncoding)?;
        let index = lane.track.frames.get(placement.place).ok_or(Refusal::NoPlace)?.index;
        lane.extra.pictures.forward(index / FRAMES_PER_ID);
        let rewrite = self.rewrite(packet, index, stamp, output.ssrc);
        if let PayloadRewrite::Vp8 { picture_id, tl0_picture_index } = rewrite.payload
            && output.sequence_number == stamp.sequence_number
        {
            self.last_picture_id = Some(picture_id);
            self.last_tl0 = Some(tl0_picture_index);
        }
        Ok(rewrite)
    }

    fn rewrite(&self, packet: &VideoPacket, index: i64, stamp: Stamp, ssrc: u32) -> Rewrite {
        let payload = match (&packet.frame, self.lanes.get(packet.encoding, packet.ssrc)) {
            (FrameDescription::Vp8(vp8), Some(lane)) if vp8.is_routable() => {
                let number = lane.extra.pictures.number(index / FRAMES_PER_ID).unwrap_or(index);
                PayloadRewrite::Vp8 {
                    picture_id: low_16_bits(number) & MAX_PICTURE_ID,
                    tl0_picture_index: vp8
                        .tl0_picture_index
                        .unwrap_or(0)
                        .wrapping_add(lane.extra.tl0_offset),
                }
            }
            _ => PayloadRewrite::None,
        };
        Rewrite {
            ssrc,
            sequence_number: stamp.sequence_number,
            timestamp: stamp.timestamp,
            marker: packet.marker,
            payload,
        }
    }
}

/// The packet as its track sees it.
fn describe(packet: &VideoPacket) -> (Arrival, Detail) {
    let mut arrival = Arrival {
        sequence_number: packet.sequence_number,
        timestamp: packet.timestamp,
        id: packet.timestamp,
        id_bits: 32,
        part: 0,
        starts_frame: false,
        ends_frame: packet.marker,
        is_keyframe: packet.frame.is_keyframe(),
        id_is_timestamp: true,
    };
    let mut detail = Detail { temporal_id: 0 };
    match &packet.frame {
        FrameDescription::Vp8(vp8) => {
            arrival.starts_frame = vp8.is_start_of_frame;
            if let (Some(id), true) = (vp8.picture_id, vp8.is_routable()) {
                arrival.id = u32::from(id.value);
                arrival.id_bits = id.bits();
                arrival.id_is_timestamp = false;
                detail.temporal_id = vp8.temporal_id.unwrap_or(0);
            }
        }
        FrameDescription::KeyFrames { starts_key_frame } => {
            arrival.starts_frame = *starts_key_frame;
        }
        _ => {}
    }
    (arrival, detail)
}

/// Whether the receiver has what the frame refers to, as far as temporal layers tell.
fn is_decodable(track: &super::track::Track<Detail>, place: usize) -> bool {
    let Some(frame) = track.frames.get(place) else { return false };
    if frame.detail.temporal_id == 0 {
        return true;
    }
    let mut expected = frame.index;
    for before in track.frames.before(place) {
        expected -= FRAMES_PER_ID;
        if before.index != expected {
            return true;
        }
        if before.is_keyframe || before.detail.temporal_id <= frame.detail.temporal_id {
            return before.accepted;
        }
    }
    true
}

fn follows_directly(track: &super::track::Track<Detail>, place: usize) -> bool {
    let frame = track.frames.get(place);
    let before = track.frames.before(place).next();
    matches!((before, frame), (Some(before), Some(frame))
        if frame.index == before.index + FRAMES_PER_ID)
}

/// 256 frames, twice those that are remembered.
const PICTURE_BLOCKS: usize = 4;
const MAX_PICTURE_ID: u16 = 0x7fff;
/// How many packets of a key frame may come after the one that it was joined with, as for VP9.
const MAX_EARLY_PACKETS: i64 = 16;

/// How long to wait for the first key frame of a codec whose key frames are told by the payload: if
/// it is encrypted end to end, they never will be.
const MAX_WAIT_FOR_FIRST_KEYFRAME: Duration = Duration::from_secs(3);
