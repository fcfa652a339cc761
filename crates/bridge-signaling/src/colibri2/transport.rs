use crate::ice_udp::IceUdpTransport;

/// The transport of an endpoint or relay (the outer element).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Whether the bridge takes the controlling ICE role. Only on create.
    pub ice_controlling: bool,
    /// Whether a dedicated UDP port is wanted. Only on create of a relay.
    pub use_unique_port: bool,
    /// Whether an ICE restart is asked for. Only on update of an endpoint.
    pub ice_restart: bool,
    /// ICE and DTLS (the inner element).
    pub ice: Option<IceUdpTransport>,
    /// SCTP: wanted (request) or set up (answer).
    pub sctp: Option<Sctp>,
}

/// SCTP for data channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sctp {
    /// In a request the role that the addressed bridge shall take; in an answer the role of the
    /// bridge (endpoints) or of the other side (relays).
    pub role: Option<SctpRole>,
    /// The SCTP port.
    pub port: Option<u16>,
}

/// Who opens the SCTP association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SctpRole {
    /// Opens it.
    Client,
    /// Waits for it.
    Server,
}

impl SctpRole {
    /// The name in XML. JSON has it in upper case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Client, Self::Server]
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(name))
    }

    /// The role of the other side.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
