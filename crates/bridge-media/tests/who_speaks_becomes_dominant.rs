//! Levels make one endpoint the dominant speaker; the others are listed as they spoke last.

use std::time::Duration;

use bridge_media::{REPORT_DELAY, SpeechActivity, SpeechActivityConfig, SpeechEvent};
use bridge_units::{EndpointId, Timestamp};

const QUIET: u8 = 20;
const LOUD: u8 = 100;

/// Endpoints that send a level every 20 ms while they do.
struct Conference {
    activity: SpeechActivity<EndpointId>,
    now: Timestamp,
    /// Levels are told only this often.
    batch: Duration,
    told: Timestamp,
    waiting: Vec<(EndpointId, u8, Timestamp)>,
    events: Vec<SpeechEvent<EndpointId>>,
}

fn id(name: &str) -> EndpointId {
    EndpointId::new(name).expect("it is short")
}

fn became(name: &str) -> SpeechEvent<EndpointId> {
    SpeechEvent::DominantSpeaker(id(name))
}

impl Conference {
    fn new(config: SpeechActivityConfig, names: &[&str]) -> Self {
        let mut activity = SpeechActivity::new(config);
        names.iter().for_each(|name| assert!(activity.add_endpoint(id(name))));
        Self {
            activity,
            now: Timestamp::from_millis(5_000),
            batch: Duration::ZERO,
            told: Timestamp::ZERO,
            waiting: Vec::new(),
            events: Vec::new(),
        }
    }

    fn of(names: &[&str]) -> Self {
        Self::new(SpeechActivityConfig::default(), names)
    }

    /// Lets time pass while endpoints send these levels; answers what was announced.
    fn run(&mut self, ms: u64, levels: &[(&str, u8)]) -> Vec<SpeechEvent<EndpointId>> {
        let end = self.now + Duration::from_millis(ms);
        while self.now < end {
            self.now += Duration::from_millis(20);
            let now = self.now;
            self.waiting.extend(levels.iter().map(|(name, level)| (id(name), *level, now)));
            if now - self.told >= self.batch {
                self.told = now;
                for (name, level, received) in self.waiting.drain(..) {
                    self.activity.handle_level(&name, level, received);
                }
            }
            self.events.extend(self.activity.handle_timeout(now));
        }
        std::mem::take(&mut self.events)
    }

    fn recent(&self) -> Vec<&str> {
        self.activity.recent_speakers().iter().map(EndpointId::as_str).collect()
    }

    /// One after the other speaks up.
    fn take_turns(&mut self, names: &[&str]) -> Vec<SpeechEvent<EndpointId>> {
        let mut events = Vec::new();
        for speaker in names {
            let with = |level: u8| -> Vec<(&str, u8)> {
                names.iter().map(|name| (*name, if name == speaker { level } else { 1 })).collect()
            };
            events.extend(self.run(200, &with(QUIET)));
            events.extend(self.run(2_000, &with(LOUD)));
        }
        events
    }
}

#[test]
fn a_single_speaker_is_dominant_loud_or_not() {
    let mut conference = Conference::of(&["a", "b"]);
    assert_eq!(conference.activity.poll_timeout(), None);
    assert_eq!(conference.run(1_000, &[]), []);
    assert_eq!(conference.run(20, &[("b", 0)]), [became("b")]);
    assert_eq!(conference.run(1_000, &[("b", 0)]), []);
    assert_eq!(conference.recent(), ["b"]);
    assert_eq!(conference.activity.order(), [id("b"), id("a")]);
}

#[test]
fn speech_takes_the_floor_from_silence() {
    let mut conference = Conference::of(&["d", "s"]);
    assert_eq!(conference.run(20, &[("d", QUIET)]), [became("d")]);
    assert_eq!(conference.run(2_000, &[]), []);
    assert_eq!(conference.run(20, &[("s", QUIET)]), []);
    assert_eq!(conference.run(2_000, &[("s", LOUD)]), [became("s")]);
    assert_eq!(conference.recent(), ["s", "d"]);
}

#[test]
fn nobody_takes_the_floor_from_a_speaker() {
    let mut conference = Conference::of(&["d", "s"]);
    conference.run(20, &[("d", QUIET)]);
    assert_eq!(conference.run(20, &[("s", QUIET)]), []);
    assert_eq!(conference.run(4_000, &[("d", LOUD), ("s", LOUD)]), []);
    assert_eq!(conference.recent(), ["d"]);
}

#[test]
fn an_even_level_is_background_noise() {
    let mut conference = Conference::of(&["d", "s"]);
    conference.run(20, &[("d", QUIET)]);
    assert_eq!(conference.run(4_000, &[("s", LOUD)]), []);
}

#[test]
fn a_short_sound_does_not_take_the_floor() {
    let mut conference = Conference::of(&["d", "s"]);
    conference.run(20, &[("d", QUIET)]);
    conference.run(3_000, &[("d", LOUD), ("s", QUIET)]);
    assert_eq!(conference.run(300, &[("d", 1), ("s", QUIET)]), []);
    assert_eq!(conference.run(100, &[("d", 1), ("s", LOUD)]), []);
    assert_eq!(conference.run(700, &[("d", 1), ("s", QUIET)]), []);
}

