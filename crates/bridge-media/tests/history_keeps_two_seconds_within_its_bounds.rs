//! A source's packets can be found again by the sender's number for two seconds, in bounded memory.

use std::time::Duration;

use bridge_media::{
    HISTORY_TIME, MAX_HISTORY_BYTES, MAX_RESENT_REMEMBERED, MAX_RTX_STREAMS, Retransmissions,
    RtxNumbers, SourceHistory, resend_interval,
};
use bridge_units::Timestamp;
use proptest::prelude::*;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn packet(seq: u16, len: usize) -> Vec<u8> {
    seq.to_be_bytes().into_iter().cycle().take(len).collect()
}

#[test]
fn two_seconds_of_any_rate_are_kept() {
    // Packets a second, and their size: up to 8 Mbit/s.
    for (rate, len) in [(30, 200), (300, 1_200), (830, 1_200)] {
        let mut history = SourceHistory::new();
        let mut now = Timestamp::ZERO;
        let mut seq = 65_000_u16;
        let step = Duration::from_secs(1) / rate;
        for sent in 0..rate * 10 {
            history.insert(now, seq, &packet(seq, len), seq);
            let kept = (rate * 19 / 10).min(sent);
            let oldest = seq.wrapping_sub(u16::try_from(kept).unwrap());
            for known in [seq, oldest] {
                let entry = history.get(now, known).unwrap();
                assert_eq!(*entry.description, known);
                assert_eq!(entry.bytes, packet(known, len));
                assert!(now - entry.received <= HISTORY_TIME);
            }
            now += step;
            seq = seq.wrapping_add(1);
        }
        assert!(history.get(now, seq).is_none(), "not sent yet");
        let older = seq.wrapping_sub(u16::try_from(rate * 21 / 10).unwrap());
        assert!(history.get(now, older).is_none(), "too old");
        assert!(history.get(now + Duration::from_secs(3), seq.wrapping_sub(1)).is_none());
        assert!(history.memory() <= MAX_HISTORY_BYTES);
    }
}

#[test]
fn a_burst_after_a_slow_beginning_finds_what_it_kept() {
    let mut history = SourceHistory::new();
    let mut now = at(0);
    let mut seq = 0_u16;
    for (count, step) in [(120, 100), (400, 1)] {
        for _ in 0..count {
            history.insert(now, seq, &packet(seq, 1_200), seq);
            for back in [0, 1, 30, 53, 54, 55, 80, 107] {
                if back > seq {
                    continue;
                }
                if let Some(entry) = history.get(now, seq - back) {
                    assert_eq!(entry.bytes, packet(seq - back, 1_200), "{seq} - {back}");
                }
            }
            now += Duration::from_millis(step);
            seq += 1;
        }
    }
}

#[test]
fn floods_stay_within_the_bounds() {
    let mut history = SourceHistory::new();
    for seq in 0..20_000_u32 {
        let seq = (seq % 65_536) as u16;
        history.insert(at(1), seq, &packet(seq, 1_500), ());
    }
    assert_eq!(history.memory(), MAX_HISTORY_BYTES);
    assert!(history.get(at(1), 19_999).is_some());
    assert!(history.get(at(1), 10_000).is_none());
    history.insert(at(1), 20_000, &[], ());
    history.insert(at(1), 20_000, &[0; 3_000], ());
    history.insert(at(1), 17_500, &[1], ());
    assert_eq!(history.refused(), 3);
    history.insert(at(1), 60_000, &[1], ());
    assert!(history.get(at(1), 60_000).is_some(), "after a pause of more than half the range");
}

proptest! {
    #[test]
    fn what_is_found_is_what_was_kept(
        packets in prop::collection::vec((0_u16..400, 1_usize..1_500, 0_u64..30), 1..600),
        base: u16,
    ) {
        let mut history = SourceHistory::new();
        let mut now = 0;
        for (n, (jitter, len, pause)) in (0_u16..).zip(&packets) {
            now += pause;
            let seq = base.wrapping_add(n).wrapping_sub(jitter % 40);
            history.insert(at(now), seq, &packet(seq, *len), (seq, *len));
            let asked = seq.wrapping_sub(*jitter);
            if let Some(entry) = history.get(at(now), asked) {
                let (kept, len) = *entry.description;
                prop_assert_eq!(kept, asked);
                prop_assert_eq!(entry.bytes, packet(asked, len));
            }
            prop_assert!(history.get(at(now), seq).is_some());
        }
    }
}

#[test]
fn a_packet_is_sent_again_once_a_round_trip() {
    let mut sent = Retransmissions::new();
    let rtt = Some(Duration::from_millis(100));
    assert!(!sent.allow(at(89), 7, at(0), rtt), "it may still be on its way");
    assert!(sent.allow(at(90), 7, at(0), rtt));
    assert!(!sent.allow(at(179), 7, at(0), rtt));
    assert!(sent.allow(at(180), 7, at(0), rtt));
    assert!(sent.allow(at(181), 8, at(0), rtt));
    assert!(sent.allow(at(182), 7, at(0), None), "without round-trip time always");
    for seq in 0..2_000 {
        assert!(sent.allow(at(10_000), 1_000 + seq, at(0), rtt));
    }
    const { assert!(MAX_RESENT_REMEMBERED < 2_000) };
    for (rtt, expected) in [(0, 0), (3, 0), (20, 15), (40, 35), (100, 90), (1_000, 900)] {
        assert_eq!(resend_interval(Duration::from_millis(rtt)), Duration::from_millis(expected));
    }
}

#[test]
fn retransmission_streams_count_from_one() {
    let mut numbers = RtxNumbers::default();
    let next = |numbers: &mut RtxNumbers, ssrc| {
        numbers.next(ssrc, 97).map(|stream| (stream.ssrc, stream.sequence_number))
    };
    assert_eq!(next(&mut numbers, 5), Some((5, 1)));
    assert_eq!(next(&mut numbers, 5), Some((5, 2)));
    assert_eq!(next(&mut numbers, 6), Some((6, 1)));
    let refused = (100..1_000).filter(|ssrc| next(&mut numbers, *ssrc).is_none()).count();
    assert_eq!(refused, 900 - (MAX_RTX_STREAMS - 2));
    assert_eq!(next(&mut numbers, 5), Some((5, 3)));
}
