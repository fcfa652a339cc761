//! A second client with the credentials of the first cannot take over its session.

mod common;

use std::time::Duration;

use bridge_transport::StunDropCause;
use common::{
    BRIDGE_PASSWORD, BRIDGE_UFRAG, Client, Request, World, address, answer_code, client_address,
};

#[test]
fn it_is_answered_at_first_and_refused_after_termination() {
    let mut world = World::connected();
    let second = address("198.51.100.8:50000");
    let check =
        || Request::check(5, &format!("{BRIDGE_UFRAG}:client")).signed(BRIDGE_PASSWORD).bytes();
    world.inject(second, &check());
    assert_eq!(answer_code(world.sent_to(second, world.now)[0]), Some(0));
    world.run_for(Duration::from_secs(4));

    let third = address("198.51.100.9:50000");
    world.inject(third, &check());
    assert_eq!(world.stun_drops, [StunDropCause::Terminated]);
    assert_eq!(answer_code(world.sent_to(third, world.now)[0]), Some(403));
    assert!(!world.bridge.is_valid_source(third));

    world.inject(client_address(), &check());
    assert_eq!(answer_code(world.sent_to(client_address(), world.now)[0]), Some(0));
}

#[test]
fn the_first_keeps_its_session() {
    let mut world = World::connected();
    let second = Client::new(address("198.51.100.8:50000"));
    world.clients.push(second);
    world.run_for(Duration::from_secs(40));
    assert_eq!(world.bridge.selected().map(|(_, remote)| remote), Some(client_address()));
    assert!(world.clients[1].keying.is_none(), "DTLS is not begun again");
    world.clients[0].send_text("still me");
    assert!(world.bridge.send_message(world.now, "still you"));
    world.run_until(Duration::from_secs(5), |world| {
        world.messages() == ["still me"] && world.clients[0].messages == [b"still you"]
    });
}
