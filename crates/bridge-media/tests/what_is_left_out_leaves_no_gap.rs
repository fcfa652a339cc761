//! Padding, muted media and sound that nobody gets are removed together with their numbers.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use bridge_media::{EndpointReception, ReceptionRefusal, SilenceConfig};
use common::at_ms;
use common::endpoint::{AUDIO, Rtp, SSRCS, VP8, extension_ids, payload_types, receive, reception};

fn frame(number: u16) -> Rtp {
    Rtp::new(VP8, SSRCS[0], number, &[0x10, 0, 0, 0])
}

fn number(reception: &mut EndpointReception, rtp: &Rtp) -> u16 {
    receive(reception, at_ms(0), rtp).unwrap().number()
}

fn refused(reception: &mut EndpointReception, rtp: &Rtp) -> ReceptionRefusal {
    receive(reception, at_ms(0), rtp).unwrap_err()
}

#[test]
fn padding_is_cut_off() {
    let mut reception = reception();
    for rtp in [frame(1).padded(9), Rtp::sound(1, Some(30)).padded(9)] {
        let output = receive(&mut reception, at_ms(0), &rtp).unwrap();
        assert!(!output.header.has_padding);
        assert_eq!(output.payload(), rtp.payload);
        assert_eq!(output.bytes.len(), rtp.bytes().len() - 9);
    }
}

#[test]
fn packets_of_padding_are_removed() {
    let mut reception = reception();
    let padding = |number| Rtp { payload: Vec::new(), ..frame(number).padded(255) };
    assert_eq!(number(&mut reception, &frame(65_534)), 65_534);
    assert_eq!(refused(&mut reception, &padding(65_535)), ReceptionRefusal::PaddingOnly);
    assert_eq!(number(&mut reception, &frame(0)), 65_535);
    // Late and lost padding leaves one number unused at most, and none is used twice.
    assert_eq!(number(&mut reception, &frame(2)), 1);
    assert_eq!(refused(&mut reception, &padding(1)), ReceptionRefusal::PaddingOnly);
    assert_eq!(number(&mut reception, &frame(3)), 2);
    assert_eq!(reception.counters().padding_only, 2);
    let mut asked = 0;
    reception.poll_nack(at_ms(1_000), None, |_, _| asked += 1);
    assert_eq!(asked, 0, "padding is not asked for");
}

#[test]
fn muted_audio_is_not_forwarded_whether_or_not_it_tells_levels() {
    let mut reception = reception();
    assert_eq!(number(&mut reception, &Rtp::sound(1, Some(30))), 1);
    reception.set_force_mute(true, false);
    for (at, level) in [(2, Some(30)), (3, None)] {
        assert_eq!(refused(&mut reception, &Rtp::sound(at, level)), ReceptionRefusal::Muted);
    }
    assert_eq!(number(&mut reception, &frame(1)), 1, "video goes on");
    reception.set_force_mute(false, false);
    assert_eq!(number(&mut reception, &Rtp::sound(4, Some(30))), 2);
    assert_eq!(reception.counters().muted, 2);
}

#[test]
fn muted_video_is_not_forwarded_and_not_asked_for() {
    let mut reception = reception();
    assert_eq!(number(&mut reception, &frame(1)), 1);
    reception.set_force_mute(false, true);
    for at in [2, 3, 7] {
        assert_eq!(refused(&mut reception, &frame(at)), ReceptionRefusal::Muted);
    }
    let again = frame(5).sent_again(1);
    assert_eq!(refused(&mut reception, &again), ReceptionRefusal::Muted);
    assert_eq!(number(&mut reception, &Rtp::sound(1, None)), 1, "audio goes on");
    reception.set_force_mute(false, false);
    // Two were lost meanwhile.
    assert_eq!(number(&mut reception, &frame(8)), 4);
    reception.poll_nack(at_ms(1_000), None, |ssrc, _| assert_eq!(ssrc, 0, "nothing is asked for"));
}

#[test]
fn sound_that_nobody_gets_is_measured_only() {
    let mut reception = reception();
    assert_eq!(number(&mut reception, &Rtp::sound(1, Some(30))), 1);
    reception.set_audio_forwarded(false);
    let quiet = receive(&mut reception, at_ms(0), &Rtp::sound(2, Some(0x80 | 55))).unwrap();
    assert_eq!((quiet.source, quiet.level), (Some(AUDIO), Some(55)));
    assert!(quiet.bytes.is_empty());
    reception.set_audio_forwarded(true);
    assert_eq!(number(&mut reception, &Rtp::sound(3, Some(30))), 2);
    reception.set_audio_forwarded(false);
    assert_eq!(number(&mut reception, &Rtp::sound(4, None)), 3, "without level nobody is louder");
    assert_eq!((reception.counters().audio, reception.counters().audio_not_forwarded), (3, 1));
}

#[test]
fn silence_ends_after_a_few_packets_and_leaves_no_gap() {
    let mut reception = reception();
    assert_eq!(number(&mut reception, &Rtp::sound(1, Some(30))), 1);
    let silent: Vec<_> = (2..100)
        .filter_map(|at| receive(&mut reception, at_ms(0), &Rtp::sound(at, Some(127))).ok())
        .map(|output| output.number())
        .collect();
    assert_eq!(silent, [2, 3, 4, 5]);
    // Another SSRC has its own silence.
    let other = Rtp { ssrc: 9, ..Rtp::sound(1, Some(127)) };
    assert_eq!(number(&mut reception, &other), 1);
    assert_eq!(number(&mut reception, &Rtp::sound(100, Some(30))), 6);
    assert_eq!(reception.counters().silence, 94);
}

#[test]
fn silence_is_forwarded_if_configured_so() {
    let mut reception = EndpointReception::with_silence(SilenceConfig {
        discard_silence: false,
        ..SilenceConfig::default()
    });
    reception.set_payload_types(payload_types());
    reception.set_extension_ids(extension_ids());
    for at in 1..100 {
        assert_eq!(number(&mut reception, &Rtp::sound(at, Some(127))), at);
    }
}
