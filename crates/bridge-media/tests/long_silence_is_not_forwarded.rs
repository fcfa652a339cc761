//! Of a silence the first packets are forwarded; the rest leaves no gap in the numbers.

mod common;

use bridge_media::{ReceptionRefusal, SilenceConfig, SilenceFilter};
use bridge_rtp::AudioLevel;
use common::at_ms;
use common::endpoint::{Rtp, receive, reception};

const SPEECH: Option<AudioLevel> = Some(AudioLevel { level: 30, voice_activity: true });
const SILENCE: Option<AudioLevel> = Some(AudioLevel { level: 127, voice_activity: false });

#[test]
fn four_silent_packets_pass() {
    let mut filter = SilenceFilter::default();
    assert_eq!([SILENCE; 7].map(|level| filter.accept(level)).map(u8::from), [1, 1, 1, 1, 0, 0, 0]);
    assert!(filter.accept(SPEECH));
    assert_eq!([SILENCE; 5].map(|level| filter.accept(level)).map(u8::from), [1, 1, 1, 1, 0]);
}

#[test]
fn packets_without_a_level_end_no_silence() {
    let mut filter = SilenceFilter::default();
    (0..4).for_each(|_| assert!(filter.accept(SILENCE)));
    assert!(filter.accept(None));
    assert!(!filter.accept(SILENCE));
}

#[test]
fn the_limit_is_configured() {
    let config = SilenceConfig { forwarded_silence_packets_limit: 0, ..SilenceConfig::default() };
    let mut filter = SilenceFilter::new(config);
    assert_eq!([SILENCE; 3].map(|level| filter.accept(level)), [true, false, false]);
    let config = SilenceConfig { discard_silence: false, ..SilenceConfig::default() };
    let mut filter = SilenceFilter::new(config);
    assert!((0..100).all(|_| filter.accept(SILENCE)));
}

#[test]
fn discarded_silence_leaves_no_gap() {
    let mut reception = reception();
    let mut numbers = |first: u16, levels: &[Option<AudioLevel>]| -> Vec<u16> {
        let packets = (0..)
            .zip(levels)
            .map(|(n, level)| Rtp::sound(first.wrapping_add(n), level.map(AudioLevel::to_byte)));
        packets
            .filter_map(|rtp| receive(&mut reception, at_ms(0), &rtp).ok())
            .map(|output| output.number())
            .collect()
    };
    let talk = [SPEECH; 3];
    assert_eq!(numbers(65_530, &talk), [65_530, 65_531, 65_532]);
    assert_eq!(numbers(65_533, &[SILENCE; 1_000]), [65_533, 65_534, 65_535, 0]);
    assert_eq!(numbers(997, &talk), [1, 2, 3]);
    // A lost packet is a gap, a late one fills it.
    assert_eq!(numbers(1_001, &[SPEECH]), [5]);
    assert_eq!(numbers(1_000, &[SPEECH]), [4]);
}

#[test]
fn forwarded_packets_are_reported_and_discarded_ones_are_not() {
    let mut reception = reception();
    let mut level = |number, level: Option<AudioLevel>| {
        let rtp = Rtp::sound(number, level.map(AudioLevel::to_byte));
        receive(&mut reception, at_ms(0), &rtp).map(|output| (output.number(), output.level))
    };
    assert_eq!(level(10, SPEECH), Ok((10, Some(30))));
    for n in 11..15 {
        assert_eq!(level(n, SILENCE), Ok((n, Some(127))));
    }
    assert_eq!(level(15, SILENCE), Err(ReceptionRefusal::Silence));
    assert_eq!(level(16, None), Ok((15, None)));
    assert_eq!(level(17, SPEECH), Ok((16, Some(30))));
}
