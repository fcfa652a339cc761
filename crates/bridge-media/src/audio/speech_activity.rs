use std::collections::BTreeMap;
use std::time::Duration;

use bridge_units::Timestamp;

use super::speaker::{Activity, Speaker};
use super::{MAX_SPEAKERS, REPORT_DELAY};

/// Who speaks in a conference, and who spoke before (JVB: `ConferenceSpeechActivity` with
/// `DominantSpeakerIdentification`).
///
/// Endpoints are added and removed as they join and leave; reports of others are refused. A report
/// changes only the speaker's history; decisions are made when [`Self::poll_timeout`] says so.
#[derive(Clone, Debug)]
pub struct SpeechActivity<K> {
    config: SpeechActivityConfig,
    /// All endpoints, the most recent dominant speaker first.
    order: Vec<K>,
    /// Those of them that were dominant, newest first.
    recent: Vec<K>,
    /// Those of them that sent levels. Ordered, so that ties are decided alike everywhere.
    speakers: BTreeMap<K, Speaker>,
    dominant: Option<K>,
    is_silent: bool,
    last_decision: Option<Timestamp>,
    last_report: Option<Timestamp>,
    refused: u64,
}

/// Settings, `videobridge.speech-activity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpeechActivityConfig {
    /// How many speakers are announced besides the dominant one.
    pub recent_speakers_count: usize,
    /// After how long without speech silence is announced; `None` never announces it.
    pub silence_timeout: Option<Duration>,
}

impl Default for SpeechActivityConfig {
    fn default() -> Self {
        Self { recent_speakers_count: 10, silence_timeout: None }
    }
}

/// What to tell the endpoints: always all of [`SpeechActivity::recent_speakers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpeechEvent<K> {
    /// This endpoint took the floor, or speaks again after a silence. The order has changed.
    DominantSpeaker(K),
    /// Nobody speaks any more.
    Silence,
    /// One of the recent speakers left.
    RecentSpeakersChanged,
}

impl<K: Clone + Ord> SpeechActivity<K> {
    /// Of an empty conference.
    pub fn new(config: SpeechActivityConfig) -> Self {
        Self {
            config,
            order: Vec::new(),
            recent: Vec::new(),
            speakers: BTreeMap::new(),
            dominant: None,
            is_silent: config.silence_timeout.is_some(),
            last_decision: None,
            last_report: None,
            refused: 0,
        }
    }

    /// An endpoint joined that is not a visitor: it is the last in the order. False if it is known
    /// or there are [`MAX_SPEAKERS`].
    pub fn add_endpoint(&mut self, endpoint: K) -> bool {
        if self.order.len() >= MAX_SPEAKERS || self.order.contains(&endpoint) {
            return false;
        }
        self.order.push(endpoint);
        true
    }

    /// An endpoint left; it is forgotten at once. Differs from JVB, where it stays in the lists
    /// until somebody joins. The most recent of the remaining speakers is the dominant one then.
    pub fn remove_endpoint(&mut self, endpoint: &K) -> Option<SpeechEvent<K>> {
        self.order.retain(|other| other != endpoint);
        self.speakers.remove(endpoint);
        let position = self.recent.iter().position(|other| other == endpoint)?;
        self.recent.remove(position);
        if self.dominant.as_ref() == Some(endpoint) {
            self.dominant = self.recent.first().cloned();
        }
        let was_announced = position < self.announced_len();
        (was_announced && !self.recent.is_empty()).then_some(SpeechEvent::RecentSpeakersChanged)
    }

    /// Takes the level of a received packet: 0 for silence to 127, which is 127 minus the level of
    /// the header extension. Answers the level above the speaker's background noise (else 0), which
    /// is what [`LoudestSpeakers`](super::LoudestSpeakers) ranks; `None` if the endpoint is unknown
    /// or a newer report of it came before.
    pub fn handle_level(&mut self, endpoint: &K, level: u8, received: Timestamp) -> Option<u8> {
        let cooked = match self.speakers.get_mut(endpoint) {
            Some(speaker) => speaker.report(level, received),
            None if self.order.contains(endpoint) => {
                let mut speaker = Speaker::new(received);
                let cooked = speaker.report(level, received);
                self.speakers.insert(endpoint.clone(), speaker);
                cooked
            }
            None => None,
        };
        match cooked {
            Some(_) => self.last_report = self.last_report.max(Some(received)),
            None => self.refused += 1,
        }
        cooked
    }

