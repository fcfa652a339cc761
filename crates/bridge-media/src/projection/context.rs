use super::Refusal;
use super::output::Output;
use super::rewrite::Rewrite;
use super::single_layer::SingleLayerContext;
use crate::layer_index::LayerIndex;
use crate::video_packet::{FrameDescription, VideoPacket};

/// Which rules a packet goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContextClass {
    Vp8,
    /// Bound to a payload type.
    Generic(u8),
}

impl ContextClass {
    pub(super) fn of(packet: &VideoPacket) -> Self {
        match &packet.frame {
            FrameDescription::Vp8(vp8) if vp8.is_routable() => Self::Vp8,
            _ => Self::Generic(packet.payload_type),
        }
    }
}

/// The rules of one codec with their state.
#[derive(Clone, Debug)]
pub(super) enum Context {
    SingleLayer(Box<SingleLayerContext>),
}

impl Context {
    pub(super) fn new(class: ContextClass) -> Self {
        match class {
            ContextClass::Vp8 | ContextClass::Generic(_) => {
                Self::SingleLayer(Box::new(SingleLayerContext::new()))
            }
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
        }
    }

    pub(super) fn needs_keyframe(&self) -> bool {
        match self {
            Self::SingleLayer(context) => context.needs_keyframe(),
        }
    }

    pub(super) fn rewrite_again(&self, packet: &VideoPacket, output: &Output) -> Option<Rewrite> {
        match self {
            Self::SingleLayer(context) => context.rewrite_again(packet, output),
        }
    }

    pub(super) fn source_of(&self, sequence_number: u16) -> Option<(u8, u32, u16)> {
        match self {
            Self::SingleLayer(context) => context.source_of(sequence_number),
        }
    }

    pub(super) fn timestamp_offset(&self, ssrc: u32) -> Option<u32> {
        match self {
            Self::SingleLayer(context) => context.timestamp_offset(ssrc),
        }
    }

    /// The encoding being forwarded.
    pub(super) fn current(&self) -> Option<u8> {
        match self {
            Self::SingleLayer(context) => context.current(),
        }
    }
}
