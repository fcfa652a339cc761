use bridge_units::SourceId;

use super::mid::Mid;

/// A source that may take a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewritableSource {
    /// The source.
    pub id: SourceId,
    /// The SSRC of its packets before rewriting: of a video source's projection, or of audio as it
    /// was sent.
    pub ssrc: u32,
}

/// What a slot stands for, as the receiver is told (`AudioSourcesMap`, `VideoSourcesMap`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedSource {
    /// The source.
    pub source: SourceId,
    /// The SSRC of its media.
    pub ssrc: u32,
    /// The SSRC of its retransmissions; reserved but not used for audio.
    pub rtx: u32,
    /// The MID of both.
    pub mid: Option<Mid>,
}

impl RewritableSource {
    pub(super) const fn key(self) -> (SourceId, u32) {
        (self.id, self.ssrc)
    }
}