    /// Decides who speaks, if it is time to.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Option<SpeechEvent<K>> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return None;
        }
        self.last_decision = Some(now);
        match self.decide(now) {
            Verdict::Unchanged => None,
            Verdict::Silence => {
                let begins = !self.is_silent;
                self.is_silent = true;
                (begins && !self.recent.is_empty()).then_some(SpeechEvent::Silence)
            }
            Verdict::Speaker(speaker) => self.promote(speaker),
        }
    }

    /// When to decide next; `None` until somebody sends a level.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let last_report = self.last_report?;
        match self.last_decision {
            None => Some(last_report),
            Some(decided) if decided.since(last_report) >= STOP_AFTER => None,
            Some(decided) => Some(decided + DECISION_INTERVAL),
        }
    }

    /// The dominant speaker: the current one or, in silence, the last one.
    pub fn dominant_speaker(&self) -> Option<&K> {
        self.dominant.as_ref()
    }

    /// The last speakers, newest first: the dominant one and up to
    /// [`SpeechActivityConfig::recent_speakers_count`] before it. Nothing is announced while this is
    /// empty.
    pub fn recent_speakers(&self) -> &[K] {
        self.recent.get(..self.announced_len()).unwrap_or(&self.recent)
    }

    /// Whether nobody speaks; always false unless silence is announced.
    pub fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// All endpoints, those that spoke last first, then as they joined.
    pub fn order(&self) -> &[K] {
        &self.order
    }

    /// The order in which last-n chooses endpoints: those with video first.
    pub fn last_n_order(&self, has_video: impl Fn(&K) -> bool) -> impl Iterator<Item = &K> {
        let (with, without): (Vec<_>, Vec<_>) = self.order.iter().partition(|key| has_video(key));
        with.into_iter().chain(without)
    }

    /// Reports of unknown endpoints, or older than a former one.
    pub fn refused_reports(&self) -> u64 {
        self.refused
    }

    fn decide(&mut self, now: Timestamp) -> Verdict<K> {
        let dominant = self.dominant.clone();
        self.speakers.retain(|key, speaker| {
            speaker.note_idle(now - REPORT_DELAY);
            Some(key) == dominant.as_ref() || now.since(speaker.last_report()) <= FORGET_AFTER
        });
        let Some(current) = self.candidate() else {
            let announced = self.config.silence_timeout.is_some();
            return if announced { Verdict::Silence } else { Verdict::Unchanged };
        };
        let activity = self.evaluate(&current, now);
        if let Some(winner) = self.challenger(&current, activity, now) {
            return Verdict::Speaker(winner);
        }
        let last_speech = self.speakers.get(&current).and_then(Speaker::last_speech);
        match self.config.silence_timeout {
            Some(timeout) if last_speech.is_none_or(|last| now.since(last) > timeout) => {
                Verdict::Silence
            }
            _ => Verdict::Speaker(current),
        }
    }

    /// Whom the others have to beat: the only speaker, else the dominant one, else the first in the
    /// order (any, in JVB).
    fn candidate(&self) -> Option<K> {
        if self.speakers.len() > 1 {
            let dominant = self.dominant.as_ref();
            let speaker = || self.order.iter().find(|key| self.speakers.contains_key(*key));
            return dominant.or_else(speaker).cloned();
        }
        self.speakers.keys().next().cloned()
    }

    fn challenger(&mut self, current: &K, activity: Activity, now: Timestamp) -> Option<K> {
        let mut best = 0;
        let mut winner = None;
        for (key, speaker) in &mut self.speakers {
            if key == current {
                continue;
            }
            let other = speaker.evaluate(now);
            if other.beats(activity) && other.medium > best {
                best = other.medium;
                winner = Some(key);
            }
        }
        winner.cloned()
    }

    fn evaluate(&mut self, key: &K, now: Timestamp) -> Activity {
        self.speakers.get_mut(key).map(|speaker| speaker.evaluate(now)).unwrap_or_default()
    }

    fn promote(&mut self, speaker: K) -> Option<SpeechEvent<K>> {
        if self.dominant.as_ref() == Some(&speaker) && !self.is_silent {
            return None;
        }
        self.dominant = Some(speaker.clone());
        self.is_silent = false;
        move_to_front(&mut self.order, &speaker);
        move_to_front(&mut self.recent, &speaker);
        Some(SpeechEvent::DominantSpeaker(speaker))
    }

    fn announced_len(&self) -> usize {
        self.config.recent_speakers_count.saturating_add(1)
    }
}

enum Verdict<K> {
    Unchanged,
    Silence,
    Speaker(K),
}

fn move_to_front<K: Clone + PartialEq>(list: &mut Vec<K>, key: &K) {
    match list.iter().position(|other| other == key) {
        Some(position) => list.get_mut(..=position).unwrap_or_default().rotate_right(1),
        None => list.insert(0, key.clone()),
    }
}

const DECISION_INTERVAL: Duration = Duration::from_millis(300);

/// Decisions stop so long after the last report.
const STOP_AFTER: Duration = Duration::from_secs(15);

/// Speakers are forgotten after so long without a report.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);
