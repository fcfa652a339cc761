//! What the bridge leaves out, the receiver cannot notice; what was lost before it, it can.

mod common;

use bridge_media::LayerIndex;
use common::vp8::Vp8Sender;
use common::{Bridge, assert_contiguous};

#[test]
fn each_temporal_target_gives_a_contiguous_stream() {
    for packets_per_frame in [1, 3, 200] {
        for target in 0..3 {
            let mut sender = Vp8Sender::new(packets_per_frame);
            let mut bridge = Bridge::new(1, LayerIndex::new(0, 0, target));
            let first_timestamp = sender.timestamp;
            let packets = sender.frames(if packets_per_frame > 100 { 20 } else { 400 });
            let mut received = Vec::new();
            for packet in &packets {
                let out = bridge.send(packet);
                assert_eq!(out.is_some(), packet.label.temporal_id <= target, "{packet:?}");
                let Some(out) = out else { continue };
                let elapsed = packet.timestamp.wrapping_sub(first_timestamp);
                assert_eq!(out.timestamp, 3_001 + elapsed);
                assert_eq!(out.tl0, Some(packet.payload[4]));
                assert_eq!(out.marker, packet.marker);
                received.push(out);
            }
            assert_eq!((received[0].sequence_number, received[0].picture_id), (2, Some(0)));
            assert_contiguous(&received);
            for pair in received.windows(2) {
                let same = u16::from(pair[0].timestamp != pair[1].timestamp);
                assert_eq!(pair[1].picture_id.unwrap(), pair[0].picture_id.unwrap() + same);
            }
        }
    }
}

#[test]
fn a_lost_packet_is_one_missing_number() {
    let mut sender = Vp8Sender::new(3);
    let mut bridge = Bridge::new(1, LayerIndex::new(0, 0, 2));
    let mut packets = sender.frames(10);
    packets.remove(13);
    let numbers: Vec<_> =
        bridge.send_all(&packets).iter().map(|received| received.sequence_number).collect();
    let expected: Vec<u16> = (2..32).filter(|number| *number != 15).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn losses_within_dropped_frames_are_not_seen() {
    let mut sender = Vp8Sender::new(3);
    let mut bridge = Bridge::new(1, LayerIndex::new(0, 0, 0));
    let mut packets = sender.frames(12);
    // The middle of one dropped frame, the end of another and the start of the one after it.
    for lost in [4, 8, 9] {
        packets[lost].ssrc = 0;
    }
    packets.retain(|packet| packet.ssrc != 0);
    let received = bridge.send_all(&packets);
    assert_eq!(received.len(), 9);
    assert_contiguous(&received);
}

#[test]
fn a_raised_temporal_target_waits_for_frames_that_can_be_decoded() {
    let mut sender = Vp8Sender::new(1);
    let mut bridge = Bridge::new(1, LayerIndex::new(0, 0, 0));
    let mut received = bridge.send_all(&sender.frames(6));
    // Frame 5 was a T2 that was dropped; 6 is a T1 after a T0, 7 a T2 after that.
    bridge.projection.set_target(LayerIndex::new(0, 0, 2));
    for expected in [true, true, true, true] {
        let out = bridge.send(&sender.frame()[0]);
        assert_eq!(out.is_some(), expected);
        assert!(!bridge.wants_keyframe, "temporal layers need no key frame");
        received.extend(out);
    }
    // Raised right after a dropped T1: the T2 that follows refers to it.
    bridge.projection.set_target(LayerIndex::new(0, 0, 0));
    received.extend(bridge.send(&sender.frame()[0]));
    sender.frame();
    let mut sender_at_t1 = sender.clone();
    while sender_at_t1.next_temporal_id() != 1 {
        received.extend(bridge.send(&sender_at_t1.frame()[0]));
    }
    assert_eq!(bridge.send(&sender_at_t1.frame()[0]), None);
    bridge.projection.set_target(LayerIndex::new(0, 0, 2));
    assert_eq!(bridge.send(&sender_at_t1.frame()[0]), None, "its reference was dropped");
    assert!(bridge.send(&sender_at_t1.frame()[0]).is_some(), "T0");
    assert!(bridge.send(&sender_at_t1.frame()[0]).is_some());
}
