/// The bridge's greeting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// The full version, if it is announced.
    pub version: Option<String>,
}

/// The order of speakers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DominantSpeakerEndpointChangeEvent {
    /// The endpoint that speaks, or spoke last.
    pub dominant_speaker_endpoint: String,
    /// The next most recent ones, newest first.
    pub previous_speakers: Vec<String>,
    /// Whether nobody speaks.
    pub silence: bool,
}

/// An endpoint was lost or came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointConnectivityStatusChangeEvent {
    /// The endpoint.
    pub endpoint: String,
    /// Whether it is there. The text `"true"` or `"false"` on the wire.
    pub active: bool,
}

/// What the bridge measured towards a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionStats {
    /// Bits per second.
    pub estimated_downlink_bandwidth: i64,
}

/// Generated audio starts or stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticSourceSendingChangeEvent {
    /// The synthetic source.
    pub source_name: String,
    /// Whether it starts.
    pub sending: bool,
    /// RTP time of its first packet, or one past its last.
    pub timestamp: i64,
}
