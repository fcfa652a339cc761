//! A receiver without RED gets plain audio: every packet once and in order, lost ones from the
//! redundancy of the next.

mod common;

use bridge_media::{AudioPacket, RedAction, RedBlock, RedError, RedPolicy, RedStream, write_red};
use common::at_ms;
use common::endpoint::{Rtp, receive, reception};
use proptest::prelude::*;

const RED: u8 = 112;
const OPUS: u8 = 111;
const TICKS: u32 = 960;
/// The number of the first packet: the sequence wraps soon.
const FIRST: u16 = 65_533;

fn audio(n: u16) -> [u8; 3] {
    [n.to_be_bytes()[0], n.to_be_bytes()[1], 0x5a]
}

fn timestamp(n: u16) -> u32 {
    (u32::MAX - 1_000).wrapping_add(TICKS * u32::from(n))
}

/// The payload of packet `n` with the packets before it, as a browser sends it.
fn red_payload(n: u16, distance: u16) -> Vec<u8> {
    let data: Vec<_> = (1..=distance.min(n)).rev().map(|d| (d, audio(n - d))).collect();
    let redundant: Vec<_> = data
        .iter()
        .map(|(d, data)| RedBlock { payload_type: OPUS, timestamp_offset: *d * 960, data })
        .collect();
    let mut out = vec![0; 200];
    let primary = RedBlock { payload_type: OPUS, timestamp_offset: 0, data: &audio(n) };
    let len = write_red(&redundant, primary, &mut out).expect("there is room");
    out.truncate(len);
    out
}

/// Takes packet `n` apart; answers the numbers of what comes out, after checking it.
fn strip(stream: &mut RedStream, n: u16, distance: u16) -> Vec<u16> {
    let payload = red_payload(n, distance);
    let packet = AudioPacket {
        sequence_number: FIRST.wrapping_add(n),
        timestamp: timestamp(n),
        payload_type: RED,
        voice_activity: true,
        payload: &payload,
    };
    let mut out = Vec::new();
    let result = stream.strip(&packet, |plain| {
        let number = plain.sequence_number.wrapping_sub(FIRST);
        assert_eq!(plain.payload_type, OPUS);
        assert_eq!(plain.timestamp, timestamp(number));
        assert_eq!(plain.payload, audio(number));
        assert_eq!(plain.is_recovered, number != n);
        out.push(number);
    });
    assert_eq!(result, Ok(()));
    out
}

#[test]
fn a_single_loss_is_recovered_in_order() {
    let mut stream = RedStream::new();
    let out: Vec<_> = [0, 1, 2, 3, 5, 6].map(|n| strip(&mut stream, n, 2)).into();
    assert_eq!(out, [vec![0], vec![1], vec![2], vec![3], vec![4, 5], vec![6]]);
}

#[test]
fn a_double_loss_is_recovered_in_order() {
    let mut stream = RedStream::new();
    let out: Vec<_> = [0, 1, 2, 5, 6].map(|n| strip(&mut stream, n, 2)).into();
    assert_eq!(out, [vec![0], vec![1], vec![2], vec![3, 4, 5], vec![6]]);
    // With one block the older of two stays lost; of three the two next to the packet come.
    let mut stream = RedStream::new();
    let out: Vec<_> = [0, 3, 7].map(|n| strip(&mut stream, n, 1)).into();
    assert_eq!(out, [vec![0], vec![2, 3], vec![6, 7]]);
    let mut stream = RedStream::new();
    let out: Vec<_> = [4, 8].map(|n| strip(&mut stream, n, 3)).into();
    assert_eq!(out, [vec![2, 3, 4], vec![6, 7, 8]]);
}

#[test]
fn the_first_packet_brings_what_was_before_it() {
    let mut stream = RedStream::new();
    assert_eq!(strip(&mut stream, 2, 2), [0, 1, 2]);
}

#[test]
fn a_late_packet_that_was_recovered_is_not_repeated() {
    let mut stream = RedStream::new();
    let out: Vec<_> = [0, 2, 1, 3, 2].map(|n| strip(&mut stream, n, 2)).into();
    assert_eq!(out, [vec![0], vec![1, 2], vec![], vec![3], vec![]]);
}

