//! Browsers check before their description has reached the bridge: they get their answer at once,
//! and the check in return as soon as the bridge can make it.

mod common;

use std::time::Duration;

use bridge_dtls::Setup;
use bridge_transport::{RemoteTransport, StunDropCause, TransportEvent};
use common::{
    BRIDGE_PASSWORD, BRIDGE_UFRAG, Client, Options, Request, World, address, answer_code,
    client_address,
};

#[test]
fn a_check_is_answered_before_the_credentials_are_known() {
    let mut world = World::default();
    let check = Request::check(5, &format!("{BRIDGE_UFRAG}:client")).signed(BRIDGE_PASSWORD);
    world.inject(client_address(), &check.bytes());
    let answers = world.sent_to(client_address(), world.now);
    assert_eq!(answers.len(), 1);
    assert_eq!(answer_code(answers[0]), Some(0));
    let answer = is::stun::StunMessage::parse(answers[0]).unwrap();
    assert_eq!(answer.mapped_address(), Some(client_address()));
    assert!(world.events.is_empty());
}

#[test]
fn the_answer_is_not_repeated_when_the_credentials_arrive() {
    let mut world = World::default();
    let mut silent = Client::new(client_address());
    silent.gone = true;
    world.clients.push(silent);
    let check = Request::check(5, &format!("{BRIDGE_UFRAG}:client")).signed(BRIDGE_PASSWORD);
    world.inject(client_address(), &check.bytes());
    world.sent.clear();
    world.signal(Some(Setup::Active));
    world.run_for(Duration::from_millis(50));
    let sent = world.sent_to(client_address(), world.now - Duration::from_millis(50));
    assert!(!sent.is_empty());
    assert!(sent.iter().all(|bytes| bytes.starts_with(&[0, 1])), "checks only: {sent:?}");
}

#[test]
fn a_client_connects_when_signalling_is_late() {
    let mut world = World::with_client();
    world.run_for(Duration::from_secs(3));
    let check = world.clients[0].ice.stats().bind_success_recv;
    assert!(check > 0, "the client's checks succeed");
    world.signal(Some(Setup::Active));
    let signalled = world.now;
    world.run_until(Duration::from_secs(5), World::is_connected);
    let time = world.now.since(signalled);
    assert!(time < Duration::from_secs(1), "{time:?}");
}

#[test]
fn dtls_that_comes_before_the_role_is_kept() {
    let mut world = World::with_client();
    world.signal(None);
    world.run_for(Duration::from_millis(300));
    assert!(!world.saw(&TransportEvent::ChannelOpened));
    world.signal(Some(Setup::Active));
    world.run_until(Duration::from_secs(5), World::is_connected);
}

#[test]
fn a_role_conflict_is_told_at_once() {
    let mut world = World::new(Options { controlling: true, ..Options::default() });
    let check = Request::new(5)
        .attribute(0x0006, format!("{BRIDGE_UFRAG}:client").as_bytes())
        .attribute(0x0024, &[0, 0, 0, 1])
        .attribute(0x802A, &[0; 8])
        .signed(BRIDGE_PASSWORD);
    world.inject(client_address(), &check.bytes());
    assert_eq!(world.stun_drops, [StunDropCause::RoleConflict]);
    assert_eq!(answer_code(world.sent_to(client_address(), world.now)[0]), Some(487));
}

#[test]
fn setup_can_be_wrong_or_change() {
    let mut world = World::with_client();
    let mut set = |setup| {
        let remote = RemoteTransport { setup: Some(setup), ..RemoteTransport::default() };
        world.bridge.set_remote(world.now, &remote).setup_error.is_some()
    };
    assert!(set(Setup::ActPass));
    assert!(!set(Setup::Active));
    assert!(!set(Setup::Active));
    assert!(set(Setup::Passive));
    world.signal(None);
    world.run_until(Duration::from_secs(5), World::is_connected);
}

#[test]
fn a_flood_of_early_checks_is_bounded() {
    let mut world = World::default();
    for port in 1..=200 {
        let check = Request::check(5, &format!("{BRIDGE_UFRAG}:client")).signed(BRIDGE_PASSWORD);
        world.inject(address(&format!("203.0.113.9:{port}")), &check.bytes());
    }
    assert_eq!(world.stun_drops.len(), 200 - 32);
    assert!(world.stun_drops.iter().all(|cause| *cause == StunDropCause::TooManyAddresses));
}
