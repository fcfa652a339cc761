//! The contract's worked example of a VP8 simulcast switch, packet by packet.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use bridge_media::{LayerIndex, VideoCodec};
use common::{Bridge, Label, Packet, Received, at_ms};

/// SSRC, sequence number, timestamp, picture id, tl0, temporal id.
type In = (u32, u16, u32, u16, u8, u8);

fn packet(ms: u64, (ssrc, seq, timestamp, picture_id, tl0, tid): In, flags: &str) -> Packet {
    let start = if flags.contains('S') { 0x10 } else { 0 };
    let [high, low] = picture_id.to_be_bytes();
    let inter = u8::from(!flags.contains('K'));
    Packet {
        codec: VideoCodec::Vp8,
        encoding: u8::try_from(ssrc / 1_000 - 1).unwrap(),
        ssrc,
        sequence_number: seq,
        timestamp,
        marker: flags.contains('M'),
        payload: vec![0x80 | start, 0xe0, 0x80 | high, low, tl0, tid << 6, inter, 1, 2, 3],
        dependency_descriptor: None,
        received: at_ms(10_000 + ms),
        label: Label::default(),
    }
}

#[track_caller]
fn expect(received: &Received, sequence: u16, timestamp: u32, picture_id: u16, tl0: u8) {
    let got = (
        received.ssrc,
        received.sequence_number,
        received.timestamp,
        received.picture_id,
        received.tl0,
    );
    assert_eq!(got, (1_000, sequence, timestamp, Some(picture_id), Some(tl0)));
}

fn before_the_switch(last_flags: &str) -> Bridge {
    let mut bridge = Bridge::new(1_000, LayerIndex::new(0, 0, 2));
    let out = bridge.forward(&packet(0, (1_000, 500, 90_000, 100, 10, 0), "KSM"));
    expect(&out, 2, 3_001, 100, 10);
    assert!(!bridge.wants_keyframe);
    let out = bridge.forward(&packet(33, (1_000, 501, 93_000, 101, 10, 2), "SM"));
    expect(&out, 3, 6_001, 101, 10);
    bridge.projection.set_target(LayerIndex::new(2, 0, 1));
    let out = bridge.forward(&packet(66, (1_000, 502, 96_000, 102, 10, 1), "SM"));
    expect(&out, 4, 9_001, 102, 10);
    assert!(bridge.wants_keyframe, "another encoding is wanted");
    for n in 1..10_u16 {
        let ids = (1_000, 502 + n, 96_000 + 3_000 * u32::from(n), 102 + n, 10, 2);
        bridge.forward(&packet(66 + 33 * u64::from(n), ids, "SM"));
    }
    let out = bridge.forward(&packet(396, (1_000, 512, 126_000, 112, 13, 0), last_flags));
    expect(&out, 14, 39_001, 112, 13);
    bridge
}

#[test]
fn the_worked_example() {
    let mut bridge = before_the_switch("SM");
    let out = bridge.forward(&packet(400, (3_000, 7_000, 5_000_000, 3_000, 77, 0), "KS"));
    expect(&out, 15, 42_001, 113, 14);
    assert!(!bridge.wants_keyframe);
    for n in 1..10_u16 {
        let flags = if n == 9 { "M" } else { "" };
        let ids = (3_000, 7_000 + n, 5_000_000, 3_000, 77, 0);
        expect(&bridge.forward(&packet(401, ids, flags)), 15 + n, 42_001, 113, 14);
    }
    assert_eq!(bridge.send(&packet(405, (1_000, 513, 129_000, 113, 14, 0), "KS")), None);
    assert_eq!(bridge.send(&packet(433, (3_000, 7_010, 5_003_000, 3_001, 77, 2), "SM")), None);
    let out = bridge.forward(&packet(466, (3_000, 7_011, 5_006_000, 3_002, 77, 1), "SM"));
    expect(&out, 25, 48_001, 114, 14);
    assert_eq!(bridge.projection.progress(), Some((25, 48_001)));
}

#[test]
fn after_an_unfinished_frame_one_number_is_left_out() {
    let mut bridge = before_the_switch("S");
    let out = bridge.forward(&packet(400, (3_000, 7_000, 5_000_000, 3_000, 77, 0), "KS"));
    expect(&out, 16, 42_001, 113, 14);
    // The rest of the unfinished frame is newer than what was forwarded of it.
    assert_eq!(bridge.send(&packet(401, (1_000, 513, 126_000, 112, 13, 0), "M")), None);
    let out = bridge.forward(&packet(402, (3_000, 7_001, 5_000_000, 3_000, 77, 0), "M"));
    expect(&out, 17, 42_001, 113, 14);
}

#[test]
fn a_long_pause_before_the_switch_shows_in_the_timestamp() {
    let mut bridge = before_the_switch("SM");
    let out = bridge.forward(&packet(1_396, (3_000, 7_000, 5_000_000, 3_000, 77, 0), "KS"));
    expect(&out, 15, 39_001 + 90_000, 113, 14);
}

#[test]
fn late_packets_of_the_old_encoding_fill_their_gaps() {
    let mut bridge = Bridge::new(1_000, LayerIndex::new(0, 0, 2));
    bridge.forward(&packet(0, (1_000, 500, 90_000, 100, 10, 0), "KS"));
    bridge.forward(&packet(0, (1_000, 502, 90_000, 100, 10, 0), "M"));
    bridge.projection.set_target(LayerIndex::new(2, 0, 2));
    let out = bridge.forward(&packet(400, (3_000, 7_000, 5_000_000, 3_000, 77, 0), "KSM"));
    assert_eq!(out.sequence_number, 5);
    let late = bridge.forward(&packet(410, (1_000, 501, 90_000, 100, 10, 0), ""));
    expect(&late, 3, 3_001, 100, 10);
}
