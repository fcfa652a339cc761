//! Only what a sender signalled and could have sealed is forwarded; all else is dropped, counted by
//! its cause, and has no effect on others.

mod common;

use common::{AUDIO, RTX, TICK, VIDEO, World, audio_ssrc, numbered, rtp, rtx_ssrc, video_ssrc};

/// Two senders and a receiver on another shard.
fn world() -> World {
    World::with_clients(2, &[0, 0, 1])
}

#[test]
fn one_encoding_is_forwarded_with_what_came_as_retransmission() {
    let mut world = world();
    let session = world.clients[0].session;
    for encoding in 0..3 {
        let ssrc = video_ssrc(session, encoding);
        world.clients[0].send_rtp(&numbered(ssrc, VIDEO, 1));
        world.clients[0].send_rtp(&numbered(ssrc, VIDEO, 3));
        let again = rtp(rtx_ssrc(session, encoding), RTX, 1, &[], &[0, 2, 7, 7, 7]);
        world.clients[0].send_rtp(&again);
    }
    world.run_for(5 * TICK);
    for receiver in [1, 2] {
        let client = &world.clients[receiver];
        assert_eq!(client.numbers(video_ssrc(session, 0)), [2, 4, 3]);
        assert_eq!(client.rtp.len(), 3, "nothing of the other encodings");
    }
}

#[test]
fn unknown_and_foreign_ssrcs_are_dropped() {
    let mut world = world();
    let foreign = audio_ssrc(world.clients[1].session);
    world.clients[0].send_rtp(&numbered(0xdead_beef, AUDIO, 1));
    world.clients[0].send_rtp(&numbered(foreign, AUDIO, 1));
    world.run_for(5 * TICK);
    assert_eq!(world.totals().dropped_unknown_ssrc, 2);
    assert!(world.clients.iter().all(|client| client.rtp.is_empty()));
    world.send_audio(1, [1, 2]);
    world.run_for(5 * TICK);
    assert_eq!(world.heard(2, foreign), [1, 2], "its owner is not disturbed");
}

#[test]
fn unknown_payload_types_are_dropped() {
    let mut world = world();
    let ssrc = audio_ssrc(world.clients[0].session);
    world.clients[0].send_rtp(&numbered(ssrc, 0, 1));
    world.clients[0].send_rtp(&numbered(ssrc, 64, 2));
    world.run_for(5 * TICK);
    let totals = world.totals();
    assert!(world.clients[2].rtp.is_empty());
    // 64 with the marker bit off is an RTP packet; 72 to 79 would be taken for RTCP.
    assert_eq!(totals.dropped_unknown_payload_type, 2);
}

#[test]
fn replays_are_dropped() {
    let mut world = world();
    let session = world.clients[0].session;
    let sealed = world.clients[0].seal_rtp(&numbered(audio_ssrc(session), AUDIO, 1));
    let from = world.clients[0].address;
    for _ in 0..10 {
        world.inject(0, from, &sealed);
    }
    world.run_for(5 * TICK);
    assert_eq!(world.heard(2, audio_ssrc(session)), [1]);
    assert_eq!(world.totals().dropped_replayed, 9);
}

#[test]
fn forged_and_damaged_packets_are_dropped() {
    let mut world = world();
    let session = world.clients[0].session;
    let ssrc = audio_ssrc(session);
    let from = world.clients[0].address;
    // Sealed with somebody else's keys.
    let forged = world.clients[1].seal_rtp(&numbered(ssrc, AUDIO, 5));
    world.inject(0, from, &forged);
    let mut damaged = world.clients[0].seal_rtp(&numbered(ssrc, AUDIO, 6));
    *damaged.last_mut().unwrap() ^= 1;
    world.inject(0, from, &damaged);
    world.run_for(5 * TICK);
    assert_eq!(world.totals().dropped_unauthenticated, 2);
    assert!(world.clients[2].rtp.is_empty());
    world.send_audio(0, [1, 2, 3]);
    world.run_for(5 * TICK);
    assert_eq!(world.heard(2, ssrc), [1, 2, 3]);
}

#[test]
fn packets_from_nobody_are_dropped() {
    let mut world = world();
    let session = world.clients[0].session;
    let sealed = world.clients[0].seal_rtp(&numbered(audio_ssrc(session), AUDIO, 1));
    world.inject(1, "203.0.113.9:4000".parse().unwrap(), &sealed);
    world.run_for(5 * TICK);
    assert_eq!(world.totals().dropped_unknown_source, 1);
    assert!(world.clients[2].rtp.is_empty());
}
