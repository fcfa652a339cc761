use bridge_rtp::codec::DependencyRewrite;

use crate::projection::{PayloadRewrite, Rewrite};
use crate::video_packet::{FrameDescription, VideoPacket};

/// What counts in a codec's descriptor and has to go on over a change of source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CodecState {
    /// Audio, or a codec without counters.
    #[default]
    None,
    Vp8 {
        tl0: u8,
    },
    Vp9 {
        tl0: u8,
    },
    Dependency(FrameState),
}

/// The counters of dependency descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameState {
    frame_number: u16,
    /// The first template id behind those of the structure in use.
    next_template: u8,
    /// The first one of that structure.
    first_template: u8,
}

/// What is added to a codec's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodecDelta {
    None,
    Vp8(u8),
    Vp9(u8),
    Dependency { frame_number: u16, template_id: u8 },
}

impl CodecState {
    /// Of a packet as its projection rewrites it.
    pub(super) fn of(packet: &VideoPacket, rewrite: &Rewrite) -> Self {
        match (rewrite.payload, &packet.frame) {
            (PayloadRewrite::Vp8 { tl0_picture_index: tl0, .. }, _) => Self::Vp8 { tl0 },
            (PayloadRewrite::Vp9 { tl0_picture_index: tl0, .. }, _) => Self::Vp9 { tl0 },
            (
                PayloadRewrite::Dependency(_) | PayloadRewrite::DependencyAsIs,
                FrameDescription::Dependency(descriptor),
            ) => {
                let delta = match rewrite.payload {
                    PayloadRewrite::Dependency(rewrite) => rewrite.template_id_delta,
                    _ => 0,
                };
                let frame_number = match rewrite.payload {
                    PayloadRewrite::Dependency(rewrite) => rewrite.frame_number,
                    _ => descriptor.frame_number,
                };
                let structure = descriptor.structure.as_ref();
                let first = structure.map_or(0, |structure| structure.template_id_offset);
                let next = structure.map_or(0, |structure| structure.next_template_id());
                Self::Dependency(FrameState {
                    frame_number,
                    next_template: next.wrapping_add(delta) % TEMPLATE_ID_MODULUS,
                    first_template: first.wrapping_add(delta) % TEMPLATE_ID_MODULUS,
                })
            }
            _ => Self::None,
        }
    }

    /// The delta with which a packet in state `first` directly follows this state.
    ///
    /// Differs from JVB, where the first frame repeats the last number of a layer-0 frame, so that a
    /// receiver takes it for the same one.
    pub(super) fn followed_by(self, first: Self) -> CodecDelta {
        match (self, first) {
            (Self::Dependency(last), Self::Dependency(first)) => CodecDelta::Dependency {
                frame_number: last.frame_number.wrapping_add(1).wrapping_sub(first.frame_number),
                template_id: last.next_template.wrapping_sub(first.first_template)
                    % TEMPLATE_ID_MODULUS,
            },
            (Self::Vp8 { tl0 }, Self::Vp8 { tl0: first }) => {
                CodecDelta::Vp8(tl0.wrapping_add(1).wrapping_sub(first))
            }
            (Self::Vp9 { tl0 }, Self::Vp9 { tl0: first }) => {
                CodecDelta::Vp9(tl0.wrapping_add(1).wrapping_sub(first))
            }
            (_, first) => CodecDelta::unchanged(first),
        }
    }

    /// The delta with which a packet in state `first` follows this state at the distance at which it
    /// follows `seen`, the last state of its own source.
    pub(super) fn followed_at_distance(self, seen: Self, first: Self) -> CodecDelta {
        match (self, seen, first) {
            (Self::Vp8 { tl0 }, Self::Vp8 { tl0: seen }, Self::Vp8 { .. }) => {
                CodecDelta::Vp8(tl0.wrapping_sub(seen))
            }
            (Self::Vp9 { tl0 }, Self::Vp9 { tl0: seen }, Self::Vp9 { .. }) => {
                CodecDelta::Vp9(tl0.wrapping_sub(seen))
            }
            (Self::Dependency(last), Self::Dependency(seen), Self::Dependency(next))
                if (1..MAX_FRAMES).contains(&next.frame_number.wrapping_sub(seen.frame_number)) =>
            {
                CodecDelta::Dependency {
                    frame_number: last.frame_number.wrapping_sub(seen.frame_number),
                    template_id: last.next_template.wrapping_sub(next.first_template)
                        % TEMPLATE_ID_MODULUS,
                }
            }
            _ => self.followed_by(first),
        }
    }
}

