//! Candidates that cannot work are refused; a client with none (mDNS names only) connects all the
//! same, because its checks show its address.

mod common;

use std::time::Duration;

use bridge_dtls::{FingerprintHash, Setup};
use bridge_transport::{CandidateKind, RemoteCandidate, RemoteTransport, TransportEvent};
use common::{Client, Options, World, address, bridge_address, client_address, host, transport};

#[test]
fn unusable_candidates_are_refused() {
    let mut world = World::default();
    for (text, refused) in [
        ("198.51.100.7:0", 1),
        ("[2001:db8::7]:5000", 1),
        ("0.0.0.0:5000", 1),
        ("224.0.0.1:5000", 1),
        ("255.255.255.255:5000", 1),
        ("127.0.0.1:5000", 1),
        ("169.254.1.1:5000", 1),
        ("10.0.0.7:5000", 0),
        ("198.51.100.7:5000", 0),
    ] {
        let remote =
            RemoteTransport { candidates: vec![host(address(text))], ..RemoteTransport::default() };
        assert_eq!(world.bridge.set_remote(world.now, &remote).refused, refused, "{text}");
    }
}

#[test]
fn a_client_cannot_make_the_bridge_check_the_world() {
    let mut world = World::default();
    let candidates = (1..=200).map(|port| host(address(&format!("198.51.100.7:{port}"))));
    let remote = RemoteTransport {
        credentials: Some(("client".into(), "client-password".into())),
        candidates: candidates.collect(),
        ..RemoteTransport::default()
    };
    assert_eq!(world.bridge.set_remote(world.now, &remote).refused, 200 - 32);
    world.run_for(Duration::from_secs(60));
    assert!(world.sent.len() <= 32 * 7, "{}", world.sent.len());
}

#[test]
fn credentials_that_cannot_be_written_are_refused() {
    let mut world = World::default();
    for (ufrag, password, refused) in [
        ("u".repeat(117), "p".repeat(22), 1),
        ("u".repeat(5000), "p".repeat(22), 1),
        (String::new(), "p".repeat(22), 1),
        ("user".into(), String::new(), 1),
        ("user".into(), "p".repeat(257), 1),
        ("u".repeat(116), "p".repeat(256), 0),
    ] {
        let remote = RemoteTransport {
            credentials: Some((ufrag, password)),
            candidates: vec![host(client_address())],
            ..RemoteTransport::default()
        };
        assert_eq!(world.bridge.set_remote(world.now, &remote).refused, refused);
    }
    world.run_for(Duration::from_secs(1));
    assert!(!world.sent.is_empty());
}

#[test]
fn the_bridge_reaches_a_client_that_does_not_check_first() {
    let mut world = World::default();
    let mut client = Client::new(client_address());
    client.ice.set_ice_lite(true);
    let remote = RemoteTransport {
        credentials: Some(client.credentials()),
        candidates: vec![
            host(address("198.51.100.99:1")),
            RemoteCandidate { kind: CandidateKind::Relayed, priority: 2, ..host(client.address) },
        ],
        fingerprints: vec![client.certificate.fingerprint(FingerprintHash::Sha256)],
        setup: Some(Setup::Active),
    };
    world.clients.push(client);
    world.bridge.set_remote(world.now, &remote);
    world.run_until(Duration::from_secs(5), World::is_connected);
    assert!(world.saw(&TransportEvent::IceConnected { relayed: true }));
}

#[test]
fn checks_follow_the_schedule_of_the_contract() {
    let mut world = World::default();
    let remote = RemoteTransport {
        credentials: Some(("client".into(), "client-password".into())),
        candidates: vec![host(client_address())],
        ..RemoteTransport::default()
    };
    world.bridge.set_remote(world.now, &remote);
    world.run_for(Duration::from_secs(20));
    let first = world.sent[0].0;
    let times: Vec<_> = world.sent.iter().map(|(at, ..)| at.since(first).as_millis()).collect();
    let expected = [0, 100, 300, 700, 1500, 3100, 4700];
    assert_eq!(times.len(), expected.len(), "{times:?}");
    for (time, expected) in times.iter().zip(expected) {
        assert!(time.abs_diff(expected) <= 40, "{times:?}");
    }
    let check = is::stun::StunMessage::parse(&world.sent[0].2).unwrap();
    assert_eq!(check.username(), Some("client:bridgeufrag"));
    assert!(check.ice_controlling().is_some() && check.prio().is_some());
    let software = b"\x80\x22\x00\x09ice4j.org";
    assert!(world.sent[0].2.windows(software.len()).any(|window| window == software));
}

#[test]
fn nothing_is_checked_from_a_session_that_nobody_joins() {
    let mut bridge = transport(bridge_transport_start(), Options::default());
    let mut now = bridge_transport_start();
    let mut wakes = 0;
    while now.since(bridge_transport_start()) < Duration::from_secs(60) {
        now = bridge.poll_timeout();
        bridge.handle_timeout(now);
        wakes += 1;
        assert_eq!(bridge.poll_transmit(&mut [0; 1500]), None);
        assert_eq!(bridge.poll_event(), None);
    }
    assert!(wakes <= 25, "{wakes} wake-ups in a minute for {}", bridge_address());
}

fn bridge_transport_start() -> bridge_units::Timestamp {
    bridge_units::Timestamp::from_millis(1)
}
