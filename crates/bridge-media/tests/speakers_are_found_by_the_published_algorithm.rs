//! Whatever levels come, the dominant speaker is whom the formulas of dominant speaker
//! identification choose, computed here anew for each decision.

use std::collections::BTreeMap;

use bridge_media::{REPORT_DELAY, SpeechActivity, SpeechActivityConfig, SpeechEvent};
use bridge_units::Timestamp;
use proptest::prelude::*;

/// The algorithm as published: every report is kept, logarithms are compared.
#[derive(Default)]
struct Reference {
    reports: BTreeMap<u32, Vec<(u64, u8)>>,
    dominant: Option<u32>,
}

impl Reference {
    fn decide(&mut self, now: u64) {
        let Some(first) = self.reports.keys().next() else { return };
        if self.reports.len() == 1 {
            self.dominant = Some(*first);
            return;
        }
        let current = self.dominant.unwrap_or(*first);
        let ours = scores(&self.reports[&current], now);
        let mut best = 2.0;
        let mut winner = current;
        for (key, reports) in &self.reports {
            let theirs = scores(reports, now);
            let [r1, r2, r3] = [0, 1, 2].map(|i| f64::ln(theirs[i] / ours[i]));
            if *key != current && r1 > 3.0 && r2 > 2.0 && r3 > 0.0 && r2 > best {
                best = r2;
                winner = *key;
            }
        }
        self.dominant = Some(winner);
    }
}

fn scores(reports: &[(u64, u8)], now: u64) -> [f64; 3] {
    let min = minimum(reports);
    let end = now.saturating_sub(u64::try_from(REPORT_DELAY.as_millis()).expect("it is short"));
    let mut history = Vec::new();
    for (n, (time, level)) in reports.iter().enumerate() {
        history.push(*level);
        let until = reports.get(n + 1).map_or(end, |(next, _)| *next);
        history.extend((time + 41..=until).filter(|tick| tick % 40 == 0).map(|_| 0));
    }
    history.reverse();
    history.resize(50, 0);
    let immediate: Vec<u32> =
        history.iter().map(|l| if *l < min + 10 { 0 } else { u32::from(*l) / 10 }).collect();
    let medium: Vec<u32> = immediate.chunks(5).map(|block| above(block, 7)).collect();
    let long = above(&medium, 4);
    [score(immediate[0], 13, 0.78), score(medium[0], 5, 24.0), score(long, 10, 47.0)]
}

fn above(counts: &[u32], threshold: u32) -> u32 {
    u32::try_from(counts.iter().filter(|count| **count > threshold).count()).expect("at most 50")
}

fn score(v: u32, n: u32, lambda: f64) -> f64 {
    let ln_factorial = |k: u32| (1..=k).map(|i| f64::from(i).ln()).sum::<f64>();
    let ln_binomial = ln_factorial(n) - ln_factorial(v) - ln_factorial(n - v);
    let all = f64::from(n) * 0.5_f64.ln();
    (ln_binomial + all - lambda.ln() + lambda * f64::from(v)).max(1e-10)
}

fn minimum(reports: &[(u64, u8)]) -> u8 {
    let (mut min, mut next, mut count) = (0_u8, 0_u8, 0);
    for level in reports.iter().map(|(_, level)| *level).filter(|level| *level > 0) {
        if min == 0 || level < min {
            (min, next, count) = (level, 0, 0);
        } else if next == 0 {
            (next, count) = (level, 1);
        } else {
            (next, count) = (next.min(level), count + 1);
            if count >= 750 {
                let mean = (f64::from(min) * f64::from(next)).sqrt().floor();
                (min, next, count) = (mean as u8, 0, 0);
            }
        }
    }
    min
}

/// What a speaker does for a while: packets of 20 ms around a level, or nothing.
#[derive(Clone, Debug)]
struct Stretch {
    packets: usize,
    level: Option<u8>,
    spread: u8,
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let level = prop::option::of(prop_oneof![Just(1_u8), Just(20), Just(85), Just(105)]);
    (1..90_usize, level, 0..20_u8).prop_map(|(packets, level, spread)| Stretch {
        packets,
        level,
        spread,
    })
}

fn play(speakers: &[Vec<Stretch>], noise: &[u8]) -> (Vec<Option<u32>>, usize) {
    let traces: Vec<Vec<Option<u8>>> = speakers
        .iter()
        .map(|stretches| {
            stretches
                .iter()
                .flat_map(|s| std::iter::repeat_n(s, s.packets))
                .enumerate()
                .map(|(n, s)| s.level.map(|level| level + noise[n % noise.len()] % (s.spread + 1)))
                .collect()
        })
        .collect();
    let mut activity = SpeechActivity::new(SpeechActivityConfig::default());
    (0..).zip(speakers).for_each(|(key, _)| assert!(activity.add_endpoint(key)));
    let mut reference = Reference::default();
    let mut changes = 0;
    let mut found = Vec::new();
    for (step, time) in (1_000_u64..13_000).step_by(20).enumerate() {
        for (key, trace) in (0..).zip(&traces) {
            let Some(Some(level)) = trace.get(step) else { continue };
            assert!(activity.handle_level(&key, *level, Timestamp::from_millis(time)).is_some());
            reference.reports.entry(key).or_default().push((time, *level));
        }
        let now = Timestamp::from_millis(time);
        if activity.poll_timeout().is_some_and(|due| due <= now) {
            let event = activity.handle_timeout(now);
            changes += usize::from(matches!(event, Some(SpeechEvent::DominantSpeaker(_))));
            reference.decide(time);
            assert_eq!(activity.dominant_speaker(), reference.dominant.as_ref(), "at {time}");
            found.push(activity.dominant_speaker().copied());
        }
    }
    (found, changes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn speakers_are_found_by_the_published_algorithm(
        speakers in prop::collection::vec(prop::collection::vec(stretch(), 1..8), 1..5),
        noise in prop::collection::vec(any::<u8>(), 97..=97),
    ) {
        let (found, _) = play(&speakers, &noise);
        prop_assert_eq!(&found, &play(&speakers, &noise).0);
    }
}

#[test]
fn such_levels_do_change_the_speaker() {
    let say = |level, packets| Stretch { packets, level: Some(level), spread: 5 };
    let pause = |packets| Stretch { packets, level: None, spread: 0 };
    let speakers = [
        vec![say(1, 10), say(105, 150), pause(300), say(105, 100)],
        vec![say(20, 200), say(105, 100), say(20, 200)],
        vec![pause(50), say(1, 280), say(85, 120), say(1, 100)],
    ];
    let (_, changes) = play(&speakers, &[3, 0, 7, 255, 16]);
    assert!(changes >= 4, "{changes}");
}
