use bridge_rtp::codec::{DecodeTargetIndication, DependencyDescriptor};
use bridge_units::Timestamp;

use super::keyframe_group::{KeyframeGroup, KeyframeVerdict};
use crate::layer_index::LayerIndex;

/// Which frames with a dependency descriptor are forwarded (JVB: `Av1DDQualityFilter`).
#[derive(Clone, Debug, Default)]
pub(super) struct DependencyFilter {
    pub(super) group: KeyframeGroup,
    current: Option<LayerIndex>,
}

/// A frame to be decided on.
#[derive(Clone, Copy, Debug)]
pub(super) struct DependencyFrame<'a> {
    pub(super) descriptor: &'a DependencyDescriptor,
    pub(super) is_keyframe: bool,
    pub(super) encoding: u8,
    pub(super) now: Timestamp,
    /// All frames that it refers to were forwarded.
    pub(super) has_references: bool,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DependencyVerdict {
    pub(super) accepted: bool,
    /// It ends what the receiver gets of its picture.
    pub(super) is_last_of_picture: bool,
    /// The receiver is to be told the decode targets that it still gets.
    pub(super) active_decode_targets: Option<u32>,
}

impl DependencyFilter {
    pub(super) fn current(&self) -> Option<u8> {
        self.current.and_then(LayerIndex::encoding)
    }

    pub(super) fn suspend(&mut self) {
        self.group.target = None;
        self.current = None;
    }

    pub(super) fn accept(
        &mut self,
        frame: &DependencyFrame<'_>,
        target: LayerIndex,
    ) -> DependencyVerdict {
        let before = self.current;
        let accepted = self.decide(frame, target);
        let descriptor = frame.descriptor;
        let current = self.current.filter(|index| index.encoding() == Some(frame.encoding));
        let (Some(current), Some(structure)) = (current, &descriptor.structure) else {
            return DependencyVerdict { accepted, ..DependencyVerdict::default() };
        };
        let layer = structure.layer(current.decode_target());
        let spatial_id = descriptor.frame.as_ref().map(|info| info.spatial_id);
        let tells = self.current != before || descriptor.active_decode_targets.is_some();
        DependencyVerdict {
            accepted,
            is_last_of_picture: layer.map(|layer| layer.spatial_id) == spatial_id,
            active_decode_targets: tells.then(|| structure.targets_within(current.decode_target())),
        }
    }

    fn decide(&mut self, frame: &DependencyFrame<'_>, target: LayerIndex) -> bool {
        if target.encoding() != self.group.target {
            self.group.target = target.encoding();
            if target.encoding() != self.current() {
                self.group.needs_keyframe = true;
            }
        }
        let Some(target_encoding) = target.encoding() else {
            self.suspend();
            return false;
        };
        if frame.is_keyframe {
            return self.keyframe(frame, target);
        }
        let (Some(current), Some(current_encoding)) = (self.current, self.current()) else {
            return false;
        };
        if self.group.is_over(frame.now) && self.group.is_nearer(frame.encoding, current_encoding) {
            self.group.needs_keyframe = true;
        }
        if frame.encoding != current_encoding {
            return false;
        }
        let wanted = if current_encoding == target_encoding { target } else { current };
        self.decode_target(frame, wanted, current, current_encoding > target_encoding)
    }

    /// Decides within the current encoding, and changes the decode target where that is possible.
    fn decode_target(
        &mut self,
        frame: &DependencyFrame<'_>,
        wanted: LayerIndex,
        current: LayerIndex,
        waits_to_go_down: bool,
    ) -> bool {
        let descriptor = frame.descriptor;
        let (Some(info), Some(structure)) = (&descriptor.frame, &descriptor.structure) else {
            self.group.needs_keyframe = true;
            return false;
        };
        let (mut now, goal) = (current.decode_target(), wanted.decode_target());
        let active = descriptor.active_decode_targets;
        if active.is_some_and(|mask| mask.checked_shr(u32::from(goal)).unwrap_or(0) & 1 == 0) {
            return false;
        }
        if now != goal {
            let can_start = info.indications.of(goal) == DecodeTargetIndication::Switch;
            if can_start && frame.has_references {
                now = goal;
                self.current = Some(wanted);
            } else if !structure.can_switch_without_keyframe(now, goal) {
                self.group.needs_keyframe = true;
            }
        }
        if waits_to_go_down {
            info.indications.is_needed(now)
        } else {
            info.indications.is_present(now)
        }
    }

    fn keyframe(&mut self, frame: &DependencyFrame<'_>, target: LayerIndex) -> bool {
        let Some(info) = &frame.descriptor.frame else { return false };
        let index = if target.encoding() == Some(frame.encoding) {
            target
        } else {
            // Differs from JVB, which leaves the encoding out of this index.
            let highest = info.indications.present_mask().checked_ilog2().unwrap_or(0);
            LayerIndex::with_decode_target(frame.encoding, u8::try_from(highest).unwrap_or(0))
        };
        let is_part = info.indications.is_present(index.decode_target());
        let current = self.current();
        let verdict = self.group.keyframe(frame.encoding, current, frame.now);
        if verdict == KeyframeVerdict::Refuse && current == Some(frame.encoding) {
            // What follows refers to it. Differs from JVB, which goes on with it.
            self.current = None;
            self.group.needs_keyframe = true;
        }
        if verdict == KeyframeVerdict::Refuse || !is_part {
            return false;
        }
        self.current = Some(index);
        true
    }
}
