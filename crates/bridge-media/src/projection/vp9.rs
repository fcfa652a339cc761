use bridge_rtp::codec::Vp9Descriptor;

use super::lanes::Lanes;
use super::output::Output;
use super::rewrite::{PayloadRewrite, Rewrite};
use super::track::{Arrival, FRAMES_PER_ID, Placement, Track};
use super::vp9_filter::{Vp9Filter, Vp9Frame};
use super::{Refusal, Stamp};
use crate::layer_index::LayerIndex;
use crate::video_packet::{FrameDescription, VideoPacket};

/// VP9 with or without spatial layers (JVB: `Vp9AdaptiveSourceProjectionContext`).
#[derive(Clone, Debug)]
pub(super) struct Vp9Context {
    lanes: Lanes<Detail, Extra>,
    filter: Vp9Filter,
    last_picture_id: Option<u16>,
    last_tl0: Option<u8>,
}

/// What is remembered of a layer frame.
#[derive(Clone, Copy, Debug)]
struct Detail {
    temporal_id: u8,
    /// Its last packet ends what the receiver gets of the picture.
    is_last_of_picture: bool,
    /// The picture's last packet was seen with it.
    has_marker: bool,
}

/// How the ids of an encoding are shifted.
#[derive(Clone, Copy, Debug, Default)]
struct Extra {
    picture_id_offset: u16,
    tl0_offset: u8,
}

impl Vp9Context {
    pub(super) fn new() -> Self {
        Self {
            lanes: Lanes::new(),
            filter: Vp9Filter::default(),
            last_picture_id: None,
            last_tl0: None,
        }
    }

    pub(super) fn needs_keyframe(&self) -> bool {
        self.filter.group.needs_keyframe
            || self.last_picture_id.is_none()
            || self.lanes.is_waiting()
    }

    pub(super) fn current(&self) -> Option<u8> {
        self.filter.current()
    }

    pub(super) fn accept(
        &mut self,
        packet: &VideoPacket,
        target: LayerIndex,
        output: &mut Output,
    ) -> Result<Rewrite, Refusal> {
        if target.is_suspended() {
            self.filter.suspend();
            self.lanes.suspend();
            return Err(Refusal::NotWanted);
        }
        self.lanes.resume();
        let vp9 = descriptor(packet).ok_or(Refusal::OtherCodec)?;
        let arrival = describe(packet, vp9).ok_or(Refusal::OtherCodec)?;
        let detail = Detail {
            temporal_id: vp9.temporal_id(),
            is_last_of_picture: false,
            has_marker: packet.marker,
        };
        let placement = self.lanes.place(packet, &arrival, detail)?;
        if placement.is_new_frame {
            self.decide(packet, vp9, &arrival, &placement, target, output);
        }
        let stamp = self.lanes.forward(packet, &placement, output)?;
        let rewrite = self.rewrite(packet, placement.place, stamp, output.ssrc);
        let rewrite = rewrite.ok_or(Refusal::NoPlace)?;
        if let PayloadRewrite::Vp9 { picture_id, tl0_picture_index } = rewrite.payload
            && output.sequence_number == stamp.sequence_number
        {
            self.last_picture_id = Some(picture_id);
            self.last_tl0 = Some(tl0_picture_index);
        }
        Ok(rewrite)
    }

    pub(super) fn rewrite_again(&self, packet: &VideoPacket, output: &Output) -> Option<Rewrite> {
        let arrival = describe(packet, descriptor(packet)?)?;
        let lane = self.lanes.get(packet.encoding, packet.ssrc)?;
        let (frame, sequence_number) = lane.track.find_sent(&arrival)?;
        let place = lane.track.frames.find(frame.index)?;
        let timestamp = packet.timestamp.wrapping_add(lane.track.timestamp_offset?);
        self.rewrite(packet, place, Stamp { sequence_number, timestamp }, output.ssrc)
    }

    pub(super) fn source_of(&self, sequence_number: u16) -> Option<(u8, u32, u16)> {
        self.lanes.source_of(sequence_number)
    }

    pub(super) fn timestamp_offset(&self, ssrc: u32) -> Option<u32> {
        self.lanes.timestamp_offset(ssrc)
    }

