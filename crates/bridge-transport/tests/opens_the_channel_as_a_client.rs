//! The transport as a client: it opens the data channel to a peer that waits for it.

mod common;

use std::time::Duration;

use bridge_dtls::{DtlsRole, Setup};
use common::{Client, Options, World, client_address};

#[test]
fn to_a_dtls_client() {
    open(Setup::Active, DtlsRole::Client, 0);
}

#[test]
fn to_a_dtls_server() {
    open(Setup::Passive, DtlsRole::Server, 0);
}

#[test]
fn while_twenty_percent_are_lost() {
    open(Setup::Passive, DtlsRole::Server, 20);
}

#[test]
fn when_asked_after_the_handshake() {
    let mut world = world(DtlsRole::Server);
    world.signal(Some(Setup::Passive));
    world.run_until(Duration::from_secs(5), |world| world.clients[0].keying.is_some());
    world.run_for(Duration::from_secs(1));
    assert!(!world.bridge.has_channel());
    assert!(world.bridge.open_channel(world.now, LABEL, PROTOCOL));
    world.run_until(Duration::from_secs(5), World::is_connected);
}

#[test]
fn not_without_sctp() {
    let mut world = World::new(Options { sctp: false, ..Options::default() });
    assert!(!world.bridge.open_channel(world.now, LABEL, PROTOCOL));
}

fn open(setup: Setup, role: DtlsRole, loss: u32) {
    let mut world = world(role);
    world.network.loss = loss;
    assert!(world.bridge.open_channel(world.now, LABEL, PROTOCOL));
    assert!(!world.bridge.open_channel(world.now, LABEL, PROTOCOL), "one channel");
    world.signal(Some(setup));
    world.run_until(Duration::from_secs(60), World::is_connected);
    world.clients[0].send_text("hello");
    assert!(world.bridge.send_message(world.now, "hello too"));
    world.run_until(Duration::from_secs(60), |world| {
        world.messages() == ["hello"] && world.clients[0].messages == [b"hello too"]
    });
}

fn world(role: DtlsRole) -> World {
    let mut world = World::default();
    world.clients.push(Client::new(client_address()).with_role(role).accepting_channel());
    world
}

const LABEL: &str = "JVB data channel";
const PROTOCOL: &str = "http://jitsi.org/protocols/colibri";
