use super::{MediaKind, Parameter};
use crate::VideoType;

/// The complete set of sources of an endpoint, or the feedback sources of a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The sources, in document order. None at all clears.
    pub media_sources: Vec<MediaSource>,
}

/// One source: what a participant calls his camera, microphone or screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSource {
    /// The kind of media.
    pub kind: MediaKind,
    /// The name, for example `ab12cd34-v0`; not empty.
    pub id: String,
    /// Whether a bridge injects it (translated audio) instead of the endpoint.
    pub synthetic: bool,
    /// Its SSRCs, in document order.
    pub sources: Vec<Source>,
    /// How the SSRCs belong together, in document order.
    pub ssrc_groups: Vec<SsrcGroup>,
}

impl MediaSource {
    /// A source without SSRCs.
    pub fn new(kind: MediaKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), synthetic: false, sources: Vec::new(), ssrc_groups: Vec::new() }
    }

    /// What a video source shows: the first SSRC that says it decides, else the camera.
    pub fn video_type(&self) -> VideoType {
        self.sources.iter().find_map(|source| source.video_type).unwrap_or_default()
    }
}

/// One SSRC of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The SSRC.
    pub ssrc: u32,
    /// The name of the source it belongs to.
    pub name: Option<String>,
    /// What the source shows.
    pub video_type: Option<VideoType>,
    /// The RTP stream id.
    pub rid: Option<String>,
    /// Attributes such as `msid`. Not used by bridges.
    pub parameters: Vec<Parameter>,
}

impl Source {
    /// An SSRC without name.
    pub const fn new(ssrc: u32) -> Self {
        Self { ssrc, name: None, video_type: None, rid: None, parameters: Vec::new() }
    }

    /// An SSRC of the source called `name`.
    pub fn named(ssrc: u32, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::new(ssrc) }
    }
}

/// SSRCs that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcGroup {
    /// How they do.
    pub semantics: SsrcGroupSemantics,
    /// The SSRCs; the order matters.
    pub ssrcs: Vec<u32>,
}

/// How the SSRCs of a group belong together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SsrcGroupSemantics {
    /// Simulcast: ascending quality.
    Simulcast,
    /// The second retransmits the first.
    Fid,
    /// The second protects the first.
    FecFr,
    /// Another one, ignored by bridges.
    Other(String),
}

impl SsrcGroupSemantics {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Simulcast => "SIM",
            Self::Fid => "FID",
            Self::FecFr => "FEC-FR",
            Self::Other(name) => name,
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Self {
        [Self::Simulcast, Self::Fid, Self::FecFr]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(name))
            .unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}
