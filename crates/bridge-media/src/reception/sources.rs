use bridge_units::{MediaType, SourceId};

use crate::source::VideoType;

/// Sources of one endpoint, audio and video. Browsers send three or four; the signalling has its own
/// limit, and this one keeps memory bounded whatever it is.
pub const MAX_RECEIVED_SOURCES: usize = 128;

/// A source that an endpoint signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedSource {
    /// Its number in the conference.
    pub id: SourceId,
    /// Audio or video.
    pub media: MediaType,
    /// What a video source shows.
    pub video_type: VideoType,
    /// The lowest first; an audio source has one for each of its SSRCs.
    pub encodings: Vec<ReceivedEncoding>,
}

/// The SSRCs of one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedEncoding {
    /// Of its media.
    pub primary: u32,
    /// Of its retransmissions.
    pub rtx: Option<u32>,
}