#[test]
fn plain_packets_between_redundant_ones_come_once() {
    let mut stream = RedStream::new();
    let plain = |stream: &mut RedStream, n: u16| stream.accept_plain(FIRST.wrapping_add(n));
    assert_eq!(strip(&mut stream, 0, 2), [0]);
    assert!(plain(&mut stream, 1));
    assert_eq!(strip(&mut stream, 2, 2), [2]);
    assert_eq!(strip(&mut stream, 4, 2), [3, 4]);
    assert!(!plain(&mut stream, 3));
    assert!(plain(&mut stream, 5));
}

#[test]
fn what_a_receiver_gets_follows_policy_and_negotiation() {
    use RedAction::{Forward, Protect, Strip};
    for (policy, is_red, has_red, expected) in [
        (RedPolicy::Noop, true, true, Forward),
        (RedPolicy::Noop, true, false, Strip),
        (RedPolicy::Noop, false, true, Forward),
        (RedPolicy::Noop, false, false, Forward),
        (RedPolicy::Strip, true, true, Strip),
        (RedPolicy::Strip, true, false, Strip),
        (RedPolicy::Strip, false, true, Forward),
        (RedPolicy::Strip, false, false, Forward),
        (RedPolicy::ProtectAll, true, true, Forward),
        (RedPolicy::ProtectAll, true, false, Strip),
        (RedPolicy::ProtectAll, false, true, Protect),
        (RedPolicy::ProtectAll, false, false, Forward),
    ] {
        assert_eq!(policy.action(is_red, has_red), expected, "{policy:?} {is_red} {has_red}");
    }
}

#[test]
fn malformed_redundancy_is_refused_and_changes_nothing() {
    let mut stream = RedStream::new();
    strip(&mut stream, 0, 0);
    for (payload, expected) in [
        (&[][..], RedError::TruncatedHeader),
        (&[0x80 | OPUS, 0, 0][..], RedError::TruncatedHeader),
        (&[0x80 | OPUS, 0, 0, 1][..], RedError::TruncatedHeader),
        (&[0x80 | OPUS, 0, 0, 1, OPUS][..], RedError::TruncatedData),
        (&[0x80 | OPUS, 0, 0, 1, OPUS, 7][..], RedError::TruncatedData),
        (&[OPUS][..], RedError::TruncatedData),
        (&[RED, 1, 2][..], RedError::Nested),
        (&[0x80 | RED, 0, 0, 1, OPUS, 7, 8][..], RedError::Nested),
    ] {
        let packet = AudioPacket {
            sequence_number: FIRST.wrapping_add(1),
            timestamp: timestamp(1),
            payload_type: RED,
            voice_activity: true,
            payload,
        };
        let refused = stream.strip(&packet, |_| unreachable!("nothing comes out"));
        assert_eq!(refused, Err(expected), "{payload:?}");
    }
    assert_eq!(strip(&mut stream, 1, 1), [1]);
}

/// Numbers that discarded silence leaves out are those of reception, so that nothing is missed there.
#[test]
fn discarded_silence_is_not_recovered() {
    let mut reception = reception();
    let mut red = RedStream::new();
    let mut sent = Vec::new();
    let silent = 3..15_u16;
    for n in (0..20).filter(|n| *n != 16) {
        let level = if silent.contains(&n) { 127 } else { 40 };
        let rtp = Rtp::sound(FIRST.wrapping_add(n), Some(level));
        let Ok(received) = receive(&mut reception, at_ms(0), &rtp) else { continue };
        sent.extend(strip(&mut red, received.number().wrapping_sub(FIRST), 2));
    }
    // Three, four of the silence, and five of which one was lost.
    assert_eq!(sent, (0..12).collect::<Vec<u16>>());
}

proptest! {
    /// Whatever is lost, reordered or repeated: no number twice, and nothing that arrives is lost.
    #[test]
    fn every_packet_comes_out_once(
        arrivals in prop::collection::vec((0..6_u16, 0..4_u16), 1..300),
    ) {
        let mut stream = RedStream::new();
        let mut seen = std::collections::BTreeSet::new();
        for (base, (jitter, distance)) in (0..).zip(arrivals) {
            let n = base * 2 + jitter;
            for number in strip(&mut stream, n, distance) {
                prop_assert!(seen.insert(number), "{number} twice");
            }
            prop_assert!(seen.contains(&n));
        }
    }
}
