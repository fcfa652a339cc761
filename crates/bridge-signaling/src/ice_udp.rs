//! ICE-UDP transport (XEP-0176) with DTLS fingerprints (XEP-0320) and bridge WebSockets.
//!
//! Addresses stay text: a peer may give an mDNS or other host name, and that must not spoil the
//! rest of the request. Candidates that make no sense are skipped, since a bridge learns peers from
//! their checks anyhow.

/// The inner `transport`: what one side says about its ICE agent and DTLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceUdpTransport {
    /// The user name fragment.
    pub ufrag: Option<String>,
    /// The password.
    pub pwd: Option<String>,
    /// The number of an ICE restart, from 1. `None`: not part of a restart. What is no such number
    /// reads as `None`.
    pub ice_generation: Option<u32>,
    /// Whether RTCP shares the port of RTP. Always assumed by bridges.
    pub rtcp_mux: bool,
    /// Certificates' fingerprints, in document order; the first one's `setup` decides the role.
    /// Those without hash or text are skipped.
    pub fingerprints: Vec<DtlsFingerprint>,
    /// Where the bridge channel can be opened, in document order.
    pub web_sockets: Vec<WebSocket>,
    /// Candidates, in document order. Those that are incomplete or unreadable are skipped.
    pub candidates: Vec<Candidate>,
}

/// The fingerprint of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsFingerprint {
    /// The hash function in lower case, for example `sha-256`.
    pub hash: String,
    /// The fingerprint: hex pairs with colons, as signalled.
    pub fingerprint: String,
    /// The side's DTLS role. `None` if not said or not one of the four.
    pub setup: Option<DtlsSetup>,
    /// Whether RFC 9335 may be used.
    pub cryptex: bool,
}

/// RFC 4145 `setup`: who opens the DTLS association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsSetup {
    /// This side is the client.
    Active,
    /// This side is the server.
    Passive,
    /// Either.
    Actpass,
    /// Nobody for now.
    Holdconn,
}

impl DtlsSetup {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Actpass => "actpass",
            Self::Holdconn => "holdconn",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::Actpass, Self::Holdconn]
            .into_iter()
            .find(|setup| setup.as_str().eq_ignore_ascii_case(name))
    }
}

/// Where the bridge channel of an endpoint or relay can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSocket {
    /// At this URL.
    Url(String),
    /// Nowhere: this side is already the WebSocket client.
    Active,
}

/// One ICE candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The component, 1 for RTP.
    pub component: u8,
    /// The foundation.
    pub foundation: String,
    /// The generation; bridges use only 0.
    pub generation: u32,
    /// An id that is unique enough; not read by bridges.
    pub id: Option<String>,
    /// The address: a literal, or a host name (mDNS).
    pub ip: String,
    /// The network's number; not read by bridges.
    pub network: u32,
    /// The port.
    pub port: u16,
    /// RFC 8445 section 5.1.2.
    pub priority: u32,
    /// `udp` or `tcp`, in lower case.
    pub protocol: String,
    /// The type.
    pub kind: CandidateType,
    /// The related address of candidates that are not host.
    pub rel_addr: Option<String>,
    /// The related port.
    pub rel_port: Option<u16>,
    /// `active`, `passive` or `so` with TCP.
    pub tcptype: Option<String>,
}

/// RFC 8445 section 5.1.1: how a candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateType {
    /// A local address.
    Host,
    /// Seen by a STUN server, or mapped by configuration.
    Srflx,
    /// Seen by the peer.
    Prflx,
    /// On a TURN server.
    Relay,
}

impl CandidateType {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Srflx => "srflx",
            Self::Prflx => "prflx",
            Self::Relay => "relay",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Host, Self::Srflx, Self::Prflx, Self::Relay]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}
