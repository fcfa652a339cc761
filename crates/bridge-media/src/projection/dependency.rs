use bridge_rtp::codec::{
    DecodeTargetIndications, DependencyDescriptor, DependencyRewrite, TemplateDependencyStructure,
};

use super::dependency_filter::{DependencyFilter, DependencyFrame, DependencyVerdict};
use super::lanes::Lanes;
use super::output::Output;
use super::rewrite::{PayloadRewrite, Rewrite};
use super::track::{Arrival, FRAMES_PER_ID, Placement, Track};
use super::{Refusal, Stamp};
use crate::layer_index::LayerIndex;
use crate::video_packet::{FrameDescription, VideoPacket};

/// AV1, and every codec with a dependency descriptor (JVB: `Av1DDAdaptiveSourceProjectionContext`).
#[derive(Clone, Debug)]
pub(super) struct DependencyContext {
    lanes: Lanes<Detail, Extra>,
    filter: DependencyFilter,
    state: Option<DependencyState>,
    has_projected: bool,
}

/// Where the receiver's frame numbers and templates are. Survives a change of codec and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DependencyState {
    frame_number: u16,
    next_template_id: u8,
}

/// What is remembered of a frame.
#[derive(Clone, Copy, Debug)]
struct Detail {
    template_id: u8,
    indications: Option<DecodeTargetIndications>,
    verdict: DependencyVerdict,
}

/// How the numbers of an encoding are shifted.
#[derive(Clone, Copy, Debug, Default)]
struct Extra {
    frame_number_offset: u16,
    template_id_delta: u8,
}

impl DependencyContext {
    pub(super) fn new(state: Option<DependencyState>) -> Self {
        Self {
            lanes: Lanes::new(),
            filter: DependencyFilter::default(),
            state,
            has_projected: false,
        }
    }

    pub(super) fn needs_keyframe(&self) -> bool {
        self.filter.group.needs_keyframe || !self.has_projected || self.lanes.is_waiting()
    }

    pub(super) fn current(&self) -> Option<u8> {
        self.filter.current()
    }

    pub(super) fn state(&self) -> Option<DependencyState> {
        self.state
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
        let descriptor = descriptor(packet).ok_or(Refusal::OtherCodec)?;
        let detail = Detail {
            template_id: descriptor.template_id,
            indications: descriptor.frame.as_ref().map(|frame| frame.indications),
            verdict: DependencyVerdict::default(),
        };
        let placement = self.lanes.place(packet, &describe(packet, descriptor), detail)?;
        if placement.jumped && descriptor.is_keyframe {
            self.continue_templates(packet, descriptor);
        }
        if placement.is_new_frame {
            self.decide(packet, descriptor, &placement, target, output);
        }
        let stamp = self.lanes.forward(packet, &placement, output)?;
        self.note_sent(packet, descriptor, stamp, output);
        self.rewrite(packet, placement.place, stamp, output.ssrc).ok_or(Refusal::NoPlace)
    }

    pub(super) fn rewrite_again(&self, packet: &VideoPacket, output: &Output) -> Option<Rewrite> {
        let arrival = describe(packet, descriptor(packet)?);
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
        descriptor: &DependencyDescriptor,
        placement: &Placement,
        target: LayerIndex,
        output: &mut Output,
    ) {
        let is_start = self.lanes.is_start(packet.encoding);
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        let place = placement.place;
        let is_late =
            is_start && is_too_late(&lane.track, place, packet.encoding, descriptor, target);
        let is_keyframe = descriptor.is_keyframe && descriptor.is_start_of_frame && !is_late;
        let frame = DependencyFrame {
            descriptor,
            is_keyframe,
            encoding: packet.encoding,
            now: packet.received,
            has_references: has_references(&lane.track, place, descriptor),
        };
        let mut verdict = self.filter.accept(&frame, target);
        verdict.accepted &= is_keyframe || !is_start;
        if verdict.accepted && is_start {
            self.start(packet, descriptor, placement, output);
        }
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        if let Some(frame) = lane.track.frames.get_mut(place) {
            frame.accepted = verdict.accepted;
            frame.is_keyframe = is_keyframe;
            frame.detail.verdict = verdict;
        }
        let adjacent = follows_directly(&lane.track, place);
        lane.track.settle_gap(place, adjacent);
    }

    fn start(
        &mut self,
        packet: &VideoPacket,
        descriptor: &DependencyDescriptor,
        placement: &Placement,
        output: &mut Output,
    ) {
        self.has_projected = true;
        let state = self.state;
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        let Some(frame) = lane.track.frames.get(placement.place) else { return };
        let floor = frame.index;
        lane.extra = match (state, &descriptor.structure) {
            (Some(state), Some(structure)) => Extra {
                frame_number_offset: state
                    .frame_number
                    .wrapping_add(1)
                    .wrapping_sub(descriptor.frame_number),
                template_id_delta: template_delta(state, structure),
            },
            _ => Extra::default(),
        };
        self.lanes.begin(packet, placement, 1, floor, output);
    }

    /// After a jump of the sender's frame numbers a new structure continues after the last one.
    fn continue_templates(&mut self, packet: &VideoPacket, descriptor: &DependencyDescriptor) {
        let state = self.state;
        let is_current = self.lanes.current == Some(packet.encoding);
        let Some(lane) = self.lanes.lane(packet.encoding, packet.ssrc) else { return };
        if let (Some(state), Some(structure), true) = (state, &descriptor.structure, is_current) {
            lane.extra.template_id_delta = template_delta(state, structure);
        }
    }

