//! A key frame above what is wanted now is refused; what refers to it is refused too.

mod common;

use bridge_media::LayerIndex;
use common::Bridge;
use common::dependency::DependencySender;
use common::vp8::Vp8Sender;
use common::vp9::Vp9Sender;

#[test]
fn nothing_of_the_encoding_is_forwarded_behind_it() {
    let mut low = Vp8Sender::of_encoding(0, 1, 1);
    let mut high = Vp8Sender::of_encoding(1, 2, 1);
    let mut bridge = Bridge::new(1, LayerIndex::new(1, 0, 2));
    assert_eq!(bridge.send_all(&high.frames(20)).len(), 20);
    low.skip_frames(20);

    bridge.projection.set_target(LayerIndex::new(0, 0, 2));
    high.request_keyframe();
    low.request_keyframe();
    for refused in high.frames(5) {
        assert_eq!(bridge.send(&refused), None, "{refused:?}");
    }
    assert!(bridge.wants_keyframe, "the key frame that is wanted has not come");
    low.time = high.time;
    let lower = bridge.send_all(&low.frames(8));
    assert_eq!(lower.len(), 8);
    assert_eq!(lower[0].sequence_number, 22, "what was refused left no gap");
    common::assert_contiguous(&lower);
    assert!(!bridge.wants_keyframe);
}

#[test]
fn nothing_of_a_vp9_encoding_is_forwarded_behind_it() {
    let mut low = Vp9Sender::of_encoding(0, 1, 1);
    let mut high = Vp9Sender::of_encoding(1, 2, 1);
    let mut bridge = Bridge::new(1, LayerIndex::new(1, 0, 2));
    assert_eq!(bridge.send_all(&high.pictures(20)).len(), 20);

    bridge.projection.set_target(LayerIndex::new(0, 0, 2));
    high.request_keyframe();
    for refused in high.pictures(5) {
        assert_eq!(bridge.send(&refused), None, "{refused:?}");
    }
    assert!(bridge.wants_keyframe, "the key frame that is wanted has not come");
    low.time = high.time;
    let lower = bridge.send_all(&low.pictures(8));
    assert_eq!(lower.len(), 8);
    assert!(!bridge.wants_keyframe);
}

#[test]
fn nothing_of_an_encoding_with_descriptors_is_forwarded_behind_it() {
    let target =
        |encoding| LayerIndex::with_decode_target(encoding, DependencySender::target_of(0, 2));
    let mut low = DependencySender::of_encoding(0, 1, 1);
    let mut high = DependencySender::of_encoding(1, 2, 1);
    let mut bridge = Bridge::new(1, target(1));
    assert_eq!(bridge.send_all(&high.pictures(20)).len(), 20);

    bridge.projection.set_target(target(0));
    high.request_keyframe();
    for refused in high.pictures(5) {
        assert_eq!(bridge.send(&refused), None, "{refused:?}");
    }
    assert!(bridge.wants_keyframe, "the key frame that is wanted has not come");
    low.time = high.time;
    let lower = bridge.send_all(&low.pictures(8));
    assert_eq!(lower.len(), 8);
    assert!(!bridge.wants_keyframe);
}
