//! A packet of one sender reaches every other member of its conference, once, and nobody else.

mod common;

use std::time::Duration;

use bridge_rtp::RtpView;
use common::{AUDIO, Join, TICK, VIDEO, World, audio_ssrc, orientation, rtp, video_ssrc};

#[test]
fn payload_and_forwarded_extensions_arrive_and_the_rest_is_stripped() {
    let mut world = World::with_clients(2, &[0, 0, 1, 1]);
    let ssrc = audio_ssrc(world.clients[0].session);
    let extensions: [(u8, &[u8]); 5] =
        [(1, &[0x8c]), (3, &[1, 2, 3]), (5, &[0, 1]), (6, &orientation()), (10, b"0")];
    let payload: Vec<u8> = (0..160).collect();
    world.clients[0].send_rtp(&rtp(ssrc, AUDIO, 7, &extensions, &payload));
    world.run_for(5 * TICK);
    assert!(world.clients[0].rtp.is_empty(), "nothing comes back");
    for client in &world.clients[1..] {
        let [packet] = &client.rtp[..] else { panic!("{} packets", client.rtp.len()) };
        let view = RtpView::parse(packet).unwrap();
        let header = view.header();
        assert_eq!((header.ssrc, header.payload_type, header.sequence_number), (ssrc, AUDIO, 7));
        assert_eq!(header.timestamp, 7 * 960);
        assert_eq!(view.payload(), payload);
        let kept: Vec<_> = view.extensions().map(|e| (e.id, e.data(packet).unwrap())).collect();
        let (number, forwarded) = kept.split_last().unwrap();
        assert_eq!(forwarded, [(1, &[0x8c][..]), (6, &orientation()[..])]);
        assert_eq!(*number, (5, &[0, 1][..]), "the bridge's own transport-wide number");
    }
    let totals = world.totals();
    assert_eq!((totals.rtp_in, totals.rtp_out, totals.panics), (1, 3, 0));
}

#[test]
fn conferences_do_not_hear_each_other() {
    let mut world = World::new(2);
    for conference in [1, 2] {
        for shard in [0, 1, 0] {
            world.join(Join::at(shard).in_conference(conference));
        }
    }
    world.connect();
    for sender in 0..6 {
        world.send_audio(sender, 0..10);
    }
    world.run_for(5 * TICK);
    for (i, receiver) in world.clients.iter().enumerate() {
        for (j, sender) in world.clients.iter().enumerate() {
            let expected = if i != j && i / 3 == j / 3 { (0..10).collect() } else { Vec::new() };
            assert_eq!(receiver.numbers(audio_ssrc(sender.session)), expected, "{j} to {i}");
        }
        assert_eq!(receiver.refused, 0);
    }
}

#[test]
fn a_big_burst_is_forwarded_whole() {
    let mut world = World::with_clients(2, &[0, 0, 1]);
    let ssrc = video_ssrc(world.clients[0].session, 0);
    for number in 0..1_000 {
        let packet =
            rtp(ssrc, VIDEO, number, &[], &vec![number as u8; 1_150 - number as usize % 3]);
        world.clients[0].send_rtp(&packet);
    }
    // Spread over time, since nothing is known of the receivers' links.
    world.run_for(Duration::from_secs(1));
    for receiver in [1, 2] {
        assert_eq!(world.heard(receiver, ssrc), (2..1_002).collect::<Vec<_>>());
    }
    assert_eq!(world.totals().dropped_batch_full, 0);
}

#[test]
fn a_packet_too_large_to_be_sent_is_counted_and_does_no_harm() {
    let mut world = World::with_clients(1, &[0, 0]);
    let ssrc = audio_ssrc(world.clients[0].session);
    world.clients[0].send_rtp(&rtp(ssrc, AUDIO, 1, &[], &vec![1; 60_000]));
    world.send_audio(0, [2]);
    world.run_for(5 * TICK);
    assert_eq!(world.heard(1, ssrc), [2]);
    let totals = world.totals();
    assert_eq!((totals.dropped_seal_failed, totals.rtp_out), (1, 1));
    assert_eq!(totals.padding_out, 0, "sound alone starts no probe");
}
