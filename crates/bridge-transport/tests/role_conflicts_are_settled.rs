//! Both sides may believe that they have the same role; the tie-breakers decide (RFC 8445, 7.3.1.1).

mod common;

use std::time::Duration;

use bridge_dtls::Setup;
use common::{Client, Options, World, client_address};

#[test]
fn every_combination_connects() {
    for (bridge, client) in [(true, true), (false, false), (false, true), (true, false)] {
        for tie_breaker in [0, u64::MAX] {
            let mut world = World::new(Options { controlling: bridge, ..Options::default() });
            let mut peer = Client::new(client_address());
            peer.ice.set_controlling(client);
            peer.ice.set_control_tie_breaker(tie_breaker);
            world.clients.push(peer);
            world.signal(Some(Setup::Active));
            world.run_until(Duration::from_secs(10), World::is_connected);
            let controls = world.bridge.is_controlling();
            assert_ne!(controls, world.clients[0].ice.controlling());
            // The bridge's tie-breaker lies between the two: the greater one controls.
            let expected = if bridge == client { tie_breaker == 0 } else { bridge };
            assert_eq!(controls, expected, "{bridge} {client} {tie_breaker}");
        }
    }
}
