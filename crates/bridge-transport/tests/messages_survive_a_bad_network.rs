//! Connecting, and messages of 200 kB both ways, on a network that loses, delays and reorders.

mod common;

use std::time::Duration;

use bridge_dtls::{DtlsRole, Setup};
use common::{Client, World, client_address};

#[test]
fn clean() {
    exchange(0, Duration::ZERO, Duration::from_secs(10));
}

#[test]
fn reordered() {
    exchange(0, Duration::from_millis(60), Duration::from_secs(60));
}

#[test]
fn twenty_percent_lost_and_reordered() {
    exchange(20, Duration::from_millis(40), Duration::from_secs(150));
}

#[test]
fn twenty_percent_lost_and_the_bridge_as_dtls_client() {
    let mut world = World::default();
    world.network.loss = 20;
    world.clients.push(Client::new(client_address()).with_role(DtlsRole::Server));
    world.signal(Some(Setup::Passive));
    world.run_until(Duration::from_secs(60), World::is_connected);
}

fn exchange(loss: u32, jitter: Duration, limit: Duration) {
    let mut world = World::with_client();
    world.network.loss = loss;
    world.network.jitter = jitter;
    world.signal(Some(Setup::Active));
    world.run_until(Duration::from_secs(60), World::is_connected);
    let text: String = ('a'..='z').cycle().take(200_000).collect();
    world.clients[0].send_text(&text);
    assert!(world.bridge.send_message(world.now, &text));
    world.run_until(limit, |world| {
        world.messages() == [text.as_str()] && world.clients[0].messages == [text.as_bytes()]
    });
    assert!(world.sent.iter().all(|(_, _, bytes)| bytes.len() <= 1280));
}