    fn note_sent(
        &mut self,
        packet: &VideoPacket,
        descriptor: &DependencyDescriptor,
        stamp: Stamp,
        output: &Output,
    ) {
        let Some(lane) = self.lanes.get(packet.encoding, packet.ssrc) else { return };
        let Some(structure) = &descriptor.structure else { return };
        if stamp.sequence_number != output.sequence_number {
            return;
        }
        let shifted = structure.next_template_id().wrapping_add(lane.extra.template_id_delta);
        self.state = Some(DependencyState {
            frame_number: descriptor.frame_number.wrapping_add(lane.extra.frame_number_offset),
            next_template_id: shifted % TEMPLATE_ID_MODULUS,
        });
    }

    fn rewrite(
        &self,
        packet: &VideoPacket,
        place: usize,
        stamp: Stamp,
        ssrc: u32,
    ) -> Option<Rewrite> {
        let descriptor = descriptor(packet)?;
        let lane = self.lanes.get(packet.encoding, packet.ssrc)?;
        let verdict = lane.track.frames.get(place)?.detail.verdict;
        let rewrite = DependencyRewrite {
            frame_number: descriptor.frame_number.wrapping_add(lane.extra.frame_number_offset),
            template_id_delta: lane.extra.template_id_delta,
            active_decode_targets: verdict.active_decode_targets,
        };
        let payload = if rewrite.keeps(descriptor) {
            PayloadRewrite::DependencyAsIs
        } else {
            PayloadRewrite::Dependency(rewrite)
        };
        Some(Rewrite {
            ssrc,
            sequence_number: stamp.sequence_number,
            timestamp: stamp.timestamp,
            marker: packet.marker || (verdict.is_last_of_picture && descriptor.is_end_of_frame),
            payload,
        })
    }
}

fn descriptor(packet: &VideoPacket) -> Option<&DependencyDescriptor> {
    match &packet.frame {
        FrameDescription::Dependency(descriptor) => Some(descriptor),
        _ => None,
    }
}

fn describe(packet: &VideoPacket, descriptor: &DependencyDescriptor) -> Arrival {
    Arrival {
        sequence_number: packet.sequence_number,
        timestamp: packet.timestamp,
        id: u32::from(descriptor.frame_number),
        id_bits: 16,
        part: 0,
        starts_frame: descriptor.is_start_of_frame,
        ends_frame: descriptor.is_end_of_frame,
        is_keyframe: descriptor.is_keyframe,
        id_is_timestamp: false,
    }
}

fn template_delta(state: DependencyState, structure: &TemplateDependencyStructure) -> u8 {
    state.next_template_id.wrapping_sub(structure.template_id_offset) % TEMPLATE_ID_MODULUS
}

/// Whether every frame that this one refers to was forwarded.
fn has_references(track: &Track<Detail>, place: usize, descriptor: &DependencyDescriptor) -> bool {
    let (Some(frame), Some(info)) = (track.frames.get(place), &descriptor.frame) else {
        return false;
    };
    info.frame_diffs().iter().all(|diff| {
        let reference = track.frames.find(frame.index - i64::from(*diff) * FRAMES_PER_ID);
        reference.and_then(|place| track.frames.get(place)).is_some_and(|frame| frame.accepted)
    })
}

/// Whether a frame after the key frame at `place` was refused on whose chain the target depends.
fn is_too_late(
    track: &Track<Detail>,
    place: usize,
    encoding: u8,
    descriptor: &DependencyDescriptor,
    target: LayerIndex,
) -> bool {
    let (Some(structure), Some(info)) = (&descriptor.structure, &descriptor.frame) else {
        return false;
    };
    let targets = if target.encoding() == Some(encoding) {
        1_u32.checked_shl(u32::from(target.decode_target())).unwrap_or(0)
    } else {
        info.indications.present_mask()
    };
    let members = |mask: u32| {
        (0..structure.decode_target_count)
            .filter(move |dt| mask.checked_shr(u32::from(*dt)).is_some_and(|bits| bits & 1 == 1))
    };
    let chains = members(targets)
        .filter_map(|dt| structure.chain_of(dt))
        .fold(0_u32, |chains, chain| chains | 1_u32.checked_shl(u32::from(chain)).unwrap_or(0));
    track.frames.after(place).filter(|later| !later.accepted).any(|later| {
        // A frame that came before its structure is read by its template now.
        let indications = later.detail.indications.or_else(|| {
            structure.template(later.detail.template_id).map(|template| template.indications)
        });
        let Some(indications) = indications else { return false };
        (0..structure.chain_count).filter(|chain| chains >> *chain & 1 == 1).any(|chain| {
            members(structure.all_decode_targets())
                .filter(|dt| structure.chain_of(*dt) == Some(chain))
                .all(|dt| indications.is_needed(dt))
        })
    })
}

fn follows_directly(track: &Track<Detail>, place: usize) -> bool {
    let frame = track.frames.get(place);
    let before = track.frames.before(place).next();
    matches!((before, frame), (Some(before), Some(frame))
        if frame.index == before.index + FRAMES_PER_ID)
}

const TEMPLATE_ID_MODULUS: u8 = 64;
