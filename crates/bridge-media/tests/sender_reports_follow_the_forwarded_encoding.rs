//! Sender reports of what the receiver gets are rewritten as its packets are; others are not sent.
//! They also say where the timestamps of another encoding belong.

mod common;

use bridge_media::LayerIndex;
use common::Bridge;
use common::vp8::Vp8Sender;

const SECOND: u64 = 1 << 32;

#[test]
fn reports_change_with_the_encoding() {
    let mut low = Vp8Sender::of_encoding(0, 1_000, 1);
    let mut high = Vp8Sender::of_encoding(1, 2_000, 1);
    let mut bridge = Bridge::new(1_000, LayerIndex::new(0, 0, 2));
    assert_eq!(bridge.projection.rewrite_sender_report(1_000, 0), None, "nothing sent yet");
    for _ in 0..20 {
        let packet = &low.frame()[0];
        let out = bridge.forward(packet);
        let rewritten = bridge.projection.rewrite_sender_report(1_000, packet.timestamp);
        assert_eq!(rewritten, Some((1_000, out.timestamp)));
        assert_eq!(bridge.send(&high.frame()[0]), None);
        assert_eq!(bridge.projection.rewrite_sender_report(2_000, high.timestamp), None);
    }
    bridge.projection.set_target(LayerIndex::new(1, 0, 2));
    high.request_keyframe();
    let packet = &high.frame()[0];
    let out = bridge.forward(packet);
    assert_eq!(bridge.projection.rewrite_sender_report(1_000, low.timestamp), None);
    let rewritten = bridge.projection.rewrite_sender_report(2_000, packet.timestamp);
    assert_eq!(rewritten, Some((1_000, out.timestamp)));
    bridge.projection.set_target(LayerIndex::SUSPENDED);
    bridge.send(&high.frame()[0]);
    assert_eq!(bridge.projection.rewrite_sender_report(2_000, packet.timestamp), None);
}

#[test]
fn a_switch_keeps_the_distance_of_capture() {
    let mut low = Vp8Sender::of_encoding(0, 1_000, 1);
    let mut high = Vp8Sender::of_encoding(1, 2_000, 1);
    let mut bridge = Bridge::new(1_000, LayerIndex::new(0, 0, 2));
    // Both encodings show the same pictures at the same time, by clocks of their own.
    for (sender, encoding) in [(&low, 0), (&high, 1)] {
        let clock = bridge.clocks.entry(encoding).or_default();
        clock.handle_sender_report(sender.time, 77 * SECOND, sender.timestamp);
    }
    let before = bridge.send_all(&low.frames(30));
    let last = before.last().unwrap();
    high.skip_frames(33);
    bridge.projection.set_target(LayerIndex::new(1, 0, 2));
    high.request_keyframe();
    let mut keyframe = high.frame().remove(0);
    // It arrives in a burst with the last low frame: the estimate by arrival would say one frame.
    keyframe.received = low.time;
    let out = bridge.forward(&keyframe);
    let distance = out.timestamp.wrapping_sub(last.timestamp);
    assert!(distance.abs_diff(4 * 3_000) <= 1, "{distance}");
}
