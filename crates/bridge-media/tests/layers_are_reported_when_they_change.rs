//! The control plane hears of layers at once when that matters, and never too often.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use bridge_media::{EndpointReception, LayerIndex, NtpTime, SourceLayers};
use bridge_rtp::rtcp::SenderInfo;
use bridge_units::{Bitrate, SourceId, Timestamp};
use common::dependency::{DependencySender, Mode};
use common::endpoint::{
    ALLOCATION_ID, AUDIO, AUDIO_SSRC, CAMERA, Rtp, SSRCS, receive, reception, video,
};
use common::vp8::Vp8Sender;
use common::{Packet, at_ms};

fn send(reception: &mut EndpointReception, packet: &Packet) {
    receive(reception, packet.received, &Rtp::of(packet)).unwrap();
}

fn report(reception: &mut EndpointReception, now: Timestamp) -> Option<SourceLayers> {
    let report = reception.poll_layers(now);
    report.map(|(source, layers)| {
        assert_eq!(source, CAMERA);
        assert_eq!(reception.layers(now, CAMERA).as_ref(), Some(&layers));
        layers
    })
}

fn active(layers: &SourceLayers) -> Vec<LayerIndex> {
    let active = layers.layers.iter().filter(|layer| layer.bitrate > Bitrate::ZERO);
    active.map(|layer| layer.index).collect()
}

/// The times of the reports, in milliseconds since `begin`, until nothing more is due.
fn drain(reception: &mut EndpointReception, begin: Timestamp) -> Vec<(u64, SourceLayers)> {
    let mut reports = Vec::new();
    while reception.poll_timeout() != Timestamp::FAR_FUTURE {
        let now = reception.poll_timeout();
        while let Some((_, layers)) = reception.poll_layers(now) {
            reports.push((now.since(begin).as_millis() as u64, layers));
        }
    }
    reports
}

#[test]
fn a_layer_that_begins_is_reported_at_once() {
    let mut reception = reception();
    let mut sender = Vp8Sender::of_encoding(1, SSRCS[1], 1);
    let mut seen = Vec::new();
    for packet in sender.frames(4) {
        send(&mut reception, &packet);
        if reception.poll_timeout() <= packet.received {
            seen.push(active(&report(&mut reception, packet.received).unwrap()));
        }
        assert!(report(&mut reception, packet.received).is_none(), "once");
    }
    let layer = |temporal_id| LayerIndex::new(1, 0, temporal_id);
    // A layer's rate includes those below.
    assert_eq!(seen[0], [layer(0), layer(1), layer(2)]);
    assert_eq!(seen.len(), 3, "T0, T2, T1");
}

#[test]
fn rates_are_reported_every_second_until_the_source_is_silent() {
    let mut reception = reception();
    let mut sender = Vp8Sender::of_encoding(0, SSRCS[0], 2);
    let begin = sender.time;
    let (mut times, mut last) = (Vec::new(), begin);
    for packet in sender.frames(150) {
        last = packet.received;
        send(&mut reception, &packet);
        if report(&mut reception, last).is_some() {
            times.push(last.since(begin).as_millis());
        }
    }
    let late: Vec<_> = times.iter().filter(|ms| **ms > 200).collect();
    assert!((4..=5).contains(&late.len()), "{times:?}");
    assert!(late.windows(2).all(|pair| (1_000..=1_300).contains(&(pair[1] - pair[0]))));
    let rest = drain(&mut reception, last);
    let (ms, end) = rest.last().unwrap();
    assert!((980..=1_300).contains(ms), "soon after the window is empty: {ms}");
    assert_eq!(active(end), []);
    assert_eq!(reception.poll_timeout(), Timestamp::FAR_FUTURE, "silence costs nothing");
}

#[test]
fn one_encoding_that_goes_silent_is_reported() {
    let mut reception = reception();
    let mut senders = [0_u8, 1].map(|n| Vp8Sender::of_encoding(n, SSRCS[usize::from(n)], 1));
    let mut silent = None;
    for n in 0..120 {
        let sending = if n < 30 { 2 } else { 1 };
        for sender in &mut senders[..sending] {
            for packet in sender.frame() {
                send(&mut reception, &packet);
                while let Some(layers) = report(&mut reception, packet.received) {
                    let top = active(&layers).last().unwrap().encoding();
                    if n > 30 && top == Some(0) && silent.is_none() {
                        silent = Some(packet.received.since(senders_end()).as_millis());
                    }
                }
            }
        }
    }
    assert!((900..1_350).contains(&silent.unwrap()), "{silent:?}");
}

/// When the second encoding of the test before sent its last frame.
fn senders_end() -> Timestamp {
    at_ms(1_000) + common::frame_time() * 29
}

