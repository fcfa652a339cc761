use std::fmt;
use std::sync::Arc;

/// Longest endpoint id that is accepted. Jicofo's are 8 hex digits, recorders and transcribers use
/// short names; anything near this limit is not an id.
pub const MAX_ENDPOINT_ID_LEN: usize = 128;

/// One conference of this process; never reused. The meeting id of signalling maps to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConferenceId(pub u64);

/// One transport session of this process; never reused, also not when an endpoint with the same id
/// is created again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// One source of a conference as long as it is signalled; never reused within the conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// The index of a shard, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// An endpoint's id as Jicofo chose it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(Arc<str>);

impl EndpointId {
    /// `None` if `id` is empty or longer than [`MAX_ENDPOINT_ID_LEN`].
    pub fn new(id: &str) -> Option<Self> {
        (!id.is_empty() && id.len() <= MAX_ENDPOINT_ID_LEN).then(|| Self(id.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The two kinds of media that a bridge forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// Sound.
    Audio,
    /// Pictures: camera or desktop.
    Video,
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Video => "video",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_ids_have_bounds() {
        assert_eq!(EndpointId::new("abcdef01").map(|id| id.to_string()), Some("abcdef01".into()));
        assert_eq!(EndpointId::new(""), None);
        assert_eq!(EndpointId::new(&"x".repeat(MAX_ENDPOINT_ID_LEN + 1)), None);
    }
}