    fn decide(
        &mut self,
        packet: &VideoPacket,
        vp9: &Vp9Descriptor,
        arrival: &Arrival,
        placement: &Placement,
        target: LayerIndex,
        output: &mut Output,
    ) {
        let is_start = self.lanes.is_start(packet.encoding);
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        // Pictures that need this one were refused already: it comes too late to start with.
        let is_late = lane
            .track
            .frames
            .after(placement.place)
            .find(|next| next.index % FRAMES_PER_ID == 0 && next.detail.temporal_id == 0)
            .is_some_and(|next| !next.accepted);
        let is_keyframe = arrival.is_keyframe && !(is_start && is_late);
        let frame = Vp9Frame {
            descriptor: vp9,
            is_keyframe,
            encoding: packet.encoding,
            now: packet.received,
        };
        let (wanted, is_last_of_picture) = self.filter.accept(&frame, target);
        let accepted = wanted && (is_keyframe || !is_start);
        if accepted && is_start {
            self.start(packet, vp9, arrival, placement, output);
        }
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        if let Some(frame) = lane.track.frames.get_mut(placement.place) {
            frame.accepted = accepted;
            frame.is_keyframe = is_keyframe;
            frame.detail.is_last_of_picture = is_last_of_picture;
        }
        let adjacent = follows_directly(&lane.track, placement.place);
        lane.track.settle_gap(placement.place, adjacent);
    }

    /// A stretch may start in the middle of a key frame: numbers are then kept for its beginning.
    fn start(
        &mut self,
        packet: &VideoPacket,
        vp9: &Vp9Descriptor,
        arrival: &Arrival,
        placement: &Placement,
        output: &mut Output,
    ) {
        let (last_picture_id, last_tl0) = (self.last_picture_id, self.last_tl0);
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        let before = lane.track.frames.before(placement.place).next();
        let gap = match before {
            _ if arrival.starts_frame => 1,
            Some(before) => (placement.sequence_index - before.latest).clamp(1, MAX_EARLY_PACKETS),
            None => MAX_EARLY_PACKETS,
        };
        let Some(frame) = lane.track.frames.get(placement.place) else { return };
        let floor = frame.index.div_euclid(FRAMES_PER_ID) * FRAMES_PER_ID;
        let own = vp9.picture_id.map_or(0, |id| id.value);
        let picture_id = last_picture_id.map_or(own, |last| last.wrapping_add(1));
        let own_tl0 = vp9.tl0_picture_index.unwrap_or(0);
        let tl0 = last_tl0.map_or(own_tl0, |last| last.wrapping_add(1));
        lane.extra = Extra {
            picture_id_offset: picture_id.wrapping_sub(own),
            tl0_offset: tl0.wrapping_sub(own_tl0),
        };
        let gap = u16::try_from(gap).unwrap_or(1);
        self.lanes.begin(packet, placement, gap, floor, output);
    }

    fn rewrite(
        &self,
        packet: &VideoPacket,
        place: usize,
        stamp: Stamp,
        ssrc: u32,
    ) -> Option<Rewrite> {
        let vp9 = descriptor(packet)?;
        let lane = self.lanes.get(packet.encoding, packet.ssrc)?;
        let frame = lane.track.frames.get(place)?;
        let picture_id = vp9.picture_id?.value.wrapping_add(lane.extra.picture_id_offset);
        let tl0 = vp9.tl0_picture_index.unwrap_or(0).wrapping_add(lane.extra.tl0_offset);
        let ends_picture = frame.detail.is_last_of_picture && vp9.is_end_of_frame;
        Some(Rewrite {
            ssrc,
            sequence_number: stamp.sequence_number,
            timestamp: stamp.timestamp,
            marker: packet.marker || ends_picture,
            payload: PayloadRewrite::Vp9 {
                picture_id: picture_id & MAX_PICTURE_ID,
                tl0_picture_index: tl0,
            },
        })
    }
}

fn descriptor(packet: &VideoPacket) -> Option<&Vp9Descriptor> {
    match &packet.frame {
        FrameDescription::Vp9(vp9) => Some(vp9),
        _ => None,
    }
}

fn describe(packet: &VideoPacket, vp9: &Vp9Descriptor) -> Option<Arrival> {
    let id = vp9.picture_id?;
    Some(Arrival {
        sequence_number: packet.sequence_number,
        timestamp: packet.timestamp,
        id: u32::from(id.value),
        id_bits: id.bits(),
        part: vp9.spatial_id(),
        starts_frame: vp9.is_start_of_frame,
        ends_frame: vp9.is_end_of_frame,
        is_keyframe: vp9.is_keyframe(),
        id_is_timestamp: false,
    })
}

/// Whether no frame is between this one and the one before it, or only some that are dropped as the
/// layer below them was.
fn follows_directly(track: &Track<Detail>, place: usize) -> bool {
    let (Some(frame), Some(before)) = (track.frames.get(place), track.frames.before(place).next())
    else {
        return false;
    };
    let picture = |index: i64| index.div_euclid(FRAMES_PER_ID);
    let starts_next = picture(frame.index) == picture(before.index) + 1
        && frame.index.rem_euclid(FRAMES_PER_ID) == 0;
    frame.index == before.index + 1
        || (starts_next && (!before.accepted || before.detail.has_marker))
}

/// How many packets of a key frame that is joined in its middle may still come, as in JVB.
const MAX_EARLY_PACKETS: i64 = 16;
const MAX_PICTURE_ID: u16 = 0x7fff;
