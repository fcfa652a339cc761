//! H.264, H.265, VP8 without temporal layers and unknown codecs: one encoding on one SSRC, started
//! on a key frame where that can be told.

mod common;

use std::time::Duration;

use bridge_media::{LayerIndex, VideoCodec};
use bridge_units::Timestamp;
use common::vp8::Vp8Sender;
use common::{Bridge, Label, Packet, assert_contiguous};

const TARGET: LayerIndex = LayerIndex::new(0, 0, 2);

/// Three packets a frame of any codec; the payload starts a key frame or not.
struct Sender {
    codec: VideoCodec,
    encoding: u8,
    ssrc: u32,
    sequence_number: u16,
    timestamp: u32,
    time: Timestamp,
}

impl Sender {
    fn new(codec: VideoCodec, encoding: u8) -> Self {
        Self {
            codec,
            encoding,
            ssrc: 1_000 * (u32::from(encoding) + 1),
            sequence_number: 600,
            timestamp: 900,
            time: Timestamp::from_millis(1_000),
        }
    }

    fn frame(&mut self, is_keyframe: bool) -> Vec<Packet> {
        let start: &[u8] = match (self.codec, is_keyframe) {
            (VideoCodec::H264, true) => &[0x67, 1, 2],
            (VideoCodec::H265, true) => &[32 << 1, 1, 2],
            _ => &[0x02, 1, 2],
        };
        let packets: Vec<_> = (0..3)
            .map(|part| Packet {
                codec: self.codec,
                encoding: self.encoding,
                ssrc: self.ssrc,
                sequence_number: self.sequence_number + part,
                timestamp: self.timestamp,
                marker: part == 2,
                payload: if part == 0 { start.to_vec() } else { vec![0x02, 1, 2] },
                dependency_descriptor: None,
                received: self.time,
                label: Label { is_keyframe, ..Label::default() },
            })
            .collect();
        self.sequence_number += 3;
        self.timestamp += 3_000;
        self.time += Duration::from_millis(33);
        packets
    }
}

#[test]
fn h264_and_h265_start_and_switch_on_key_frames() {
    for codec in [VideoCodec::H264, VideoCodec::H265] {
        let (mut low, mut high) = (Sender::new(codec, 0), Sender::new(codec, 1));
        let mut bridge = Bridge::new(1_000, TARGET);
        assert_eq!(bridge.send_all(&low.frame(false)), []);
        assert!(bridge.wants_keyframe);
        let mut received = Vec::new();
        for n in 0..60 {
            if n == 30 {
                bridge.projection.set_target(LayerIndex::new(1, 0, 2));
            }
            received.extend(bridge.send_all(&low.frame(n == 0)));
            received.extend(bridge.send_all(&high.frame(n == 0 || n == 45)));
            assert_eq!(bridge.wants_keyframe, (30..45).contains(&n), "{n}");
        }
        // The picture of the switch came in both encodings.
        assert_eq!(received.len(), 183);
        assert!(received.iter().all(|out| out.ssrc == 1_000));
        assert_eq!(received[0].sequence_number, 2);
        assert_contiguous(&received);
        assert_eq!(bridge.projection.current_encoding(), Some(1));
    }
}

/// The first packet of a key frame has the parameter sets, the second one the first slice.
#[test]
fn parameter_sets_that_come_late_have_a_place() {
    for codec in [VideoCodec::H264, VideoCodec::H265] {
        let (mut low, mut high) = (Sender::new(codec, 0), Sender::new(codec, 1));
        let mut bridge = Bridge::new(1_000, TARGET);
        let mut received = bridge.send_all(&low.frame(true));
        received.extend(bridge.send_all(&high.frame(false)));
        bridge.projection.set_target(LayerIndex::new(1, 0, 2));
        received.extend(bridge.send_all(&low.frame(false)));
        let mut key = high.frame(true);
        let slice: &[u8] =
            if codec == VideoCodec::H264 { &[0x7c, 0x85, 1] } else { &[98, 1, 0x93] };
        key[1].payload = slice.to_vec();
        let sets = key.remove(0);
        let late = bridge.send_all(&key);
        assert_eq!(late.len(), 2);
        received.push(bridge.forward(&sets));
        received.extend(late);
        received.extend(bridge.send_all(&high.frame(false)));
        assert_eq!(received.len(), 12);
        assert_contiguous(&received);
    }
}

#[test]
fn encrypted_h264_starts_after_a_while() {
    let mut sender = Sender::new(VideoCodec::H264, 0);
    let mut bridge = Bridge::new(1_000, TARGET);
    let mut first = None;
    let mut received = Vec::new();
    for n in 0..150 {
        let out = bridge.send_all(&sender.frame(false));
        first = first.or((!out.is_empty()).then_some(n));
        received.extend(out);
    }
    assert_eq!(first, Some(91), "three seconds at 33 ms a frame");
    assert_contiguous(&received);
}

#[test]
fn unknown_codecs_start_at_once_and_close_the_gap_of_a_suspension() {
    let mut sender = Sender::new(VideoCodec::Other, 0);
    let mut other = Sender::new(VideoCodec::Other, 1);
    let mut bridge = Bridge::new(1_000, TARGET);
    let mut received = bridge.send_all(&sender.frame(false));
    assert_eq!(received.len(), 3);
    assert!(!bridge.wants_keyframe);
    assert_eq!(bridge.send_all(&other.frame(false)), [], "one encoding at a time");
    bridge.projection.set_target(LayerIndex::SUSPENDED);
    for _ in 0..100 {
        assert_eq!(bridge.send_all(&sender.frame(false)), []);
    }
    bridge.projection.set_target(TARGET);
    for _ in 0..5 {
        received.extend(bridge.send_all(&sender.frame(false)));
    }
    bridge.projection.set_target(LayerIndex::new(1, 0, 0));
    received.extend(bridge.send_all(&other.frame(false)));
    assert_eq!(received.len(), 21);
    assert_contiguous(&received);
}

#[test]
fn vp8_without_temporal_layers() {
    let mut sender = Vp8Sender::of_encoding(0, 1_000, 3);
    sender.has_layers = false;
    let mut bridge = Bridge::new(1_000, TARGET);
    let packets = sender.frames(20);
    assert_eq!(bridge.send_all(&packets[3..12]), []);
    sender.request_keyframe();
    let received = bridge.send_all(&sender.frames(20));
    assert_eq!((received.len(), received[0].sequence_number), (60, 2));
    assert_contiguous(&received);
}

#[test]
fn another_codec_goes_on_where_the_last_one_was() {
    let mut vp8 = Vp8Sender::of_encoding(0, 1_000, 1);
    let mut h264 = Sender::new(VideoCodec::H264, 0);
    let mut bridge = Bridge::new(1_000, TARGET);
    let mut received = bridge.send_all(&vp8.frames(23));
    let last = received.last().unwrap().clone();
    h264.time = vp8.time;
    received.extend(bridge.send_all(&h264.frame(true)));
    assert_eq!(received[23].sequence_number, last.sequence_number + 1);
    assert_eq!(received[23].timestamp, last.timestamp + 3_000);
    received.extend(bridge.send_all(&h264.frame(false)));
    // Back to the first codec: only with a key frame.
    assert_eq!(bridge.send(&vp8.frame()[0]), None);
    assert!(bridge.wants_keyframe);
    vp8.request_keyframe();
    received.extend(bridge.send_all(&vp8.frames(3)));
    assert_eq!(received.len(), 32);
    assert_contiguous(&received);
    assert_eq!(bridge.projection.counters().codec_changes, 2);
}
