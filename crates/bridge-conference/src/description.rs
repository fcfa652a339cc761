//! Transport descriptions: ours as it is signalled, and the peer's as the data plane gets it (JVB:
//! `IceTransport.describe`, `DtlsTransport`).

use crate::candidate::LocalCandidate;
use bridge_dtls::{DtlsRole, Fingerprint, Setup};
use bridge_signaling::ice_udp::{
    Candidate, CandidateType, DtlsFingerprint, DtlsSetup, IceUdpTransport,
};
use bridge_transport::{CandidateKind, LocalIce, RemoteCandidate, RemoteTransport};
use std::net::{IpAddr, SocketAddr};

/// Our side for one endpoint.
pub(crate) fn local(
    ice: &LocalIce,
    candidates: &[LocalCandidate],
    fingerprint: &Fingerprint,
    role: Option<DtlsRole>,
) -> IceUdpTransport {
    IceUdpTransport {
        ufrag: Some(ice.ufrag.clone()),
        pwd: Some(ice.password.clone()),
        ice_generation: None,
        rtcp_mux: true,
        fingerprints: vec![DtlsFingerprint {
            hash: fingerprint.hash().name().to_owned(),
            fingerprint: fingerprint.to_string(),
            setup: Some(match Setup::advertised(role) {
                Setup::ActPass => DtlsSetup::Actpass,
                Setup::Active => DtlsSetup::Active,
                Setup::Passive => DtlsSetup::Passive,
            }),
            cryptex: false,
        }],
        web_sockets: Vec::new(),
        candidates: candidates.iter().map(signalled_candidate).collect(),
    }
}

/// What the data plane can use of the peer's description; the rest is skipped, as in JVB.
pub(crate) fn remote(signalled: &IceUdpTransport) -> RemoteTransport {
    let credentials = match (&signalled.ufrag, &signalled.pwd) {
        (Some(ufrag), Some(pwd)) if !ufrag.is_empty() && !pwd.is_empty() => {
            Some((ufrag.clone(), pwd.clone()))
        }
        _ => None,
    };
    RemoteTransport {
        credentials,
        candidates: signalled.candidates.iter().filter_map(usable_candidate).collect(),
        fingerprints: signalled.fingerprints.iter().filter_map(usable_fingerprint).collect(),
        setup: signalled.fingerprints.first().and_then(|first| first.setup).and_then(usable_setup),
    }
}

fn signalled_candidate(candidate: &LocalCandidate) -> Candidate {
    Candidate {
        component: RTP_COMPONENT,
        foundation: candidate.foundation.to_string(),
        generation: 0,
        id: Some(candidate.id.clone()),
        ip: candidate.address.ip().to_string(),
        network: 0,
        port: candidate.address.port(),
        priority: candidate.priority,
        protocol: "udp".to_owned(),
        kind: match candidate.kind {
            CandidateKind::Host => CandidateType::Host,
            CandidateKind::PeerReflexive => CandidateType::Prflx,
            CandidateKind::ServerReflexive => CandidateType::Srflx,
            CandidateKind::Relayed => CandidateType::Relay,
        },
        rel_addr: candidate.related.map(|related| related.ip().to_string()),
        rel_port: candidate.related.map(|related| related.port()),
        tcptype: None,
    }
}

/// Generation 0, UDP, a literal address and a port: all else can never be paired.
fn usable_candidate(candidate: &Candidate) -> Option<RemoteCandidate> {
    let ip: IpAddr = candidate.ip.parse().ok()?;
    let usable = candidate.generation == 0
        && candidate.component == RTP_COMPONENT
        && candidate.protocol.eq_ignore_ascii_case("udp")
        && candidate.port != 0
        && !ip.is_unspecified()
        && !ip.is_multicast();
    usable.then(|| RemoteCandidate {
        address: SocketAddr::new(ip, candidate.port),
        kind: match candidate.kind {
            CandidateType::Host => CandidateKind::Host,
            CandidateType::Prflx => CandidateKind::PeerReflexive,
            CandidateType::Srflx => CandidateKind::ServerReflexive,
            CandidateType::Relay => CandidateKind::Relayed,
        },
        priority: candidate.priority,
        foundation: candidate.foundation.clone(),
    })
}

fn usable_fingerprint(signalled: &DtlsFingerprint) -> Option<Fingerprint> {
    Fingerprint::parse(&signalled.hash, &signalled.fingerprint).ok()
}

/// `actpass` cannot be answered with and `holdconn` means nothing here: neither fixes a role.
fn usable_setup(signalled: DtlsSetup) -> Option<Setup> {
    match signalled {
        DtlsSetup::Active => Some(Setup::Active),
        DtlsSetup::Passive => Some(Setup::Passive),
        DtlsSetup::Actpass | DtlsSetup::Holdconn => None,
    }
}

/// RTP and RTCP share one component.
const RTP_COMPONENT: u8 = 1;
