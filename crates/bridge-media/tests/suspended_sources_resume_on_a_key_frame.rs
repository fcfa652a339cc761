//! Suspension, dropouts, and what the receiver sees of them.

mod common;

use bridge_media::LayerIndex;
use common::vp8::Vp8Sender;
use common::{Bridge, assert_contiguous};

const TOP: LayerIndex = LayerIndex::new(0, 0, 2);

#[test]
fn nothing_comes_until_a_key_frame_and_then_goes_on() {
    for frames in [64, 128, 1_000, 40_000, 65_536, 70_000] {
        let mut sender = Vp8Sender::new(1);
        let mut bridge = Bridge::new(1, TOP);
        let mut received = bridge.send_all(&sender.frames(30));
        let last = received.last().unwrap().clone();
        bridge.projection.set_target(LayerIndex::SUSPENDED);
        let timestamp = sender.timestamp;
        for _ in 0..frames {
            assert_eq!(bridge.send(&sender.frame()[0]), None);
            assert!(!bridge.wants_keyframe);
        }
        bridge.projection.set_target(TOP);
        for _ in 0..30 {
            assert_eq!(bridge.send(&sender.frame()[0]), None);
            assert!(bridge.wants_keyframe);
        }
        sender.request_keyframe();
        let resumed = bridge.send_all(&sender.frames(30));
        assert_eq!(resumed.len(), 30);
        assert_eq!(resumed[0].tl0, Some(last.tl0.unwrap() + 1));
        assert_eq!(resumed[0].picture_id, Some(last.picture_id.unwrap() + 1));
        // As long as the source was away, the receiver's clock went on.
        let away = sender.timestamp.wrapping_sub(timestamp).wrapping_sub(30 * 3_000);
        assert_eq!(resumed[0].timestamp.wrapping_sub(last.timestamp), away + 3_000);
        received.extend(resumed);
        assert_contiguous(&received);
    }
}

#[test]
fn a_shard_need_not_show_packets_while_suspended() {
    let mut sender = Vp8Sender::new(2);
    let mut bridge = Bridge::new(1, TOP);
    let mut received = bridge.send_all(&sender.frames(10));
    bridge.projection.set_target(LayerIndex::SUSPENDED);
    bridge.send(&sender.frame()[0]);
    sender.skip_frames(50_000);
    sender.request_keyframe();
    bridge.projection.set_target(TOP);
    received.extend(bridge.send_all(&sender.frames(10)));
    assert_eq!(received.len(), 40);
    assert_contiguous(&received);
}

#[test]
fn dropouts_of_any_length_need_no_key_frame() {
    for power in 6..=16 {
        let frames = 1_usize << power;
        let mut sender = Vp8Sender::new(1);
        let mut bridge = Bridge::new(1, TOP);
        let before = bridge.send_all(&sender.frames(50));
        let last = before.last().unwrap();
        sender.skip_frames(frames);
        let after = bridge.send_all(&sender.frames(50));
        assert_eq!(after.len(), 50, "{frames}");
        assert_contiguous(&after);
        let step = after[0].sequence_number.wrapping_sub(last.sequence_number);
        let expected = if frames < 3_000 { frames + 1 } else { 2 };
        // A whole cycle of numbers cannot be told from none.
        let expected = if frames == 65_536 { 1 } else { expected };
        assert_eq!(usize::from(step), expected, "{frames}");
        let ticks = u32::try_from(frames + 1).unwrap() * 3_000;
        assert_eq!(after[0].timestamp, last.timestamp.wrapping_add(ticks));
        let ids = after[0].picture_id.unwrap().wrapping_sub(last.picture_id.unwrap()) & 0x7fff;
        assert_eq!(usize::from(ids), (frames + 1) % 32_768, "{frames}");
    }
}
