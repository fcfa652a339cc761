//! A stream starts with a key frame, unless what builds on it was refused already.

mod common;

use bridge_media::LayerIndex;
use common::Bridge;
use common::vp8::Vp8Sender;

#[test]
fn a_slightly_late_key_frame_is_good_enough() {
    let mut sender = Vp8Sender::new(1);
    let mut bridge = Bridge::new(1, LayerIndex::new(0, 0, 2));
    let first = sender.frames(4);
    for early in &first[1..] {
        assert_eq!(bridge.send(early), None);
        assert!(bridge.wants_keyframe);
    }
    assert_eq!(bridge.forward(&first[0]).sequence_number, 2);
    let after: Vec<_> = bridge.send_all(&sender.frames(20));
    assert_eq!(after.len(), 20);
    assert_eq!(after[0].sequence_number, 3, "the refused frames left no gap");
    assert_eq!(after[0].picture_id, Some(1));
    common::assert_contiguous(&after);
}

#[test]
fn a_key_frame_after_the_next_base_frame_is_too_late() {
    let mut sender = Vp8Sender::new(1);
    let mut bridge = Bridge::new(1, LayerIndex::new(0, 0, 2));
    let first = sender.frames(5);
    for packet in first[1..].iter().chain(&first[..1]).chain(&sender.frames(10)) {
        assert_eq!(bridge.send(packet), None, "{packet:?}");
        assert!(bridge.wants_keyframe);
    }
    sender.request_keyframe();
    assert_eq!(bridge.send_all(&sender.frames(10)).len(), 10);
}

#[test]
fn a_key_frame_whose_start_comes_late_is_refused() {
    let mut sender = Vp8Sender::new(3);
    let mut bridge = Bridge::new(1, LayerIndex::new(0, 0, 2));
    let first = sender.frames(5);
    for packet in first[1..12].iter().chain(&first[..1]).chain(&sender.frames(3)) {
        assert_eq!(bridge.send(packet), None, "{packet:?}");
    }
    sender.request_keyframe();
    assert_eq!(bridge.send_all(&sender.frames(10)).len(), 30);
}
