use std::time::Duration;

use bridge_units::Timestamp;

/// The recent levels of one speaker (JVB: `DominantSpeakerIdentification.Speaker`).
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    /// 0 for silence to 127, newest first.
    levels: [u8; HISTORY],
    minimum: MinimumLevel,
    last_report: Timestamp,
    /// Up to when the absence of reports has been noted.
    idle_until: Timestamp,
    last_speech: Option<Timestamp>,
}

/// How active a speaker was: in the last 20 ms, the last 100 ms and the last second. What JVB
/// computes from these counts rises with them, so that the counts decide the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Activity {
    /// The newest level in steps of ten, 0 to 12.
    pub(super) immediate: u8,
    /// Loud ones among the newest 5 levels.
    pub(super) medium: u8,
    /// Wholly loud blocks of 5 among the 10 that are remembered.
    pub(super) long: u8,
}

impl Activity {
    /// Whether a speaker takes the floor from the dominant one, JVB's thresholds 3, 2 and 0 for the
    /// logarithms of the three ratios: the first two are passed exactly if the dominant one's score
    /// is at its floor and the other's is not.
    pub(super) fn beats(self, dominant: Self) -> bool {
        self.immediate >= SPEECH_IMMEDIATE
            && dominant.immediate < SPEECH_IMMEDIATE
            && self.medium > 0
            && dominant.medium == 0
            && self.long > dominant.long
    }
}

impl Speaker {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            levels: [0; HISTORY],
            minimum: MinimumLevel::default(),
            last_report: now,
            idle_until: now,
            last_speech: None,
        }
    }

    /// Takes a level; answers it above the speaker's background noise, else 0. `None` if a newer one
    /// is known.
    pub(super) fn report(&mut self, level: u8, received: Timestamp) -> Option<u8> {
        if received < self.last_report {
            return None;
        }
        self.note_idle(received);
        self.last_report = received;
        let level = level.min(MAX_LEVEL);
        self.push(level, 1);
        self.minimum.update(level);
        Some(self.minimum.cook(level))
    }

    /// Notes that no level came until `until`: silence every 40 ms. Done when it matters instead of
    /// by a timer, so that reports in batches leave the same history as prompt ones.
    pub(super) fn note_idle(&mut self, until: Timestamp) {
        let from = self.idle_until.max(self.last_report + IDLE_TIMEOUT);
        if until <= from {
            return;
        }
        self.idle_until = until;
        let silent = ticks(until) - ticks(from);
        self.push(0, usize::try_from(silent).unwrap_or(HISTORY));
    }

    pub(super) fn evaluate(&mut self, now: Timestamp) -> Activity {
        let mut mediums = [0_u8; MEDIUM_COUNT];
        for (medium, block) in mediums.iter_mut().zip(self.levels.chunks_exact(MEDIUM_LEN)) {
            let loud = block.iter().filter(|level| self.immediate(**level) > MEDIUM_THRESHOLD);
            *medium = count(loud);
        }
        let [newest_level, ..] = self.levels;
        let [newest_medium, ..] = mediums;
        let activity = Activity {
            immediate: self.immediate(newest_level),
            medium: newest_medium,
            long: count(mediums.iter().filter(|medium| **medium > LONG_THRESHOLD)),
        };
        // Differs from JVB: it notes speech only when this count changes, so that steady speech
        // would be found silent.
        if activity.long > 0 {
            self.last_speech = Some(now);
        }
        activity
    }

    pub(super) fn last_report(&self) -> Timestamp {
        self.last_report
    }

    pub(super) fn last_speech(&self) -> Option<Timestamp> {
        self.last_speech
    }

    fn immediate(&self, level: u8) -> u8 {
        self.minimum.cook(level) / SUBUNIT
    }

    fn push(&mut self, level: u8, times: usize) {
        let times = times.min(HISTORY);
        self.levels.copy_within(..HISTORY - times, times);
        self.levels.iter_mut().take(times).for_each(|slot| *slot = level);
    }
}

/// The background noise of a speaker: the lowest level of about 15 s, silence apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct MinimumLevel {
    level: u8,
    next: u8,
    reports: u16,
}

impl MinimumLevel {
    fn update(&mut self, level: u8) {
        if level == 0 {
            return;
        }
        if self.level == 0 || level < self.level {
            *self = Self { level, next: 0, reports: 0 };
        } else if self.next == 0 {
            self.next = level;
            self.reports = 1;
        } else {
            self.next = self.next.min(level);
            self.reports += 1;
            if self.reports >= MINIMUM_WINDOW {
                let mean = (u16::from(self.level) * u16::from(self.next)).isqrt();
                let level = u8::try_from(mean).unwrap_or(MAX_LEVEL).min(MAX_LEVEL);
                *self = Self { level, next: 0, reports: 0 };
            }
        }
    }

    fn cook(self, level: u8) -> u8 {
        if level < self.level + NOISE_MARGIN { 0 } else { level }
    }
}

