//! When ICE fails, when consent is lost, and what comes back.

mod common;

use std::time::Duration;

use bridge_dtls::Setup;
use bridge_transport::{RemoteTransport, TransportEvent};
use bridge_units::Timestamp;
use common::{World, client_address, host};

#[test]
fn checks_without_answer_fail_five_seconds_after_the_last() {
    let mut world = World::default();
    let begin = world.now;
    let remote = RemoteTransport {
        credentials: Some(("client".into(), "client-password".into())),
        candidates: vec![host(client_address())],
        ..RemoteTransport::default()
    };
    world.bridge.set_remote(world.now, &remote);
    world.run_until(Duration::from_secs(30), |world| world.saw(&TransportEvent::IceFailed));
    let time = world.now.since(begin);
    let expected = Duration::from_millis(6_300 + 5_000);
    assert!(time.abs_diff(expected) < Duration::from_millis(100), "{time:?}");
    assert_eq!(world.bridge.poll_timeout(), Timestamp::FAR_FUTURE);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.events, [TransportEvent::IceFailed]);
}

#[test]
fn a_session_without_any_pair_never_fails() {
    let mut world = World::default();
    let remote = RemoteTransport {
        credentials: Some(("client".into(), "client-password".into())),
        ..RemoteTransport::default()
    };
    world.bridge.set_remote(world.now, &remote);
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.events, []);
}

#[test]
fn a_client_that_comes_in_time_averts_failure() {
    let mut world = World::with_client();
    world.clients[0].gone = true;
    let remote = RemoteTransport { candidates: vec![host(client_address())], ..Default::default() };
    world.bridge.set_remote(world.now, &remote);
    world.signal(Some(Setup::Active));
    world.run_for(Duration::from_secs(9));
    world.clients[0].gone = false;
    world.run_until(Duration::from_secs(20), World::is_connected);
    assert!(!world.saw(&TransportEvent::IceFailed));
}

#[test]
fn consent_is_checked_every_four_to_six_seconds() {
    let mut world = World::connected();
    world.run_for(Duration::from_secs(40));
    world.events.clear();
    world.sent.clear();
    world.run_for(Duration::from_secs(300));
    let consents = world.events.iter().filter(|e| **e == TransportEvent::Consent).count();
    assert!((50..=75).contains(&consents), "{consents}");
    let requests: Vec<Timestamp> = world
        .sent
        .iter()
        .filter(|(_, _, bytes)| bytes.starts_with(&[0, 1]))
        .map(|(at, ..)| *at)
        .collect();
    for pair in requests.windows(2) {
        let interval = pair[1].since(pair[0]);
        let expected = Duration::from_millis(3_950)..Duration::from_millis(6_100);
        assert!(expected.contains(&interval), "{interval:?}");
    }
    let request = world.sent.iter().find(|(_, _, bytes)| bytes.starts_with(&[0, 1])).unwrap();
    assert!(is::stun::StunMessage::parse(&request.2).unwrap().use_candidate());
}

#[test]
fn nothing_is_sent_thirty_seconds_after_the_last_sign() {
    let mut world = World::connected();
    world.run_for(Duration::from_secs(60));
    world.clients[0].gone = true;
    world.run_for(Duration::from_secs(23));
    assert!(world.bridge.selected().is_some(), "not too early");
    world.run_for(Duration::from_secs(8));
    assert_eq!(world.bridge.selected(), None);
    assert!(!world.saw(&TransportEvent::IceFailed), "the endpoint's expiry is not ours to decide");

    world.clients[0].gone = false;
    world.run_until(Duration::from_secs(20), |world| world.bridge.selected().is_some());
    assert!(world.bridge.send_message(world.now, "welcome back"));
    world
        .run_until(Duration::from_secs(10), |world| world.clients[0].messages == [b"welcome back"]);
}

#[test]
fn a_short_outage_goes_unnoticed() {
    let mut world = World::connected();
    world.clients[0].gone = true;
    world.run_for(Duration::from_secs(15));
    world.clients[0].gone = false;
    world.run_for(Duration::from_secs(20));
    assert!(world.bridge.selected().is_some());
    assert!(world.bridge.has_channel());
}

#[test]
fn a_peer_that_is_told_goodbye_knows() {
    let mut world = World::connected();
    world.bridge.close(world.now);
    world.flush();
    assert!(world.saw(&TransportEvent::ChannelClosed));
    let goodbye = world.sent.last().unwrap();
    assert_eq!(goodbye.0, world.now);
    assert!((20..64).contains(&goodbye.2[0]), "a DTLS record");
}

#[test]
fn an_idle_session_sleeps() {
    let mut world = World::connected();
    world.run_for(Duration::from_secs(60));
    let mut wakes = 0;
    let end = world.now + Duration::from_secs(60);
    while world.now < end {
        wakes += usize::from(world.bridge.poll_timeout() <= world.now + Duration::from_millis(1));
        world.step(end);
    }
    assert!(wakes <= 30, "{wakes} wake-ups in a minute");
}
