//! Whatever arrives, from anybody or from the peer itself, the bridge lives and so does the session.

mod common;

use std::time::Duration;

use bridge_transport::{PeerTransport, SrtpContexts};
use common::{BRIDGE_PASSWORD, BRIDGE_UFRAG, Request, World, address, client_address};
use proptest::prelude::*;

fn is_send<T: Send>() {}

#[test]
fn a_transport_can_move_to_another_shard() {
    is_send::<PeerTransport>();
    is_send::<SrtpContexts>();
}

#[test]
fn a_connected_session_survives_random_datagrams() {
    let mut world = World::connected();
    let mut random = 0x9E37_79B9_u32;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random
    };
    for _ in 0..1_000 {
        let len = next() as usize % 200;
        let bytes: Vec<u8> = (0..len).map(|_| next() as u8).collect();
        world.inject(address("203.0.113.66:6666"), &bytes);
    }
    world.clients[0].send_text("still here");
    world.run_until(Duration::from_secs(5), |world| world.messages() == ["still here"]);
}

#[test]
fn a_peer_that_lies_about_our_address_costs_a_bounded_memory() {
    let mut world = World::connected();
    for port in 1..=1_000 {
        world.clients[0].address.set_port(port);
        let check = Request::check(port as u8, &format!("{BRIDGE_UFRAG}:client"));
        world.inject(
            address(&format!("198.51.100.7:{port}")),
            &check.signed(BRIDGE_PASSWORD).bytes(),
        );
    }
    assert!(world.stun_drops.len() > 960);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn signed_nonsense(
        attributes in proptest::collection::vec(
            (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..6
        ),
        known in proptest::collection::vec((0usize..8, any::<u64>()), 0..4),
        signalled: bool,
    ) {
        const KINDS: [u16; 8] =
            [0x0024, 0x0025, 0x8029, 0x802A, 0x0020, 0x0009, 0x8022, 0xC057];
        let mut world = World::with_client();
        if signalled {
            world.signal(None);
        }
        let mut request = Request::check(1, &format!("{BRIDGE_UFRAG}:client"));
        for (kind, value) in &known {
            request = request.attribute(KINDS[*kind], &value.to_be_bytes());
        }
        for (kind, value) in &attributes {
            request = request.attribute(kind | 0x8000, value);
        }
        world.inject(client_address(), &request.signed(BRIDGE_PASSWORD).bytes());
        world.run_for(Duration::from_millis(200));
    }

    #[test]
    fn damaged_handshakes(position in 0usize..400, value: u8, every in 2usize..7) {
        let mut world = World::with_client();
        world.signal(Some(bridge_dtls::Setup::Active));
        let end = world.now + Duration::from_secs(2);
        let mut count = 0;
        while world.now < end {
            world.step(end);
            count += 1;
            if count % every == 0 {
                let Some((_, _, bytes)) = world.sent.last() else { continue };
                let mut bytes = bytes.clone();
                if let Some(byte) = bytes.get_mut(position) {
                    *byte = value;
                }
                world.inject(client_address(), &bytes);
            }
        }
    }
}
