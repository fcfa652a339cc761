use super::Refusal;
use super::dependency::{DependencyContext, DependencyState};
use super::output::Output;
use super::rewrite::Rewrite;
use super::single_layer::SingleLayerContext;
use super::vp9::Vp9Context;
use crate::layer_index::LayerIndex;
use crate::video_packet::{FrameDescription, VideoPacket};

/// Which rules a packet goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContextClass {
    Vp8,
    Vp9,
    Dependency,
    /// Bound to a payload type.
    Generic(u8),
}

impl ContextClass {
    pub(super) fn of(packet: &VideoPacket) -> Self {
        match &packet.frame {
            FrameDescription::Vp8(vp8) if vp8.is_routable() => Self::Vp8,
            FrameDescription::Vp9(_) => Self::Vp9,
            FrameDescription::Dependency(_) => Self::Dependency,
            _ => Self::Generic(packet.payload_type),
        }
    }
}

/// The rules of one codec with their state.
#[derive(Clone, Debug)]
pub(super) enum Context {
    SingleLayer(Box<SingleLayerContext>),
    Vp9(Box<Vp9Context>),
    Dependency(Box<DependencyContext>),
}

impl Context {
    /// `saved` is what an earlier context of this source left.
    pub(super) fn new(class: ContextClass, saved: Option<DependencyState>) -> Self {
        match class {
            ContextClass::Vp8 | ContextClass::Generic(_) => {
                Self::SingleLayer(Box::new(SingleLayerContext::new()))
            }
            ContextClass::Vp9 => Self::Vp9(Box::new(Vp9Context::new())),
            ContextClass::Dependency => Self::Dependency(Box::new(DependencyContext::new(saved))),
        }
    }

    pub(super) fn accept(
        &mut self,
        packet: &VideoPacket,
        target: LayerIndex,
        output: &mut Output,
    ) -> Result<Rewrite, Refusal> {
        match self {
            Self::SingleLayer(context) => context.accept(packet, target, output),
            Self::Vp9(context) => context.accept(packet, target, output),
            Self::Dependency(context) => context.accept(packet, target, output),
        }
    }

    pub(super) fn needs_keyframe(&self) -> bool {
        match self {
            Self::SingleLayer(context) => context.needs_keyframe(),
            Self::Vp9(context) => context.needs_keyframe(),
            Self::Dependency(context) => context.needs_keyframe(),
        }
    }

    pub(super) fn rewrite_again(&self, packet: &VideoPacket, output: &Output) -> Option<Rewrite> {
        match self {
            Self::SingleLayer(context) => context.rewrite_again(packet, output),
            Self::Vp9(context) => context.rewrite_again(packet, output),
            Self::Dependency(context) => context.rewrite_again(packet, output),
        }
    }

    pub(super) fn source_of(&self, sequence_number: u16) -> Option<(u8, u32, u16)> {
        match self {
            Self::SingleLayer(context) => context.source_of(sequence_number),
            Self::Vp9(context) => context.source_of(sequence_number),
            Self::Dependency(context) => context.source_of(sequence_number),
        }
    }

    pub(super) fn timestamp_offset(&self, ssrc: u32) -> Option<u32> {
        match self {
            Self::SingleLayer(context) => context.timestamp_offset(ssrc),
            Self::Vp9(context) => context.timestamp_offset(ssrc),
            Self::Dependency(context) => context.timestamp_offset(ssrc),
        }
    }

    /// The encoding being forwarded.
    pub(super) fn current(&self) -> Option<u8> {
        match self {
            Self::SingleLayer(context) => context.current(),
            Self::Vp9(context) => context.current(),
            Self::Dependency(context) => context.current(),
        }
    }

    /// What a later context of the same class goes on from.
    pub(super) fn state(&self) -> Option<DependencyState> {
        match self {
            Self::Dependency(context) => context.state(),
            Self::SingleLayer(_) | Self::Vp9(_) => None,
        }
    }
}
