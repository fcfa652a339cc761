//! Which key-frame requests reach a sender (JVB: `KeyframeRequester`).

use bridge_units::{SessionId, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// Shortest time between two requests for one SSRC, whoever asks.
const SOURCE_INTERVAL: Duration = Duration::from_millis(200);

/// Shortest time between two requests of one receiver for one SSRC.
const REQUESTER_INTERVAL: Duration = Duration::from_millis(200);

/// How many requests one receiver may make for one SSRC within [`REQUESTER_WINDOW`].
const REQUESTER_LIMIT: usize = 3;

/// As many if they are for switches of layers, which freeze the picture until the key frame comes.
/// Differs from JVB, whose limit of three can leave a switch without one for seconds.
const SWITCH_LIMIT: usize = 8;

/// See [`REQUESTER_LIMIT`].
const REQUESTER_WINDOW: Duration = Duration::from_secs(10);

/// Receivers and SSRCs that are remembered; when full, those that no longer matter are forgotten, and
/// if all matter the request is refused.
const MAX_REMEMBERED: usize = 4_096;

/// How often full maps are searched: a search looks at every entry.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);

/// Why a key frame is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyframeUrgency {
    /// The receiver's layer or source is another one now; asked once.
    Switch,
    /// It was asked for before, or the receiver asks.
    Repeated,
}

/// Limits key-frame requests towards one sender: per receiver and SSRC, and per SSRC.
#[derive(Default)]
pub(crate) struct KeyframeThrottle {
    by_requester: FxHashMap<(SessionId, u32), VecDeque<Timestamp>>,
    by_source: FxHashMap<u32, Timestamp>,
    /// When the maps may be searched for what no longer matters.
    next_search: Timestamp,
}

impl KeyframeThrottle {
    /// Whether a request may be sent now; if so it is remembered as sent. A request refused for the
    /// sake of the source still uses up the receiver's allowance, as in JVB.
    pub(crate) fn allow(
        &mut self,
        now: Timestamp,
        requester: SessionId,
        ssrc: u32,
        urgency: KeyframeUrgency,
    ) -> bool {
        if self.by_requester.len() >= MAX_REMEMBERED && now >= self.next_search {
            self.next_search = now + SEARCH_INTERVAL;
            self.forget(now);
        }
        self.by_requester.len() < MAX_REMEMBERED
            && self.allow_requester(now, requester, ssrc, urgency)
            && self.allow_source(now, ssrc)
    }

    fn allow_requester(
        &mut self,
        now: Timestamp,
        requester: SessionId,
        ssrc: u32,
        urgency: KeyframeUrgency,
    ) -> bool {
        let sent = self.by_requester.entry((requester, ssrc)).or_default();
        while sent.front().is_some_and(|oldest| now - *oldest >= REQUESTER_WINDOW) {
            sent.pop_front();
        }
        let too_soon = sent.back().is_some_and(|last| now - *last < REQUESTER_INTERVAL);
        let limit = match urgency {
            KeyframeUrgency::Switch => SWITCH_LIMIT,
            KeyframeUrgency::Repeated => REQUESTER_LIMIT,
        };
        if too_soon || sent.len() >= limit {
            return false;
        }
        sent.push_back(now);
        true
    }

    fn allow_source(&mut self, now: Timestamp, ssrc: u32) -> bool {
        match self.by_source.get_mut(&ssrc) {
            Some(last) if now - *last < SOURCE_INTERVAL => false,
            Some(last) => {
                *last = now;
                true
            }
            None => {
                self.by_source.insert(ssrc, now);
                true
            }
        }
    }

    fn forget(&mut self, now: Timestamp) {
        self.by_requester
            .retain(|_, sent| sent.back().is_some_and(|last| now - *last < REQUESTER_WINDOW));
        self.by_source.retain(|_, last| now - *last < SOURCE_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::KeyframeUrgency::{Repeated, Switch};
    use super::*;

    #[test]
    fn a_source_is_asked_once_in_200_ms_whoever_asks() {
        let mut throttle = KeyframeThrottle::default();
        let at = Timestamp::from_millis;
        assert!(throttle.allow(at(1_000), SessionId(1), 7, Repeated));
        assert!(!throttle.allow(at(1_100), SessionId(2), 7, Repeated));
        assert!(throttle.allow(at(1_100), SessionId(2), 8, Repeated));
        assert!(throttle.allow(at(1_200), SessionId(3), 7, Repeated));
    }

    #[test]
    fn a_receiver_may_ask_three_times_in_ten_seconds() {
        let mut throttle = KeyframeThrottle::default();
        let allowed = (0..100)
            .filter(|i| {
                throttle.allow(Timestamp::from_millis(1_000 + i * 250), SessionId(1), 7, Repeated)
            })
            .count();
        assert_eq!(allowed, 9, "three in each of the two full windows and the last half one");
        assert!(throttle.allow(Timestamp::from_millis(40_000), SessionId(1), 7, Repeated));
    }

    #[test]
    fn switches_are_granted_when_repetitions_are_not() {
        let mut throttle = KeyframeThrottle::default();
        let mut asked = |at: u64, urgency| {
            throttle.allow(Timestamp::from_millis(1_000 + at * 300), SessionId(1), 7, urgency)
        };
        assert_eq!((0..6).filter(|at| asked(*at, Repeated)).count(), 3);
        assert_eq!((6..20).filter(|at| asked(*at, Switch)).count(), 5);
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = KeyframeThrottle::default();
        for i in 0..3 * MAX_REMEMBERED as u64 {
            throttle.allow(Timestamp::from_millis(1_000), SessionId(i), i as u32, Repeated);
        }
        assert_eq!(throttle.by_requester.len(), MAX_REMEMBERED);
        assert!(throttle.allow(Timestamp::from_millis(20_000), SessionId(1), 1, Repeated));
    }
}