fn count<'a>(items: impl Iterator<Item = &'a u8>) -> u8 {
    u8::try_from(items.count()).unwrap_or(u8::MAX)
}

fn ticks(time: Timestamp) -> u64 {
    time.as_millis() / IDLE_TICK_MS
}

/// Levels that are remembered: one long interval of 10 medium ones of 5.
const HISTORY: usize = MEDIUM_LEN * MEDIUM_COUNT;
const MEDIUM_LEN: usize = 5;
const MEDIUM_COUNT: usize = 10;
const SUBUNIT: u8 = 10;
const MEDIUM_THRESHOLD: u8 = 7;
const LONG_THRESHOLD: u8 = 4;
/// The lowest newest level (in steps of ten) whose score is above its floor.
const SPEECH_IMMEDIATE: u8 = 4;
const MAX_LEVEL: u8 = 127;
/// What a level has to be above the background noise to count.
const NOISE_MARGIN: u8 = 10;
/// Reports after which the background noise may rise.
const MINIMUM_WINDOW: u16 = 750;
const IDLE_TIMEOUT: Duration = Duration::from_millis(IDLE_TICK_MS);
const IDLE_TICK_MS: u64 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    /// JVB's score of a count `v` of `n`.
    fn score(v: u8, n: u8, lambda: f64) -> f64 {
        let combinations: f64 =
            (0..v).map(|i| f64::from(n - i) / f64::from(i + 1)).product::<f64>().ln();
        let (v, n) = (f64::from(v), f64::from(n));
        let half = 0.5_f64.ln();
        (combinations + v * half + (n - v) * half - lambda.ln() + lambda * v).max(1e-10)
    }

    fn scores(activity: Activity) -> [f64; 3] {
        [
            score(activity.immediate, 13, 0.78),
            score(activity.medium, 5, 24.0),
            score(activity.long, 10, 47.0),
        ]
    }

    #[test]
    fn the_scores_are_those_of_the_contract() {
        for (v, expected) in [(4, 0.9298), (5, 2.2976), (9, 4.8298), (12, 3.1625)] {
            assert!((score(v, 13, 0.78) - expected).abs() < 1e-4, "{v}");
        }
        for (v, expected) in [(1, 18.9656), (3, 67.6588), (5, 113.3562)] {
            assert!((score(v, 5, 24.0) - expected).abs() < 1e-4, "{v}");
        }
        for (v, expected) in [(1, 38.5210), (6, 276.5655), (10, 459.2184)] {
            assert!((score(v, 10, 47.0) - expected).abs() < 1e-4, "{v}");
        }
    }

    #[test]
    fn counts_decide_as_scores_do() {
        let all: Vec<_> = (0..=12)
            .flat_map(|immediate| (0..=5).map(move |medium| (immediate, medium)))
            .flat_map(|(immediate, medium)| {
                (0..=10).map(move |long| Activity { immediate, medium, long })
            })
            .collect();
        for dominant in &all {
            let ours = scores(*dominant);
            for other in &all {
                let theirs = scores(*other);
                let [r1, r2, r3] = [0, 1, 2].map(|i| (theirs[i] / ours[i]).ln());
                let wins = r1 > 3.0 && r2 > 2.0 && r3 > 0.0;
                assert_eq!(other.beats(*dominant), wins, "{other:?} over {dominant:?}");
            }
        }
    }

    #[test]
    fn the_background_rises_only_after_its_window() {
        let mut minimum = MinimumLevel::default();
        minimum.update(20);
        for _ in 0..750 {
            assert_eq!(minimum.level, 20);
            minimum.update(80);
        }
        // The 750th level after the lowest one: the root of 20 * 80.
        assert_eq!(minimum, MinimumLevel { level: 40, next: 0, reports: 0 });
        assert_eq!((minimum.cook(49), minimum.cook(50)), (0, 50));
        minimum.update(0);
        assert_eq!(minimum.level, 40);
        minimum.update(39);
        assert_eq!(minimum.level, 39);
    }

    #[test]
    fn pauses_count_as_silence_every_40_ms() {
        let at = Timestamp::from_millis;
        let mut speaker = Speaker::new(at(1_000));
        for n in 0..50 {
            assert_eq!(speaker.report(if n == 0 { 10 } else { 100 }, at(n * 20)), None);
        }
        speaker.report(10, at(1_000));
        (1..=50).for_each(|n| assert_eq!(speaker.report(100, at(1_000 + n * 20)), Some(100)));
        assert_eq!(speaker.evaluate(at(2_000)), Activity { immediate: 10, medium: 5, long: 10 });
        speaker.note_idle(at(2_040));
        assert_eq!(speaker.evaluate(at(2_040)).immediate, 10);
        speaker.note_idle(at(2_080));
        assert_eq!(speaker.evaluate(at(2_080)), Activity { immediate: 0, medium: 4, long: 9 });
        speaker.note_idle(at(100_000));
        assert_eq!(speaker.levels, [0; HISTORY]);
    }
}
