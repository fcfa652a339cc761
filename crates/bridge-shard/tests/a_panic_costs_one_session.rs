//! A bug that a packet meets ends the session that it belongs to and nothing else.

mod common;

use std::time::Duration;

use bridge_shard::SessionEventKind;
use common::{TICK, World, audio_ssrc};

#[test]
fn the_others_go_on() {
    let mut world = World::with_clients(2, &[0, 0, 0, 1]);
    let doomed = world.clients[0].session;
    world.doom(doomed);
    // Activity is told once a second.
    for number in 0..15 {
        world.send_audio(1, [number]);
        world.send_audio(0, [number]);
        world.send_audio(2, [number]);
        world.run_for(Duration::from_millis(100));
    }
    assert_eq!(world.totals().panics, 1);
    assert!(world.saw(doomed, |kind| matches!(kind, SessionEventKind::Crashed)));
    assert_eq!(world.group.directory().shard_of(doomed), None);
    assert_eq!(world.totals().sessions, 3);
    for sender in 0..3 {
        world.send_audio(sender, 15..20);
    }
    world.run_for(5 * TICK);
    for receiver in [1, 2, 3] {
        for sender in [1, 2] {
            let heard = world.heard(receiver, audio_ssrc(world.clients[sender].session));
            let expected = if sender == receiver { Vec::new() } else { (0..20).collect() };
            assert_eq!(heard, expected, "{sender} to {receiver}");
        }
    }
    assert_eq!(world.totals().panics, 1);
}
