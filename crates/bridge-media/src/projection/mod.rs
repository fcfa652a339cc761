//! One source as one receiver sees it.

mod context;
mod dependency;
mod dependency_filter;
mod frame_ring;
mod keyframe_group;
mod lanes;
mod output;
mod rewrite;
mod single_layer;
mod source_projection;
mod track;
mod vp9;
mod vp9_filter;

pub use rewrite::{PayloadRewrite, Rewrite};
pub use source_projection::{Decision, ProjectionCounters, SentPacket, SourceProjection};

/// Why a packet is not forwarded to a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The source is suspended.
    NotWanted,
    /// Its layer is not the wanted one, or a key frame must come first.
    NotSelected,
    /// It is too old, contradicts its frame, or came before.
    NoPlace,
    /// Its number was given up as belonging to a dropped frame.
    NoNumber,
    /// It belongs to the encoding before a switch and is newer than what was forwarded of it.
    AfterSwitch,
    /// It belongs to an encoding beyond [`crate::MAX_ENCODINGS`].
    UnknownEncoding,
    /// It is of another codec than the one being forwarded, and no key frame.
    OtherCodec,
}

/// The receiver's numbers of a packet.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    sequence_number: u16,
    timestamp: u32,
}
