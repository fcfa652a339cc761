//! What is not negotiated or not signalled is refused and counted; everything has a bound.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use bridge_media::{
    EndpointReception, MAX_ENCODINGS, MAX_RECEIVED_SOURCES, MAX_UNANNOUNCED_AUDIO, ReceptionRefusal,
};
use bridge_units::SourceId;
use common::at_ms;
use common::endpoint::{
    AUDIO, AUDIO_SSRC, CAMERA, H264, OPUS, RTX, Rtp, SSRCS, ULPFEC, VP8, VP9, audio, payload_types,
    receive, reception, video,
};

fn frame(sequence_number: u16) -> Rtp {
    Rtp::new(VP8, SSRCS[0], sequence_number, &[0x10, 0, 0, 0])
}

#[test]
fn payload_types_must_be_negotiated() {
    let mut nothing = EndpointReception::default();
    nothing.set_sources(&[audio(AUDIO, AUDIO_SSRC), video(CAMERA, &SSRCS)]);
    for rtp in [frame(1), Rtp::sound(1, None)] {
        let refused = receive(&mut nothing, at_ms(0), &rtp).unwrap_err();
        assert_eq!(refused, ReceptionRefusal::UnknownPayloadType);
    }
    assert_eq!(nothing.counters().unknown_payload_type, 2);

    let mut reception = reception();
    reception.set_payload_types(payload_types().into_iter().filter(|known| known.number != VP8));
    let again = frame(1).sent_again(1);
    let refused = receive(&mut reception, at_ms(0), &again).unwrap_err();
    assert_eq!(refused, ReceptionRefusal::UnknownPayloadType, "RTX of what is not negotiated");
}

#[test]
fn video_must_be_signalled() {
    let mut reception = reception();
    let refused = |reception: &mut EndpointReception, payload_type, ssrc| {
        let rtp = Rtp::new(payload_type, ssrc, 1, &[0, 9, 0x10, 0, 0, 0]);
        receive(reception, at_ms(0), &rtp).unwrap_err()
    };
    for (payload_type, ssrc, expected) in [
        (VP8, 77, ReceptionRefusal::UnknownSsrc),
        (VP8, AUDIO_SSRC, ReceptionRefusal::UnknownSsrc),
        (ULPFEC, 77, ReceptionRefusal::UnknownSsrc),
        (RTX, 77, ReceptionRefusal::UnknownRtx),
        (RTX, SSRCS[1], ReceptionRefusal::OtherStream),
        (VP8, SSRCS[1] + 100, ReceptionRefusal::OtherStream),
        (OPUS, SSRCS[1], ReceptionRefusal::OtherStream),
    ] {
        assert_eq!(refused(&mut reception, payload_type, ssrc), expected, "{payload_type} {ssrc}");
    }
    let counters = *reception.counters();
    assert_eq!(counters.unknown_ssrc, 3);
    assert_eq!((counters.unknown_rtx, counters.other_stream), (1, 3));
    assert_eq!(counters.video, 0);
}

#[test]
fn audio_may_come_before_its_signalling_within_bounds() {
    let mut reception = reception();
    let sound = |ssrc, number| Rtp { ssrc, ..Rtp::sound(number, None) };
    for ssrc in 0..MAX_UNANNOUNCED_AUDIO as u32 {
        let output = receive(&mut reception, at_ms(0), &sound(7_000 + ssrc, 1)).unwrap();
        assert_eq!(output.source, None);
    }
    let one_more = sound(9_000, 1);
    let refused = receive(&mut reception, at_ms(9_999), &one_more).unwrap_err();
    assert_eq!(refused, ReceptionRefusal::TooManyStreams);
    // One of them is signalled and goes on; its place is free, and idle ones make room.
    reception.set_sources(&[audio(SourceId(9), 7_001)]);
    assert_eq!(receive(&mut reception, at_ms(9_999), &sound(7_001, 1)).unwrap_err(), {
        ReceptionRefusal::Duplicate
    });
    let signalled = receive(&mut reception, at_ms(9_999), &sound(7_001, 2)).unwrap();
    assert_eq!(signalled.source, Some(SourceId(9)));
    receive(&mut reception, at_ms(9_999), &one_more).unwrap();
    receive(&mut reception, at_ms(10_000), &sound(9_001, 1)).unwrap();
    assert_eq!(reception.counters().too_many_streams, 1);
}

