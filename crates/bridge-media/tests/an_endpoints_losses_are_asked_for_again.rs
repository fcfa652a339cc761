//! What is missing of an endpoint's video is asked for at once and again, of its audio never.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use std::time::Duration;

use bridge_media::EndpointReception;
use bridge_units::Timestamp;
use common::at_ms;
use common::endpoint::{Rtp, SSRCS, VP8, receive, reception};

fn frame(encoding: usize, number: u16) -> Rtp {
    Rtp::new(VP8, SSRCS[encoding], number, &[0x10, 0, 0, 0])
}

fn asked(reception: &mut EndpointReception, ms: u64) -> Vec<(u32, Vec<u16>)> {
    let mut all = Vec::new();
    reception.poll_nack(at_ms(ms), Some(Duration::from_millis(80)), |ssrc, numbers| {
        all.push((ssrc, numbers.collect()));
    });
    all
}

#[test]
fn gaps_are_asked_for_at_once_and_again_until_filled() {
    let mut reception = reception();
    for rtp in [frame(0, 65_534), frame(2, 10), frame(2, 12), frame(0, 1)] {
        receive(&mut reception, at_ms(100), &rtp).unwrap();
    }
    assert_eq!(reception.poll_timeout(), at_ms(100));
    assert_eq!(asked(&mut reception, 99), []);
    let gaps = vec![(SSRCS[0], vec![65_535, 0]), (SSRCS[2], vec![11])];
    assert_eq!(asked(&mut reception, 100), gaps);
    assert_eq!(asked(&mut reception, 199), []);
    receive(&mut reception, at_ms(190), &frame(2, 11).sent_again(1)).unwrap();
    receive(&mut reception, at_ms(190), &frame(0, 0)).unwrap();
    assert_eq!(asked(&mut reception, 200), [(SSRCS[0], vec![65_535])]);
    assert_eq!(reception.counters().nacked, 4);
    assert_eq!(reception.poll_keyframe_wish(), None);
}

#[test]
fn what_is_given_up_wants_a_key_frame_once() {
    let mut reception = reception();
    for rtp in [frame(1, 1), frame(1, 3)] {
        receive(&mut reception, at_ms(0), &rtp).unwrap();
    }
    let mut requests = 0;
    for ms in (0..3_000).step_by(10) {
        requests += asked(&mut reception, ms).len();
    }
    assert_eq!(requests, 10);
    assert_eq!(reception.poll_keyframe_wish(), Some(SSRCS[1]));
    assert_eq!(reception.poll_keyframe_wish(), None);
    // A gap of a hundred is no loss to be repaired.
    receive(&mut reception, at_ms(4_000), &frame(1, 104)).unwrap();
    assert_eq!(asked(&mut reception, 4_000), []);
    assert_eq!(reception.poll_keyframe_wish(), Some(SSRCS[1]));
}

#[test]
fn audio_is_never_asked_for() {
    let mut reception = reception();
    for number in [1, 5] {
        receive(&mut reception, at_ms(0), &Rtp::sound(number, None)).unwrap();
    }
    assert_eq!(reception.poll_timeout(), Timestamp::FAR_FUTURE);
    assert_eq!(asked(&mut reception, 1_000), []);
}
