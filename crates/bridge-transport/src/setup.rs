use bridge_dtls::{Fingerprint, Setup};
use std::net::SocketAddr;

/// Our side of ICE for one session, chosen by the control plane from a CSPRNG and already signalled.
#[derive(Clone)]
pub struct LocalIce {
    /// Local username fragment; unique in the process.
    pub ufrag: String,
    /// Local password, at least 128 random bits.
    pub password: String,
    /// Whether we start in the controlling role (Jicofo says so for every endpoint).
    pub controlling: bool,
}

/// What the peer signalled; every update adds to or replaces what was known (JVB: `IceTransport`).
#[derive(Clone, Debug, Default)]
pub struct RemoteTransport {
    /// Remote ufrag and password, when the update carried both.
    pub credentials: Option<(String, String)>,
    /// Candidates with literal addresses, generation 0 and a port other than 0.
    pub candidates: Vec<RemoteCandidate>,
    /// All fingerprints of the update; an empty list leaves those already known.
    pub fingerprints: Vec<Fingerprint>,
    /// The `setup` of the first fingerprint; fixes the DTLS role.
    pub setup: Option<Setup>,
}

/// The kinds of candidate a peer can signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// An address of an interface.
    Host,
    /// An address learned by the peer from a check.
    PeerReflexive,
    /// The public side of a NAT.
    ServerReflexive,
    /// An address on a TURN server.
    Relayed,
}

/// One remote candidate, UDP only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCandidate {
    /// Where it is.
    pub address: SocketAddr,
    /// What it is.
    pub kind: CandidateKind,
    /// RFC 8445 priority.
    pub priority: u32,
    /// RFC 8445 foundation.
    pub foundation: String,
}
