use bridge_rtp::codec::Vp9Descriptor;
use bridge_units::Timestamp;

use super::keyframe_group::{KeyframeGroup, KeyframeVerdict};
use crate::layer_index::LayerIndex;

/// Which VP9 frames are forwarded (JVB: `Vp9QualityFilter`). Full SVC, K-SVC and simulcast are told
/// apart only by what each frame says it refers to.
#[derive(Clone, Debug, Default)]
pub(super) struct Vp9Filter {
    pub(super) group: KeyframeGroup,
    current: Option<LayerIndex>,
    /// Spatial layers whose frames the receiver has.
    layers: [bool; 8],
}

/// A frame and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vp9Frame<'a> {
    pub(super) descriptor: &'a Vp9Descriptor,
    pub(super) is_keyframe: bool,
    pub(super) encoding: u8,
    pub(super) now: Timestamp,
}

impl Vp9Filter {
    pub(super) fn current(&self) -> Option<u8> {
        self.current.and_then(LayerIndex::encoding)
    }

    pub(super) fn suspend(&mut self) {
        self.group.target = None;
        self.current = None;
    }

    /// Answers whether the frame is forwarded, and whether it is then the last of its picture.
    pub(super) fn accept(&mut self, frame: &Vp9Frame<'_>, target: LayerIndex) -> (bool, bool) {
        let accepted = self.decide(frame, target);
        let spatial_id = frame.descriptor.spatial_id();
        // A frame that refers to no earlier picture belongs to a key picture, in which layers up to
        // the target are about to be added.
        let top = if frame.descriptor.is_inter_picture_predicted {
            self.current.map_or(0, LayerIndex::spatial_id)
        } else {
            target.spatial_id()
        };
        (accepted, spatial_id == top)
    }

    fn decide(&mut self, frame: &Vp9Frame<'_>, target: LayerIndex) -> bool {
        if target.encoding() != self.group.target {
            self.group.target = target.encoding();
            if self.current() != target.encoding() {
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
        if frame.encoding != current_encoding || !self.layer_frame(frame, target, current) {
            return false;
        }
        self.temporal(frame, target, target_encoding)
    }

    /// Decides by spatial layer, and changes to the layer of this frame if that is wanted and its
    /// references were forwarded.
    fn layer_frame(
        &mut self,
        frame: &Vp9Frame<'_>,
        target: LayerIndex,
        current: LayerIndex,
    ) -> bool {
        let vp9 = frame.descriptor;
        let spatial_id = vp9.spatial_id();
        let told = vp9.scalability.map(|structure| structure.spatial_layer_count);
        let wanted = target.spatial_id().min(told.map_or(u8::MAX, |count| count - 1));
        let mut current_spatial = current.spatial_id();
        let inter_layer = vp9.layer.is_some_and(|layer| layer.uses_inter_layer_dependency);
        // Differs from JVB: the lowest layer has none below it, whatever its D bit says.
        let has_below = !inter_layer || spatial_id == 0 || self.has_layer(spatial_id - 1);
        let can_forward =
            has_below && (!vp9.is_inter_picture_predicted || self.has_layer(spatial_id));
        let wants_switch = (spatial_id > current_spatial && spatial_id <= wanted)
            || (spatial_id < current_spatial && spatial_id >= wanted)
            || told.is_some_and(|count| current_spatial >= count);
        if wants_switch && can_forward {
            self.current = Some(LayerIndex::new(frame.encoding, spatial_id, vp9.temporal_id()));
            current_spatial = spatial_id;
        } else if wants_switch {
            self.group.needs_keyframe = true;
        }
        let is_part = spatial_id == current_spatial
            || (spatial_id < current_spatial && vp9.is_upper_level_reference);
        let accepted = is_part && can_forward;
        if vp9.temporal_id() == 0
            && let Some(layer) = self.layers.get_mut(usize::from(spatial_id))
        {
            *layer = accepted;
        }
        accepted
    }

    fn temporal(&mut self, frame: &Vp9Frame<'_>, target: LayerIndex, target_encoding: u8) -> bool {
        let Some(current) = self.current else { return false };
        let temporal_id = frame.descriptor.temporal_id();
        let spatial = (current.spatial_id(), target.spatial_id());
        // Differs from JVB, which cuts the layers below, too: the wanted layer refers to them.
        let is_left = spatial.0 > spatial.1 && frame.descriptor.spatial_id() > spatial.1;
        if frame.encoding > target_encoding || is_left {
            return temporal_id == 0;
        }
        if frame.encoding < target_encoding || spatial.0 < spatial.1 {
            return true;
        }
        let accepted = temporal_id <= target.temporal_id();
        if accepted && temporal_id > current.temporal_id() {
            self.current = Some(LayerIndex::new(frame.encoding, spatial.0, temporal_id));
        }
        accepted
    }

    fn keyframe(&mut self, frame: &Vp9Frame<'_>, target: LayerIndex) -> bool {
        let current = self.current();
        // Differs from JVB, which goes on with a layer above the target for the rest of the picture:
        // after the target's last packet, which it has marked as the picture's last.
        let is_above = target.encoding() == Some(frame.encoding)
            && self.current.is_some_and(|current| current.spatial_id() > target.spatial_id());
        let index = LayerIndex::new(
            frame.encoding,
            frame.descriptor.spatial_id(),
            frame.descriptor.temporal_id(),
        );
        match self.group.keyframe(frame.encoding, current, frame.now) {
            KeyframeVerdict::Refuse => {
                if current == Some(frame.encoding) {
                    // What follows refers to it. Differs from JVB, which goes on with it.
                    self.current = None;
                    self.group.needs_keyframe = true;
                }
                return false;
            }
            KeyframeVerdict::Forward if current == Some(frame.encoding) && !is_above => {}
            KeyframeVerdict::Forward | KeyframeVerdict::Down => self.current = Some(index),
        }
        self.layers = [false; 8];
        self.layers[0] = true;
        true
    }

    fn has_layer(&self, spatial_id: u8) -> bool {
        self.layers.get(usize::from(spatial_id)).copied().unwrap_or(false)
    }
}
