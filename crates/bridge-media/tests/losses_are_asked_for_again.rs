//! Missing packets are asked for at once, again at the pace of the round trip, and not for ever.

use std::time::Duration;

use bridge_media::{MAX_MISSING, MAX_NACKS_PER_PACKET, MissingPackets};
use bridge_units::Timestamp;
use proptest::prelude::*;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn poll(missing: &mut MissingPackets, ms: u64) -> Vec<u16> {
    missing.poll_nack(at(ms), None).collect()
}

#[test]
fn packets_in_order_are_not_asked_for() {
    let mut missing = MissingPackets::new();
    for seq in 65_500..65_536_u32 + 20 {
        missing.handle_packet(at(0), seq as u16);
        assert_eq!(missing.poll_timeout(), None);
    }
    assert_eq!(poll(&mut missing, 1_000), []);
}

#[test]
fn a_gap_is_asked_for_at_once_every_150_ms_and_ten_times() {
    let mut missing = MissingPackets::new();
    missing.handle_packet(at(0), 65_534);
    missing.handle_packet(at(5), 2);
    let mut times = Vec::new();
    while let Some(due) = missing.poll_timeout() {
        assert_eq!(poll(&mut missing, due.as_millis() - 1), [], "not before its time");
        let asked: Vec<_> = missing.poll_nack(due, None).collect();
        if !asked.is_empty() {
            assert_eq!(asked, [65_535, 0, 1]);
            times.push(due.as_millis());
        }
    }
    let expected: Vec<u64> = (0..10).map(|n| 5 + 150 * n).collect();
    assert_eq!(times, expected);
    assert_eq!(times.len(), usize::from(MAX_NACKS_PER_PACKET));
    assert_eq!((missing.given_up(), missing.requested()), (3, 30));
    assert!(missing.take_keyframe_wish());
    assert!(!missing.take_keyframe_wish());
}

#[test]
fn what_arrives_is_no_longer_asked_for() {
    let mut missing = MissingPackets::new();
    missing.handle_packet(at(0), 1);
    missing.handle_packet(at(0), 4);
    assert_eq!(poll(&mut missing, 0), [2, 3]);
    missing.handle_packet(at(10), 2);
    missing.handle_packet(at(20), 6);
    assert_eq!(poll(&mut missing, 20), [3, 5], "a second gap joins the first");
    missing.handle_packet(at(30), 3);
    missing.handle_packet(at(30), 5);
    assert_eq!(missing.poll_timeout(), None);
    assert!(!missing.take_keyframe_wish());
}

#[test]
fn a_long_gap_is_not_asked_for_but_bridged_by_a_key_frame() {
    for (gap, expected) in [(99_u16, 99), (100, 0), (3_000, 0), (40_000, 0)] {
        let mut missing = MissingPackets::new();
        missing.handle_packet(at(0), 10);
        missing.handle_packet(at(0), 12);
        missing.handle_packet(at(0), 12 + gap + 1);
        let asked = poll(&mut missing, 0).len();
        assert_eq!(asked, if expected > 0 { expected + 1 } else { 0 });
        assert_eq!(missing.take_keyframe_wish(), expected == 0);
        missing.handle_packet(at(1), 12 + gap + 3);
        assert_eq!(poll(&mut missing, 1_000).last(), Some(&(12 + gap + 2)));
    }
}

#[test]
fn requests_follow_the_round_trip() {
    for (rtt, expected) in [(1, 40), (100, 125), (200, 250), (3_000, 500)] {
        let mut missing = MissingPackets::new();
        missing.handle_packet(at(0), 1);
        missing.handle_packet(at(0), 3);
        assert_eq!(missing.poll_nack(at(0), Some(Duration::from_millis(rtt))).count(), 1);
        assert_eq!(missing.poll_timeout(), Some(at(expected)));
    }
}

proptest! {
    #[test]
    fn any_order_keeps_the_list_bounded_and_finite(
        packets in prop::collection::vec((any::<u16>(), 0_u64..50), 1..300),
        near: bool,
    ) {
        let mut missing = MissingPackets::new();
        let (mut now, mut seq) = (0, 0_u16);
        for (number, pause) in packets {
            now += pause;
            seq = if near { seq.wrapping_add(number % 150) } else { number };
            missing.handle_packet(at(now), seq);
            prop_assert!(missing.poll_nack(at(now), None).count() <= MAX_MISSING);
        }
        for _ in 0..=MAX_NACKS_PER_PACKET {
            now += 1_000;
            poll(&mut missing, now);
        }
        prop_assert_eq!(missing.poll_timeout(), None);
    }
}