impl CodecDelta {
    /// Leaves a packet in `state` as it is.
    pub(super) fn unchanged(state: CodecState) -> Self {
        match state {
            CodecState::None => Self::None,
            CodecState::Vp8 { .. } => Self::Vp8(0),
            CodecState::Vp9 { .. } => Self::Vp9(0),
            CodecState::Dependency(_) => Self::Dependency { frame_number: 0, template_id: 0 },
        }
    }

    /// Whether it is for packets in states like this. A packet without counters fits any.
    pub(super) fn fits(self, state: CodecState) -> bool {
        matches!(
            (self, state),
            (_, CodecState::None)
                | (Self::Vp8(_), CodecState::Vp8 { .. })
                | (Self::Vp9(_), CodecState::Vp9 { .. })
                | (Self::Dependency { .. }, CodecState::Dependency(_))
        )
    }

    /// The state of a packet after rewriting.
    pub(super) fn apply(self, state: CodecState) -> CodecState {
        match (self, state) {
            (Self::Vp8(delta), CodecState::Vp8 { tl0 }) => {
                CodecState::Vp8 { tl0: tl0.wrapping_add(delta) }
            }
            (Self::Vp9(delta), CodecState::Vp9 { tl0 }) => {
                CodecState::Vp9 { tl0: tl0.wrapping_add(delta) }
            }
            (Self::Dependency { frame_number, template_id }, CodecState::Dependency(state)) => {
                let shifted = |id: u8| id.wrapping_add(template_id) % TEMPLATE_ID_MODULUS;
                CodecState::Dependency(FrameState {
                    frame_number: state.frame_number.wrapping_add(frame_number),
                    next_template: shifted(state.next_template),
                    first_template: shifted(state.first_template),
                })
            }
            _ => state,
        }
    }

    /// What is written into the packet.
    pub(super) fn rewrite(self, packet: &VideoPacket, payload: PayloadRewrite) -> PayloadRewrite {
        match (self, payload) {
            (Self::Vp8(delta), PayloadRewrite::Vp8 { picture_id, tl0_picture_index }) => {
                let tl0_picture_index = tl0_picture_index.wrapping_add(delta);
                PayloadRewrite::Vp8 { picture_id, tl0_picture_index }
            }
            (Self::Vp9(delta), PayloadRewrite::Vp9 { picture_id, tl0_picture_index }) => {
                let tl0_picture_index = tl0_picture_index.wrapping_add(delta);
                PayloadRewrite::Vp9 { picture_id, tl0_picture_index }
            }
            (
                Self::Dependency { frame_number, template_id },
                PayloadRewrite::Dependency(_) | PayloadRewrite::DependencyAsIs,
            ) => {
                let FrameDescription::Dependency(descriptor) = &packet.frame else {
                    return payload;
                };
                let projected = match payload {
                    PayloadRewrite::Dependency(rewrite) => rewrite,
                    _ => DependencyRewrite {
                        frame_number: descriptor.frame_number,
                        ..DependencyRewrite::default()
                    },
                };
                let rewrite = DependencyRewrite {
                    frame_number: projected.frame_number.wrapping_add(frame_number),
                    template_id_delta: projected.template_id_delta.wrapping_add(template_id)
                        % TEMPLATE_ID_MODULUS,
                    ..projected
                };
                if rewrite.keeps(descriptor) {
                    PayloadRewrite::DependencyAsIs
                } else {
                    PayloadRewrite::Dependency(rewrite)
                }
            }
            _ => payload,
        }
    }
}

const TEMPLATE_ID_MODULUS: u8 = 64;

/// A source that is farther ahead than this went on without the receiver for too long to keep its
/// distance: a quarter of the range is past any doubt about the direction.
const MAX_FRAMES: u16 = 1 << 14;
