use std::collections::BTreeMap;

/// How much of a video source is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VideoConstraints {
    /// Pixels of the smaller side; -1 for no limit, 0 for nothing.
    pub max_height: i32,
    /// Frames per second; -1 for no limit, 0 for nothing.
    pub max_frame_rate: f64,
}

impl VideoConstraints {
    /// No limit on the frame rate.
    pub const UNLIMITED_FRAME_RATE: f64 = -1.0;
    /// No limit on the height.
    pub const UNLIMITED_HEIGHT: i32 = -1;

    /// A height without a limit on the frame rate.
    pub const fn from_max_height(max_height: i32) -> Self {
        Self { max_height, max_frame_rate: Self::UNLIMITED_FRAME_RATE }
    }

    /// Whether they say "do not send".
    pub fn is_disabled(&self) -> bool {
        self.max_height == 0 || self.max_frame_rate == 0.0
    }
}

/// A client sets its last-n (old form).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastNChangedEvent {
    /// How many video sources; negative for no limit.
    pub last_n: i32,
}

/// What video a client wants. `None` leaves what was said before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiverVideoConstraints {
    /// How many video sources; negative for no limit.
    pub last_n: Option<i32>,
    /// Sources to prefer after those on stage, in order. Replaces.
    pub selected_sources: Option<Vec<String>>,
    /// Sources to prefer most, in order. Replaces.
    pub on_stage_sources: Option<Vec<String>>,
    /// For sources that `constraints` does not name.
    pub default_constraints: Option<VideoConstraints>,
    /// By source name. Replaces all.
    pub constraints: Option<BTreeMap<String, VideoConstraints>>,
    /// A bandwidth to use instead of the estimate, bits per second; negative for none.
    pub assumed_bandwidth_bps: Option<i64>,
}

/// What audio a client wants. The old form (`mode`, `list`) is read into the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverAudioSubscription {
    /// Whether every regular source is wanted.
    pub all: bool,
    /// Sources wanted in addition; the only way to a synthetic one.
    pub include: Vec<String>,
    /// Sources never wanted; wins over the others.
    pub exclude: Vec<String>,
}

/// Another bridge wants a source at most at a height.
#[derive(Clone, Debug, PartialEq)]
pub struct AddReceiver {
    /// The sender's relay id; not looked at.
    pub bridge_id: String,
    /// A source behind the receiving bridge.
    pub source_name: String,
    /// What is wanted; replaces what was.
    pub video_constraints: VideoConstraints,
}

/// Defined, never sent, never handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveReceiver {
    /// The sender's relay id.
    pub bridge_id: String,
    /// An endpoint.
    pub endpoint_id: String,
}
