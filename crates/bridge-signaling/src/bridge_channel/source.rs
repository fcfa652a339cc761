use crate::VideoType;

/// What a video source shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceVideoTypeMessage {
    /// The source.
    pub source_name: String,
    /// What it shows.
    pub video_type: VideoType,
    /// The endpoint that owns it. Bridges overwrite what clients say.
    pub endpoint_id: Option<String>,
}

/// What the first video source of the sender shows (old form).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoTypeMessage {
    /// What it shows.
    pub video_type: VideoType,
    /// Not looked at.
    pub endpoint_id: Option<String>,
}

/// The complete set of video sources that are being forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardedSources {
    /// Source names, in no order.
    pub forwarded_sources: Vec<String>,
}

/// New and changed video SSRCs towards a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VideoSourcesMap {
    /// One a slot that is new or changed.
    pub mapped_sources: Vec<VideoSourceMapping>,
}

/// The SSRCs that a video source is sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoSourceMapping {
    /// The source.
    pub source: String,
    /// The endpoint that owns it. `null` on the wire if there is none.
    pub owner: Option<String>,
    /// The SSRC of its media.
    pub ssrc: u32,
    /// The SSRC of its retransmissions.
    pub rtx: u32,
    /// What it shows.
    pub video_type: VideoType,
    /// The mid it is stamped with, if that was negotiated.
    pub mid: Option<String>,
}

/// New and changed audio SSRCs towards a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AudioSourcesMap {
    /// One a slot that is new or changed.
    pub mapped_sources: Vec<AudioSourceMapping>,
}

/// The SSRC that an audio source is sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSourceMapping {
    /// The source.
    pub source: String,
    /// The endpoint that owns it. `null` on the wire if there is none.
    pub owner: Option<String>,
    /// The SSRC of its media.
    pub ssrc: u32,
    /// The mid it is stamped with, if that was negotiated.
    pub mid: Option<String>,
}

/// The largest height that anybody wants of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderSourceConstraints {
    /// A video source of the client that this goes to.
    pub source_name: String,
    /// Pixels of the smaller side; 0 for nobody, -1 for no limit.
    pub max_height: i32,
}
