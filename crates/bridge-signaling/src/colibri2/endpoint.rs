use std::fmt;

use bridge_units::EndpointId;

use super::{Media, Sources, Transport};

/// An endpoint: a local one in a request or an answer, or a remote one inside a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The identity within the conference.
    pub id: EndpointId,
    /// Whether the endpoint is to be created.
    pub create: bool,
    /// Whether the endpoint is to be expired (request) or was (answer). Wins over the rest.
    pub expire: bool,
    /// A readable id for statistics. Only looked at on create.
    pub stats_id: Option<String>,
    /// The role in the room. Only looked at on create.
    pub muc_role: Option<MucRole>,
    /// Whether exports of this endpoint's audio ask for diarization. Only looked at on create.
    pub diarize: Option<bool>,
    /// Capabilities, in document order. Only looked at on create.
    pub capabilities: Vec<Capability>,
    /// Codecs and header extensions, one a kind of media.
    pub medias: Vec<Media>,
    /// Transport: required on create.
    pub transport: Option<Transport>,
    /// The complete set of sources. `Some` without entries clears, `None` changes nothing.
    pub sources: Option<Sources>,
    /// Which media of the endpoint are discarded; both values are set each time.
    pub force_mute: Option<ForceMute>,
    /// The last-n until the endpoint says its own over the bridge channel.
    pub initial_last_n: Option<InitialLastN>,
}

impl Endpoint {
    /// An endpoint with an id and nothing else: the answer to an update.
    pub fn new(id: EndpointId) -> Self {
        Self {
            id,
            create: false,
            expire: false,
            stats_id: None,
            muc_role: None,
            diarize: None,
            capabilities: Vec::new(),
            medias: Vec::new(),
            transport: None,
            sources: None,
            force_mute: None,
            initial_last_n: None,
        }
    }

    /// An endpoint that is to expire, or did.
    pub fn expired(id: EndpointId) -> Self {
        Self { expire: true, ..Self::new(id) }
    }

    /// Whether `capability` was announced.
    pub fn has_capability(&self, capability: &Capability) -> bool {
        self.capabilities.contains(capability)
    }
}

/// The role of an endpoint in its room. Only `Visitor` has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MucRole {
    /// Receives only.
    Visitor,
    /// A usual member.
    Participant,
    /// A member with rights.
    Moderator,
    /// No role.
    None,
}

impl MucRole {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Participant => "participant",
            Self::Moderator => "moderator",
            Self::None => "none",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Visitor, Self::Participant, Self::Moderator, Self::None]
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(name))
    }
}

/// What an endpoint can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Sources have names. Mandatory.
    SourceNames,
    /// Media comes on a limited set of SSRCs that the bridge chooses.
    SsrcRewriting,
    /// The endpoint may reach private addresses of the bridge.
    PrivateAddressConnectivity,
    /// Rewritten media is stamped with a mid header extension.
    RtpMidDemux,
    /// Another one, without effect.
    Other(String),
}

impl Capability {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::SourceNames => "source-names",
            Self::SsrcRewriting => "ssrc-rewriting",
            Self::PrivateAddressConnectivity => "private-address-connectivity",
            Self::RtpMidDemux => "rtp-mid-demux",
            Self::Other(name) => name,
        }
    }

    /// From the name on the wire, case-sensitive.
    pub fn from_name(name: &str) -> Self {
        [
            Self::SourceNames,
            Self::SsrcRewriting,
            Self::PrivateAddressConnectivity,
            Self::RtpMidDemux,
        ]
        .into_iter()
        .find(|known| known.as_str() == name)
        .unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which media of an endpoint the bridge discards. Absolute: both values are set each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForceMute {
    /// Whether audio is discarded.
    pub audio: bool,
    /// Whether video is discarded.
    pub video: bool,
}

/// The last-n of an endpoint until its first receiver constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialLastN {
    /// How many video sources; -1 for no limit.
    pub value: i32,
}