#[test]
fn an_ssrc_belongs_to_whom_it_was_signalled_first() {
    let mut reception = reception();
    let thief = SourceId(7);
    reception.set_sources(&[video(CAMERA, &SSRCS), video(thief, &[SSRCS[1], 2_000])]);
    let mut stolen = frame(1);
    stolen.ssrc = SSRCS[1];
    assert_eq!(receive(&mut reception, at_ms(0), &stolen).unwrap().source, Some(CAMERA));
    let mut own = frame(1);
    own.ssrc = 2_000;
    let own = receive(&mut reception, at_ms(0), &own).unwrap();
    assert_eq!((own.source, own.packet.unwrap().encoding), (Some(thief), 1));
    assert!(reception.counters().refused_signaling > 0);
}

#[test]
fn signalling_beyond_the_bounds_is_refused() {
    let mut reception = reception();
    let many: Vec<_> = (0..MAX_RECEIVED_SOURCES as u32 + 3)
        .map(|n| video(SourceId(n), &[10_000 + n * 1_000]))
        .collect();
    reception.set_sources(&many);
    assert_eq!(reception.counters().refused_signaling, 3);
    let ssrcs: Vec<u32> = (0..MAX_ENCODINGS as u32 + 2).collect();
    reception.set_sources(&[video(CAMERA, &ssrcs)]);
    assert_eq!(reception.counters().refused_signaling, 5);
    let mut beyond = frame(1);
    beyond.ssrc = MAX_ENCODINGS as u32;
    let refused = receive(&mut reception, at_ms(0), &beyond).unwrap_err();
    assert_eq!(refused, ReceptionRefusal::UnknownSsrc);
}

#[test]
fn vanished_sources_are_forgotten_and_known_ones_go_on() {
    let mut reception = reception();
    receive(&mut reception, at_ms(0), &frame(5).padded(4)).unwrap();
    reception.set_sources(&[video(CAMERA, &SSRCS)]);
    let refused = receive(&mut reception, at_ms(0), &frame(5)).unwrap_err();
    assert_eq!(refused, ReceptionRefusal::Duplicate, "numbers are kept");
    reception.set_sources(&[video(CAMERA, &[SSRCS[0], 3_000])]);
    let refused = receive(&mut reception, at_ms(0), &frame(5)).unwrap_err();
    assert_eq!(refused, ReceptionRefusal::Duplicate, "of an SSRC, whatever the others are");
    reception.set_sources(&[]);
    let refused = receive(&mut reception, at_ms(0), &frame(6)).unwrap_err();
    assert_eq!(refused, ReceptionRefusal::UnknownSsrc);
}

#[test]
fn descriptors_that_cannot_be_read_are_dropped_without_a_gap() {
    let mut reception = reception();
    assert_eq!(receive(&mut reception, at_ms(0), &frame(1)).unwrap().number(), 1);
    let malformed = [
        Rtp::new(VP8, SSRCS[0], 2, &[0x80]),
        Rtp::new(VP9, SSRCS[0], 3, &[0x80]),
        Rtp::new(H264, SSRCS[0], 4, &[1, 2]).with_extension(common::endpoint::DESCRIPTOR_ID, &[0]),
    ];
    for rtp in malformed {
        let refused = receive(&mut reception, at_ms(0), &rtp).unwrap_err();
        assert_eq!(refused, ReceptionRefusal::MalformedDescriptor, "{rtp:?}");
    }
    let fec = Rtp::new(ULPFEC, SSRCS[0], 5, &[1, 2, 3]);
    assert_eq!(receive(&mut reception, at_ms(0), &fec).unwrap_err(), ReceptionRefusal::Fec);
    assert_eq!(receive(&mut reception, at_ms(0), &frame(6)).unwrap().number(), 2);
    assert_eq!((reception.counters().malformed_descriptors, reception.counters().fec), (3, 1));
}
