//! Retransmissions become the packets that they repeat, and whatever arrives twice leaves once.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use bridge_media::ReceptionRefusal;
use common::at_ms;
use common::endpoint::{AUDIO, RTX, Rtp, SSRCS, VP8, receive, reception};
use common::vp8::Vp8Sender;

#[test]
fn retransmissions_become_originals() {
    let mut reception = reception();
    let packets = Vp8Sender::of_encoding(1, SSRCS[1], 3).frame();
    let direct = receive(&mut reception, at_ms(0), &Rtp::of(&packets[0])).unwrap();
    receive(&mut reception, at_ms(0), &Rtp::of(&packets[2])).unwrap();
    let lost = Rtp::of(&packets[1]).padded(7);
    let recovered = receive(&mut reception, at_ms(50), &lost.sent_again(4_711)).unwrap();
    assert_eq!(recovered.header.ssrc, SSRCS[1]);
    assert_eq!(recovered.header.payload_type, VP8);
    assert_eq!(recovered.number(), direct.number().wrapping_add(1));
    assert_eq!(recovered.payload(), packets[1].payload);
    assert_eq!(recovered.packet.unwrap().encoding, 1);
    let refused = receive(&mut reception, at_ms(60), &lost).unwrap_err();
    assert_eq!(refused, ReceptionRefusal::Duplicate, "the original came anyway");
    let counters = reception.counters();
    assert_eq!((counters.video, counters.recovered, counters.duplicates), (3, 1, 1));
}

#[test]
fn what_came_is_not_taken_again() {
    let mut reception = reception();
    let packets = Vp8Sender::of_encoding(0, SSRCS[0], 2).frames(20);
    for packet in &packets {
        receive(&mut reception, packet.received, &Rtp::of(packet)).unwrap();
    }
    for (n, packet) in packets.iter().enumerate() {
        let again = Rtp::of(packet).sent_again(n as u16);
        for copy in [Rtp::of(packet), again] {
            let refused = receive(&mut reception, at_ms(2_000), &copy).unwrap_err();
            assert_eq!(refused, ReceptionRefusal::Duplicate);
        }
    }
    assert_eq!(reception.counters().duplicates, 2 * packets.len() as u64);
}

#[test]
fn probes_without_an_original_are_dropped() {
    let mut reception = reception();
    let probe = |payload: &[u8]| Rtp::new(RTX, SSRCS[0] + 100, 1, payload);
    for probe in [probe(&[]), probe(&[1]), probe(&[]).padded(200), probe(&[1]).padded(2)] {
        let refused = receive(&mut reception, at_ms(0), &probe).unwrap_err();
        assert_eq!(refused, ReceptionRefusal::Probe);
    }
    assert_eq!(reception.counters().probes, 4);
    // An original that was only padding.
    let empty = receive(&mut reception, at_ms(0), &probe(&[0, 1])).unwrap_err();
    assert_eq!(empty, ReceptionRefusal::PaddingOnly);
}

#[test]
fn retransmissions_cannot_move_a_stream_away() {
    let mut reception = reception();
    let mut sender = Vp8Sender::of_encoding(0, SSRCS[0], 1);
    sender.sequence_number = 5_000;
    let mut packets = sender.frames(40).into_iter();
    for packet in packets.by_ref().take(20) {
        receive(&mut reception, packet.received, &Rtp::of(&packet)).unwrap();
    }
    for lie in [30_000_u16, 40_000, 7_000, 3_000] {
        let mut rtp = Rtp::of(&sender.clone().frame()[0]);
        rtp.sequence_number = lie;
        for n in 0..3 {
            rtp.sequence_number = lie + n;
            let refused = receive(&mut reception, at_ms(0), &rtp.sent_again(n)).unwrap_err();
            assert_eq!(refused, ReceptionRefusal::OutOfRange, "{lie}");
        }
    }
    for packet in packets {
        let output = receive(&mut reception, packet.received, &Rtp::of(&packet)).unwrap();
        assert_eq!(output.number(), packet.sequence_number);
    }
}

#[test]
fn a_sender_that_begins_anew_is_joined_on() {
    let mut reception = reception();
    let sound = |number| Rtp::sound(number, None);
    for number in 5_000..5_010 {
        assert_eq!(receive(&mut reception, at_ms(0), &sound(number)).unwrap().number(), number);
    }
    // A stray packet is no new beginning, two in a row are.
    for stray in [1_000, 1_000, 900] {
        let refused = receive(&mut reception, at_ms(0), &sound(stray)).unwrap_err();
        assert_eq!(refused, ReceptionRefusal::OutOfRange);
    }
    let numbers: Vec<_> = (901..905)
        .map(|number| receive(&mut reception, at_ms(0), &sound(number)).unwrap())
        .map(|output| (output.number(), output.source))
        .collect();
    assert_eq!(numbers, [5_011, 5_012, 5_013, 5_014].map(|number| (number, Some(AUDIO))));
    assert_eq!(reception.counters().restarts, 1);
}