#[test]
fn the_speakers_before_are_listed_newest_first() {
    let mut conference = Conference::of(&["a", "b", "c"]);
    let events = conference.take_turns(&["a", "b", "c"]);
    assert_eq!(events, ["a", "b", "c"].map(became));
    assert_eq!(conference.recent(), ["c", "b", "a"]);
    assert_eq!(conference.activity.dominant_speaker(), Some(&id("c")));
    assert_eq!(conference.take_turns(&["c", "a", "b"]), ["a", "b"].map(became));
    assert_eq!(conference.recent(), ["b", "a", "c"]);
}

#[test]
fn up_to_ten_speakers_before_are_listed() {
    let names: Vec<String> = (0..15).map(|n| format!("endpoint{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut conference = Conference::of(&names);
    assert_eq!(conference.take_turns(&names).len(), 15);
    let newest_first: Vec<&str> = names.iter().rev().copied().collect();
    assert_eq!(conference.recent(), newest_first[..11]);
    let order: Vec<&str> = conference.activity.order().iter().map(EndpointId::as_str).collect();
    assert_eq!(order, newest_first);
}

#[test]
fn batches_of_100_ms_find_the_same_speakers() {
    let turns = ["a", "b", "c", "b", "a"];
    let mut prompt = Conference::of(&["a", "b", "c"]);
    let mut batched = Conference::of(&["a", "b", "c"]);
    batched.batch = Duration::from_millis(100);
    let expected = prompt.take_turns(&turns);
    assert_eq!(expected, turns.map(became));
    assert_eq!(batched.take_turns(&turns), expected);
}

/// The newest level is still to come when decisions are made; that is no pause.
#[test]
fn reports_100_ms_late_take_the_floor() {
    let mut activity = SpeechActivity::new(SpeechActivityConfig::default());
    ["d", "s"].iter().for_each(|name| assert!(activity.add_endpoint(id(name))));
    activity.handle_level(&id("d"), QUIET, Timestamp::from_millis(1_000));
    let mut events = Vec::new();
    for received in (1_020..4_000).step_by(20).map(Timestamp::from_millis) {
        let level = if received < Timestamp::from_millis(2_000) { QUIET } else { LOUD };
        activity.handle_level(&id("s"), level, received);
        events.extend(activity.handle_timeout(received + REPORT_DELAY));
    }
    assert_eq!(events, ["d", "s"].map(became));
}

#[test]
fn of_equal_speakers_the_first_takes_the_floor() {
    let mut conference = Conference::of(&["d", "t", "s"]);
    conference.run(20, &[("d", QUIET)]);
    conference.run(2_000, &[("t", QUIET), ("s", QUIET)]);
    assert_eq!(conference.run(2_000, &[("t", LOUD), ("s", LOUD)]), [became("s")]);
}

#[test]
fn silence_is_announced_only_if_wanted() {
    let levels = |level| [("a", level), ("b", 1)];
    let mut never = Conference::of(&["a", "b"]);
    never.run(1_000, &levels(QUIET));
    never.run(2_000, &levels(LOUD));
    assert_eq!(never.run(20_000, &levels(0)), []);
    assert!(!never.activity.is_silent());

    let silence_timeout = Some(Duration::from_secs(3));
    let config = SpeechActivityConfig { silence_timeout, ..SpeechActivityConfig::default() };
    let mut conference = Conference::new(config, &["a", "b"]);
    assert!(conference.activity.is_silent());
    assert_eq!(conference.run(1_000, &levels(QUIET)), []);
    assert_eq!(conference.run(2_000, &levels(LOUD)), [became("a")]);
    // Steady speech is speech, however long.
    assert_eq!(conference.run(10_000, &levels(LOUD)), []);
    assert_eq!(conference.run(2_500, &levels(0)), []);
    assert_eq!(conference.run(2_000, &levels(0)), [SpeechEvent::Silence]);
    assert_eq!(conference.recent(), ["a"]);
    assert_eq!(conference.run(2_000, &levels(LOUD)), [became("a")]);
    assert!(!conference.activity.is_silent());
}

#[test]
fn decisions_rest_while_nobody_sends() {
    let mut conference = Conference::of(&["a"]);
    conference.run(100, &[("a", QUIET)]);
    conference.run(14_000, &[]);
    assert!(conference.activity.poll_timeout().is_some());
    conference.run(2_000, &[]);
    assert_eq!(conference.activity.poll_timeout(), None);
    conference.run(20, &[("a", QUIET)]);
    assert!(conference.activity.poll_timeout().is_some());
}

#[test]
fn reports_of_strangers_and_old_ones_are_refused() {
    let mut activity = SpeechActivity::new(SpeechActivityConfig::default());
    assert!(activity.add_endpoint(id("a")));
    assert!(!activity.add_endpoint(id("a")));
    let at = Timestamp::from_millis;
    assert_eq!(activity.handle_level(&id("b"), 50, at(20)), None);
    assert_eq!(activity.handle_level(&id("a"), 50, at(20)), Some(0));
    assert_eq!(activity.handle_level(&id("a"), 60, at(20)), Some(60));
    assert_eq!(activity.handle_level(&id("a"), 60, at(19)), None);
    assert_eq!(activity.handle_level(&id("a"), 255, at(40)), Some(127));
    assert_eq!(activity.refused_reports(), 2);
}
