//! A shard that has more to do than it can drops the oldest media, video long before audio, and
//! goes on answering everything else.

mod common;

use std::time::Duration;

use bridge_rtp::RtcpWriter;
use common::{AUDIO, TICK, VIDEO, Wire, World, audio_ssrc, rtp, video_ssrc};

/// One audio and one video packet that waited for `age` in the socket.
fn send(world: &mut World, number: u16, age: Duration) {
    let (session, from) = (world.clients[0].session, world.clients[0].address);
    let packets = [
        rtp(audio_ssrc(session), AUDIO, number, &[], &[1; 100]),
        rtp(video_ssrc(session, 0), VIDEO, number, &[], &[1; 100]),
    ];
    let mut wire = Wire::default();
    world.shards[0].set_datagram_age(age);
    for packet in packets {
        let mut sealed = world.clients[0].seal_rtp(&packet);
        world.shards[0].handle_datagram(world.now, 0, from, &mut sealed, &mut wire);
    }
    world.shards[0].set_datagram_age(Duration::ZERO);
    world.shards[0].end_batch(world.now, &mut wire);
    world.deliver(wire);
    world.run_for(TICK);
}

#[test]
fn video_goes_first_then_audio_and_both_come_back() {
    let mut world = World::with_clients(1, &[0, 0]);
    let session = world.clients[0].session;
    let ages = [0, 30, 100, 150, 300, 5_000, 30, 0];
    for (number, age) in (0_u16..).zip(ages) {
        send(&mut world, number, Duration::from_millis(age));
    }
    assert_eq!(world.heard(1, audio_ssrc(session)), [0, 1, 2, 3, 6, 7]);
    assert_eq!(world.heard(1, video_ssrc(session, 0)).len(), 4);
    let totals = world.totals();
    assert_eq!((totals.dropped_overload_video, totals.dropped_overload_audio), (4, 2));
}

#[test]
fn what_is_not_media_is_never_too_old() {
    let mut world = World::with_clients(1, &[0, 0]);
    let ssrc = video_ssrc(world.clients[0].session, 0);
    world.shards[0].set_datagram_age(Duration::from_secs(10));
    let mut buffer = [0; 100];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.picture_loss_indication(1, ssrc).unwrap();
    world.clients[1].send_rtcp(writer.as_bytes());
    // Long enough for checks of consent, which go on both ways.
    world.run_for(Duration::from_secs(40));
    let totals = world.totals();
    assert_eq!(totals.keyframe_requests_out, 1);
    assert_eq!(totals.sessions, 2);
    world.shards[0].set_datagram_age(Duration::ZERO);
    world.send_audio(0, [1]);
    world.run_for(TICK);
    assert_eq!(world.heard(1, audio_ssrc(world.clients[0].session)), [1], "paths are alive");
}
