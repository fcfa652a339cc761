//! A session's ICE and DTLS: datagrams from anyone, requests of the peer, what it signals, and time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use bridge_transport::{
    CandidateKind, IceSettings, LocalIce, MIN_BUFFER_LEN, PeerTransport, RemoteCandidate,
    RemoteTransport, TransportContext, TransportSettings,
};
use bridge_units::Timestamp;

use crate::bytes::{Bytes, records};
use crate::dtls::{CERTIFICATE, CONTEXT};

/// What happens, one after the other.
pub fn run(data: &[u8]) {
    let mut input = Bytes::new(data);
    let mut now = Timestamp::from_millis(1);
    let mut transport = transport(now, input.bool());
    for _ in 0..MAX_EVENTS {
        if input.is_empty() {
            break;
        }
        let what = input.u8();
        let from = address(2, u16::from(what >> 4) + 1);
        match what & 0x0f {
            0..=3 => {
                let _result = transport.handle_stun(now, LOCAL, from, input.chunk());
            }
            4..=7 => {
                let request = binding_request(input.u8(), input.chunk());
                let _result = transport.handle_stun(now, LOCAL, from, &request);
            }
            8..=11 => {
                let _result = transport.handle_dtls(now, from, input.chunk());
            }
            12 => drop(transport.set_remote(now, &remote(&mut input))),
            13 => {
                let _sent = transport.send_message(now, &String::from_utf8_lossy(input.chunk()));
            }
            14 => transport.close(now),
            _ => now += Duration::from_millis(u64::from(input.u16())),
        }
        drain(&mut transport, now);
    }
}

/// A peer that is checked, nominates and says hello.
pub fn seeds() -> Vec<Vec<u8>> {
    let nominate = [0, 0x25, 0, 0, 0, 0x24, 0, 4, 0x6e, 0, 1, 0xff];
    let mut input = vec![1, 12, 3, 4, 1, 2, 3];
    input.extend([4, 9]);
    input.extend(records([&nominate[..]]));
    input.extend([15, 0, 50, 4, 10]);
    input.extend(records([&nominate[..]]));
    input.push(8);
    input.extend(records([&crate::dtls::CLIENT_HELLO_START[..]]));
    input.extend([13, 2, b'h', b'i', 15, 0xff, 0xff, 14]);
    let mut plain = vec![0, 0];
    plain.extend(records([&binding_request(3, &nominate)[..]]));
    vec![input, plain]
}

/// As the peer sends it: with these attributes, USERNAME and MESSAGE-INTEGRITY.
pub(crate) fn binding_request(transaction: u8, attributes: &[u8]) -> Vec<u8> {
    let attributes = &attributes[..attributes.len() & !3];
    let username = format!("{LOCAL_UFRAG}:{REMOTE_UFRAG}");
    let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    message.extend([transaction; 12]);
    message.extend([0, 6, 0, u8::try_from(username.len()).unwrap_or_default()]);
    message.extend(username.as_bytes());
    message.resize(message.len().next_multiple_of(4), 0);
    message.extend(attributes);
    let len = u16::try_from(message.len() + 24 - 20).unwrap_or_default();
    message[2..4].copy_from_slice(&len.to_be_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, PASSWORD.as_bytes());
    let tag = hmac::sign(&key, &message);
    message.extend([0, 8, 0, 20]);
    message.extend(tag.as_ref());
    message
}

fn transport(now: Timestamp, sctp: bool) -> PeerTransport {
    let local = LocalIce {
        ufrag: LOCAL_UFRAG.to_owned(),
        password: PASSWORD.to_owned(),
        controlling: false,
    };
    let settings = TransportSettings {
        context: TRANSPORTS.clone(),
        local,
        local_addresses: [LOCAL].into(),
        certificate: CERTIFICATE.clone(),
        sctp,
    };
    PeerTransport::new(now, settings)
}

fn remote(input: &mut Bytes<'_>) -> RemoteTransport {
    let what = input.u8();
    let kinds = [
        CandidateKind::Host,
        CandidateKind::PeerReflexive,
        CandidateKind::ServerReflexive,
        CandidateKind::Relayed,
    ];
    let candidates = (0..what >> 4).map(|_| RemoteCandidate {
        address: address(input.u8(), input.u16()),
        kind: input.choice(kinds),
        priority: input.u32(),
        foundation: String::from_utf8_lossy(input.chunk()).into_owned(),
    });
    let candidates = candidates.collect();
    let credentials = (what & 1 != 0).then(|| (REMOTE_UFRAG.to_owned(), PASSWORD.to_owned()));
    let setups = [None, Some("active"), Some("passive"), Some("actpass")];
    let setup = input.choice(setups).and_then(bridge_dtls::Setup::from_name);
    RemoteTransport { credentials, candidates, fingerprints: Vec::new(), setup }
}

fn drain(transport: &mut PeerTransport, now: Timestamp) {
    if transport.poll_timeout() <= now {
        transport.handle_timeout(now);
    }
    let mut out = [0; MIN_BUFFER_LEN];
    let mut sent = 0;
    while let Some(transmit) = transport.poll_transmit(&mut out) {
        assert!(transmit.len <= out.len());
        sent += 1;
        assert!(sent < MAX_SENT, "sending does not end");
    }
    while transport.poll_event().is_some() {}
}

const fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), port)
}

#[expect(clippy::disallowed_methods, reason = "the origin of simulated time")]
static TRANSPORTS: LazyLock<Arc<TransportContext>> = LazyLock::new(|| {
    TransportContext::new(CONTEXT.clone(), IceSettings::default(), Instant::now())
});

const LOCAL: SocketAddr = address(1, 10_000);
const LOCAL_UFRAG: &str = "local";
const REMOTE_UFRAG: &str = "peer";
const PASSWORD: &str = "a password of at least 22 characters";
const MAX_EVENTS: usize = 100;
/// More than one event can cause.
const MAX_SENT: usize = 10_000;
