use std::error::Error;
use std::fmt;

use bridge_units::SourceId;

use super::mid::Mid;
use crate::projection::Rewrite;

/// How a packet goes to the receiver. Remembered by the caller, it serves to send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewrittenPacket {
    /// What its header and its payload say.
    pub rewrite: Rewrite,
    /// The SSRC of its retransmissions.
    pub rtx: u32,
    /// What its MID extension says, and that of its retransmissions.
    pub mid: Option<Mid>,
}

/// The packet that a receiver means by an SSRC and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginalPacket {
    /// The source.
    pub source: SourceId,
    /// Its SSRC before rewriting.
    pub ssrc: u32,
    /// Its number before rewriting.
    pub sequence_number: u16,
}

/// Why a packet is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RewritingRefusal {
    /// It is of no signalled source, so that the receiver could not be told whose it is.
    UnknownSource,
    /// Its source has no slot.
    NotMapped,
    /// Its source has a new slot, and the receiver can begin with a key frame only.
    AwaitsKeyframe,
    /// It belongs before the first packet of its source on this slot, where another source was.
    TooLate,
}

/// What a receiver's rewriting has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RewritingCounters {
    /// Packets rewritten.
    pub rewritten: u64,
    /// [`RewritingRefusal::UnknownSource`].
    pub unknown_source: u64,
    /// [`RewritingRefusal::NotMapped`].
    pub not_mapped: u64,
    /// [`RewritingRefusal::AwaitsKeyframe`].
    pub awaiting_keyframe: u64,
    /// [`RewritingRefusal::TooLate`].
    pub too_late: u64,
}

impl RewritingCounters {
    pub(super) fn note(&mut self, outcome: &Result<RewrittenPacket, RewritingRefusal>) {
        *match outcome {
            Ok(_) => &mut self.rewritten,
            Err(RewritingRefusal::UnknownSource) => &mut self.unknown_source,
            Err(RewritingRefusal::NotMapped) => &mut self.not_mapped,
            Err(RewritingRefusal::AwaitsKeyframe) => &mut self.awaiting_keyframe,
            Err(RewritingRefusal::TooLate) => &mut self.too_late,
        } += 1;
    }
}

impl fmt::Display for RewritingRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownSource => "of no signalled source",
            Self::NotMapped => "source has no SSRC for this receiver",
            Self::AwaitsKeyframe => "receiver waits for a key frame",
            Self::TooLate => "belongs before the source got its SSRC",
        })
    }
}

impl Error for RewritingRefusal {}
