//! Groups of key frames, waiting in both directions, frames far too late, and independent receivers.

mod common;

use bridge_media::LayerIndex;
use common::vp8::Vp8Sender;
use common::{Bridge, assert_contiguous};

fn senders() -> [Vp8Sender; 3] {
    [0_u8, 1, 2].map(|n| Vp8Sender::of_encoding(n, 1_000 + u32::from(n), 1))
}

#[test]
fn without_a_key_frame_the_encoding_stays() {
    let [mut low, mut middle, _] = senders();
    let mut bridge = Bridge::new(1_000, LayerIndex::new(0, 0, 2));
    bridge.send_all(&low.frames(4));
    middle.skip_frames(4);
    bridge.projection.set_target(LayerIndex::new(1, 0, 2));
    let mut received = Vec::new();
    for _ in 0..90 {
        received.push(bridge.forward(&low.frame()[0]));
        assert_eq!(bridge.send(&middle.frame()[0]), None);
        assert!(bridge.wants_keyframe);
    }
    assert_contiguous(&received);
}

#[test]
fn a_group_is_taken_upwards_and_asked_for_again_if_incomplete() {
    let [mut low, mut middle, mut high] = senders();
    let mut bridge = Bridge::new(1_000, LayerIndex::new(2, 0, 2));
    // The key frames of the group come from low to high; each better one takes over.
    for sender in [&mut low, &mut middle] {
        assert!(bridge.send(&sender.frame()[0]).is_some());
    }
    assert_eq!(bridge.projection.current_encoding(), Some(1));
    assert!(!bridge.wants_keyframe, "the rest of the group is awaited");
    high.skip_frames(1);
    let mut asked_after = None;
    for frames in 1..30 {
        bridge.forward(&middle.frame()[0]);
        assert_eq!(bridge.send(&high.frame()[0]), None);
        if bridge.wants_keyframe && asked_after.is_none() {
            asked_after = Some(frames);
        }
    }
    assert_eq!(asked_after, Some(10), "more than 300 ms after the group began");
    high.request_keyframe();
    bridge.forward(&high.frame()[0]);
    assert_eq!(bridge.projection.current_encoding(), Some(2));
    // A key frame above the target is never taken, one of a lower encoding only on the way down.
    bridge.projection.set_target(LayerIndex::new(1, 0, 2));
    high.request_keyframe();
    assert_eq!(bridge.send(&high.frame()[0]), None, "out of its group and above the target");
}

#[test]
fn on_the_way_down_only_the_base_layer_goes_on() {
    let [mut low, mut middle, _] = senders();
    let mut bridge = Bridge::new(1_000, LayerIndex::new(1, 0, 2));
    let mut received = bridge.send_all(&middle.frames(8));
    low.skip_frames(8);
    bridge.projection.set_target(LayerIndex::new(0, 0, 2));
    for packet in middle.frames(16) {
        let out = bridge.send(&packet);
        assert_eq!(out.is_some(), packet.label.temporal_id == 0);
        assert!(bridge.wants_keyframe);
        received.extend(out);
    }
    low.request_keyframe();
    received.extend(bridge.send_all(&low.frames(8)));
    assert_eq!(received.len(), 8 + 4 + 8);
    assert_contiguous(&received);
}

#[test]
fn very_late_frames_are_dropped() {
    let mut sender = Vp8Sender::new(1);
    let mut bridge = Bridge::new(1, LayerIndex::new(0, 0, 2));
    bridge.send_all(&sender.frames(4));
    let late = sender.frames(2);
    bridge.send_all(&sender.frames(20));
    assert!(bridge.send(&late[0]).is_some());
    bridge.send_all(&sender.frames(501));
    assert_eq!(bridge.send(&late[1]), None);
}

#[test]
fn repeated_packets_are_forwarded_once() {
    let mut sender = Vp8Sender::new(2);
    let mut bridge = Bridge::new(1, LayerIndex::new(0, 0, 2));
    let packets = sender.frames(20);
    assert_eq!(bridge.send_all(&packets).len(), 40);
    assert_eq!(bridge.send_all(&packets), []);
    assert_eq!(bridge.projection.counters().refused, 40);
}

#[test]
fn receivers_are_independent() {
    let mut senders = senders();
    let mut low = Bridge::new(1_000, LayerIndex::new(0, 0, 0));
    let mut high = Bridge::new(1_000, LayerIndex::new(2, 0, 2));
    let (mut at_low, mut at_high) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        for packet in senders.each_mut().map(Vp8Sender::frame).into_iter().flatten() {
            at_low.extend(low.send(&packet));
            at_high.extend(high.send(&packet));
        }
    }
    assert_eq!(at_low.len(), 10);
    // The first picture came in all three encodings, each better than the one before.
    assert_eq!(at_high.len(), 42);
    assert_contiguous(&at_low);
    assert_contiguous(&at_high);
}