#[test]
fn another_codec_brings_its_own_layers() {
    let mut reception = reception();
    let mut av1 = DependencySender::new(2, Mode::Svc, 1);
    av1.ssrc = SSRCS[0];
    av1.pictures(4).iter().for_each(|packet| send(&mut reception, packet));
    let layers = report(&mut reception, av1.time).unwrap();
    assert_eq!(layers.layers.len(), 6, "decode targets; encodings that never sent are gone");
    let mut vp8 = Vp8Sender::of_encoding(0, SSRCS[0], 1);
    vp8.sequence_number = av1.sequence_number;
    vp8.time = av1.time + common::frame_time();
    vp8.frames(1).iter().for_each(|packet| send(&mut reception, packet));
    let layers = report(&mut reception, vp8.time).unwrap();
    let indexes: Vec<_> = layers.layers.iter().map(|layer| layer.index).collect();
    let expected: Vec<_> = (0..3)
        .flat_map(|encoding| (0..3).map(move |tid| LayerIndex::new(encoding, 0, tid)))
        .collect();
    assert_eq!(indexes, expected);
    assert_eq!(active(&layers).len(), 3);
}

#[test]
fn a_sender_that_changes_with_every_packet_does_not_flood() {
    let mut reception = reception();
    let mut av1 = DependencySender::new(1, Mode::Svc, 1);
    av1.ssrc = SSRCS[0];
    let mut vp8 = Vp8Sender::of_encoding(0, SSRCS[0], 1);
    let mut reports = 0;
    for ms in 0..1_000 {
        let mut packet = if ms % 2 == 0 { vp8.frame() } else { av1.picture() }.remove(0);
        packet.sequence_number = ms as u16;
        packet.received = at_ms(ms);
        send(&mut reception, &packet);
        while reception.poll_layers(packet.received).is_some() {
            reports += 1;
        }
    }
    assert!((20..=51).contains(&reports), "{reports}");
}

#[test]
fn told_targets_are_reported() {
    let mut reception = reception();
    let told = [0x01, 0x80, 0x50, 0x78, 0xc8, 0x01, 0x01, 0x3f, 0x00, 0xb3, 0x21];
    let packets = Vp8Sender::of_encoding(0, SSRCS[0], 1).frames(2);
    let rtp = Rtp::of(&packets[0]).with_extension(ALLOCATION_ID, &told);
    receive(&mut reception, at_ms(0), &rtp).unwrap();
    let layers = report(&mut reception, at_ms(0)).unwrap();
    let targets: Vec<_> =
        layers.layers.iter().take(3).map(|layer| layer.target_bitrate.unwrap().kbps()).collect();
    assert_eq!(targets, [80, 120, 200]);
    assert_eq!(layers.layers[0].height, Some(180));
    let broken = Rtp::of(&packets[1]).with_extension(ALLOCATION_ID, &[0x01]);
    receive(&mut reception, at_ms(0), &broken).unwrap();
    assert_eq!(reception.counters().malformed_allocations, 1);
}

#[test]
fn learned_layers_survive_signalling() {
    let mut reception = reception();
    let packets = Vp8Sender::of_encoding(0, SSRCS[0], 1).frames(1);
    packets.iter().for_each(|packet| send(&mut reception, packet));
    reception.set_sources(&[video(SourceId(9), &[5]), video(CAMERA, &SSRCS)]);
    let now = packets[0].received;
    assert_eq!(active(&report(&mut reception, now).unwrap()).len(), 3);
    reception.set_sources(&[video(CAMERA, &SSRCS[1..])]);
    assert_eq!(reception.poll_timeout(), Timestamp::ZERO, "due at once");
    assert_eq!(active(&report(&mut reception, now).unwrap()), [], "other encodings");
}

#[test]
fn capture_times_follow_sender_reports() {
    let mut reception = reception();
    let packets = Vp8Sender::of_encoding(2, SSRCS[2], 1).frames(2);
    let first = receive(&mut reception, at_ms(0), &Rtp::of(&packets[0])).unwrap();
    assert_eq!(first.packet.unwrap().capture, None);
    let second = 1_u64 << 32;
    let mut info = SenderInfo {
        ssrc: SSRCS[2],
        ntp_timestamp: 5 * second,
        rtp_timestamp: packets[1].timestamp.wrapping_sub(90_000),
        ..SenderInfo::default()
    };
    assert_eq!(reception.handle_sender_report(at_ms(0), &info), Some((CAMERA, 2)));
    let next = receive(&mut reception, at_ms(0), &Rtp::of(&packets[1])).unwrap();
    assert_eq!(next.packet.unwrap().capture, Some(NtpTime(6 * second)));
    for (ssrc, expected) in [(AUDIO_SSRC, Some((AUDIO, 0))), (SSRCS[2] + 100, None), (3, None)] {
        info.ssrc = ssrc;
        assert_eq!(reception.handle_sender_report(at_ms(0), &info), expected);
    }
}
