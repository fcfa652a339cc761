//! Of a silence the first packets are forwarded; the rest leaves no gap in the numbers.

use bridge_media::{AudioOutcome, AudioRefusal, AudioStream, SilenceConfig, SilenceFilter};
use bridge_rtp::AudioLevel;

const SPEECH: Option<AudioLevel> = Some(AudioLevel { level: 30, voice_activity: true });
const SILENCE: Option<AudioLevel> = Some(AudioLevel { level: 127, voice_activity: false });

/// The numbers under which packets from `first` on are forwarded.
fn numbers(stream: &mut AudioStream, first: u16, levels: &[Option<AudioLevel>]) -> Vec<u16> {
    (0..)
        .zip(levels)
        .filter_map(|(n, level)| {
            stream.handle_packet(first.wrapping_add(n), *level, false, true).forwarded.ok()
        })
        .collect()
}

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
    let mut stream = AudioStream::default();
    let talk = [SPEECH; 3];
    assert_eq!(numbers(&mut stream, 65_530, &talk), [65_530, 65_531, 65_532]);
    assert_eq!(numbers(&mut stream, 65_533, &[SILENCE; 1_000]), [65_533, 65_534, 65_535, 0]);
    assert_eq!(numbers(&mut stream, 997, &talk), [1, 2, 3]);
    // A lost packet is a gap, a late one fills it.
    assert_eq!(numbers(&mut stream, 1_001, &[SPEECH]), [5]);
    assert_eq!(numbers(&mut stream, 1_000, &[SPEECH]), [4]);
}

#[test]
fn forwarded_packets_are_reported_and_discarded_ones_are_not() {
    let mut stream = AudioStream::default();
    let outcome = |forwarded, reported_level| AudioOutcome { forwarded, reported_level };
    assert_eq!(stream.handle_packet(10, SPEECH, false, true), outcome(Ok(10), Some(97)));
    for n in 11..15 {
        assert_eq!(stream.handle_packet(n, SILENCE, false, true), outcome(Ok(n), Some(0)));
    }
    let silence = outcome(Err(AudioRefusal::Silence), None);
    assert_eq!(stream.handle_packet(15, SILENCE, false, true), silence);
    assert_eq!(stream.handle_packet(16, None, false, true), outcome(Ok(15), None));
    let loudest = AudioLevel { level: 0, voice_activity: true };
    assert_eq!(stream.handle_packet(17, Some(loudest), false, true), outcome(Ok(16), Some(127)));
}

#[test]
fn a_muted_source_is_neither_forwarded_nor_reported() {
    let mut stream = AudioStream::default();
    let muted = AudioOutcome { forwarded: Err(AudioRefusal::Muted), reported_level: None };
    assert_eq!(stream.handle_packet(1, SPEECH, true, true), muted);
    // Without the extension, too.
    assert_eq!(stream.handle_packet(2, None, true, true), muted);
    assert_eq!(numbers(&mut stream, 3, &[SPEECH; 2]), [1, 2]);
}

#[test]
fn a_source_that_is_not_loud_is_reported_though() {
    let mut stream = AudioStream::default();
    assert_eq!(numbers(&mut stream, 1, &[SPEECH]), [1]);
    let outcome = stream.handle_packet(2, SPEECH, false, false);
    assert_eq!(outcome.forwarded, Err(AudioRefusal::NotLoudest));
    assert_eq!(outcome.reported_level, Some(97));
    // Without a level nobody is ranked.
    assert_eq!(stream.handle_packet(3, None, false, false).forwarded, Ok(2));
}

#[test]
fn a_packet_of_padding_leaves_no_gap() {
    let mut stream = AudioStream::default();
    assert_eq!(numbers(&mut stream, 1, &[SPEECH]), [1]);
    stream.discard(2);
    stream.discard(3);
    assert_eq!(numbers(&mut stream, 4, &[SPEECH]), [2]);
}

#[test]
fn only_lost_packets_can_be_recovered() {
    let mut stream = AudioStream::default();
    assert_eq!(stream.accept_recovered(0), None);
    assert_eq!(numbers(&mut stream, 1, &[SPEECH]), [1]);
    stream.discard(2);
    assert_eq!(numbers(&mut stream, 5, &[SPEECH]), [4]);
    let recovered = [0, 1, 2, 3, 3, 4, 5, 6].map(|n| stream.accept_recovered(n));
    assert_eq!(recovered, [Some(0), None, None, Some(2), None, Some(3), None, None]);
}

#[test]
fn what_is_too_late_has_no_number() {
    let mut stream = AudioStream::default();
    assert_eq!(numbers(&mut stream, 5_000, &[SPEECH]), [5_000]);
    let outcome = stream.handle_packet(3_000, SPEECH, false, true);
    assert_eq!(outcome.forwarded, Err(AudioRefusal::TooLate));
}
