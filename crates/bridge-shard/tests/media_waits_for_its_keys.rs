//! Media that overtakes the end of the handshake is not lost.

mod common;

use common::{Join, TICK, World, audio_ssrc};

#[test]
fn what_comes_before_the_keys_is_forwarded_once_they_are_there() {
    let mut world = World::with_clients(1, &[0]);
    let late = world.join(Join::at(0));
    let session = world.clients[late].session;
    loop {
        let now = world.now;
        world.clients[late].advance(now);
        if world.clients[late].connected {
            break;
        }
        world.tick();
    }
    // The client's last flight is on its way, and what it sends next overtakes it.
    let flight = std::mem::take(&mut world.clients[late].outgoing);
    assert!(!flight.is_empty(), "the bridge waits for the client");
    world.send_audio(late, 0..3);
    world.run_for(5 * TICK);
    assert!(world.heard(0, audio_ssrc(session)).is_empty());
    world.clients[late].outgoing.extend(flight);
    world.send_audio(late, [3]);
    world.run_for(20 * TICK);
    assert_eq!(world.heard(0, audio_ssrc(session)), [0, 1, 2, 3]);
    assert_eq!(world.totals().dropped_no_keys, 0);
}
