//! Which key-frame requests reach a sender (JVB: `KeyframeRequester`).

use crate::inbox::KeyframeRequest;
use bridge_units::{SessionId, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// Further requests that one receiver may make if they are for switches of layers, which freeze the
/// picture until the key frame comes. Differs from JVB, whose limit of three can leave a switch without
/// one for seconds.
const SWITCH_ALLOWANCE: usize = 5;

/// By how much an answer to the last request may be late before it is asked for again.
const ROUND_TRIP_MARGIN: Duration = Duration::from_millis(10);

/// Requests in a window that are counted: a higher limit is taken for this one.
const MAX_COUNTED: usize = 128;

/// Receivers and SSRCs that are remembered; when full, those that no longer matter are forgotten, and
/// if all matter the request is refused.
const MAX_REMEMBERED: usize = 4_096;

/// How often full maps are searched: a search looks at every entry.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);

/// How many requests for key frames a sender gets: `jmt.keyframe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyframeLimits {
    /// Of one receiver for one source.
    pub receiver: RequestLimit,
    /// For one source, whoever asks.
    pub source: RequestLimit,
}

/// How often something may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimit {
    /// Time between two requests; less where the round trip is shorter.
    pub min_interval: Duration,
    /// Requests within `window`.
    pub max_requests: usize,
    /// See `max_requests`.
    pub window: Duration,
}

impl Default for KeyframeLimits {
    /// As JVB's `reference.conf`.
    fn default() -> Self {
        let limit = |max_requests, window| RequestLimit {
            min_interval: Duration::from_millis(200),
            max_requests,
            window,
        };
        Self {
            receiver: limit(3, Duration::from_secs(10)),
            source: limit(1, Duration::from_millis(200)),
        }
    }
}

impl RequestLimit {
    /// JVB waits no longer than the answer to the last request takes.
    fn with_round_trip(self, round_trip: Option<Duration>) -> Self {
        let answered = round_trip.map(|time| time.saturating_add(ROUND_TRIP_MARGIN));
        let min_interval = answered.map_or(self.min_interval, |at| at.min(self.min_interval));
        Self { min_interval, ..self }
    }
}

/// Why a key frame is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyframeUrgency {
    /// The receiver's layer or source is another one now; asked once.
    Switch,
    /// It was asked for before, or the receiver asks.
    Repeated,
}

/// Limits key-frame requests towards one sender: per receiver and SSRC, and per SSRC.
pub(crate) struct KeyframeThrottle {
    limits: KeyframeLimits,
    by_requester: FxHashMap<(SessionId, u32), RecentRequests>,
    by_source: FxHashMap<u32, RecentRequests>,
    /// When the maps may be searched for what no longer matters.
    next_search: Timestamp,
}

/// When it was asked.
#[derive(Default)]
struct RecentRequests {
    /// Within the window of the limit, oldest first.
    in_window: VecDeque<Timestamp>,
    last: Option<Timestamp>,
}

impl KeyframeThrottle {
    pub(crate) fn new(limits: KeyframeLimits) -> Self {
        Self {
            limits,
            by_requester: FxHashMap::default(),
            by_source: FxHashMap::default(),
            next_search: Timestamp::ZERO,
        }
    }

    /// Whether a request may be sent now; if so it is remembered as sent. `round_trip` is that to the
    /// sender.
    ///
    /// Differs from JVB: a request that is refused because another one for the source has just gone
    /// takes nothing of the receiver's allowance, since the key frame that comes is its own, too; and
    /// `source-wide-min-interval` counts, which JVB reads and does not use.
    pub(crate) fn allow(
        &mut self,
        now: Timestamp,
        request: &KeyframeRequest,
        round_trip: Option<Duration>,
    ) -> bool {
        if self.by_requester.len() >= MAX_REMEMBERED && now >= self.next_search {
            self.next_search = now + SEARCH_INTERVAL;
            self.forget(now);
        }
        let KeyframeRequest { ssrc, requester, urgency } = *request;
        let key = (requester, ssrc);
        if self.by_requester.len() >= MAX_REMEMBERED && !self.by_requester.contains_key(&key) {
            return false;
        }
        let source_limit = self.limits.source.with_round_trip(round_trip);
        let mut receiver_limit = self.limits.receiver.with_round_trip(round_trip);
        if urgency == KeyframeUrgency::Switch {
            let more = receiver_limit.max_requests.saturating_add(SWITCH_ALLOWANCE);
            receiver_limit.max_requests = more;
        }
        let of_source = self.by_source.entry(ssrc).or_default();
        if !of_source.allows(now, &source_limit) {
            return false;
        }
        let of_requester = self.by_requester.entry(key).or_default();
        if !of_requester.allows(now, &receiver_limit) {
            return false;
        }
        of_source.note(now);
        of_requester.note(now);
        true
    }

    fn forget(&mut self, now: Timestamp) {
        let KeyframeLimits { receiver, source } = self.limits;
        self.by_requester.retain(|_, recent| recent.matters(now, &receiver));
        self.by_source.retain(|_, recent| recent.matters(now, &source));
    }
}

impl RecentRequests {
    fn allows(&mut self, now: Timestamp, limit: &RequestLimit) -> bool {
        while self.in_window.front().is_some_and(|oldest| now - *oldest >= limit.window) {
            self.in_window.pop_front();
        }
        let too_soon = self.last.is_some_and(|last| now - last < limit.min_interval);
        !too_soon && self.in_window.len() < limit.max_requests.min(MAX_COUNTED)
    }

    fn note(&mut self, now: Timestamp) {
        self.in_window.push_back(now);
        self.last = Some(now);
    }

    fn matters(&self, now: Timestamp, limit: &RequestLimit) -> bool {
        let horizon = limit.window.max(limit.min_interval);
        self.last.is_some_and(|last| now - last < horizon)
    }
}

#[cfg(test)]
mod tests {
    use super::KeyframeUrgency::{Repeated, Switch};
    use super::*;

    fn throttle() -> KeyframeThrottle {
        KeyframeThrottle::new(KeyframeLimits::default())
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000 + millis)
    }

    fn from(requester: u64, ssrc: u32) -> KeyframeRequest {
        KeyframeRequest { ssrc, requester: SessionId(requester), urgency: Repeated }
    }

    #[test]
    fn a_source_is_asked_once_in_200_ms_whoever_asks() {
        let mut throttle = throttle();
        assert!(throttle.allow(at(0), &from(1, 7), None));
        for requester in 2..12 {
            assert!(!throttle.allow(at(100), &from(requester, 7), None));
        }
        assert!(throttle.allow(at(100), &from(2, 8), None));
        assert!(throttle.allow(at(200), &from(3, 7), None));
    }

    #[test]
    fn a_receiver_may_ask_three_times_in_ten_seconds() {
        let mut throttle = throttle();
        let allowed = (0..100).filter(|i| throttle.allow(at(i * 250), &from(1, 7), None)).count();
        assert_eq!(allowed, 9, "three in each of the two full windows and the last half one");
        assert!(throttle.allow(at(39_000), &from(1, 7), None));
    }

    #[test]
    fn what_others_asked_for_costs_a_receiver_nothing() {
        let mut throttle = throttle();
        for i in 0..10 {
            assert!(throttle.allow(at(i * 200), &from(i + 10, 7), None));
            assert!(!throttle.allow(at(i * 200 + 50), &from(1, 7), None));
        }
        for i in 10..13 {
            assert!(throttle.allow(at(i * 200), &from(1, 7), None));
        }
        assert!(!throttle.allow(at(2_600), &from(1, 7), None));
    }

    #[test]
    fn switches_are_granted_when_repetitions_are_not() {
        let mut throttle = throttle();
        let mut asked = |i: u64, urgency| {
            throttle.allow(at(i * 300), &KeyframeRequest { urgency, ..from(1, 7) }, None)
        };
        assert_eq!((0..6).filter(|i| asked(*i, Repeated)).count(), 3);
        assert_eq!((6..20).filter(|i| asked(*i, Switch)).count(), 5);
    }

    #[test]
    fn a_short_round_trip_shortens_the_wait() {
        let limits = KeyframeLimits::default();
        let source = RequestLimit { max_requests: 100, ..limits.source };
        let near = Some(Duration::from_millis(30));
        for (round_trip, wait) in [
            (None, 200),
            (near, 40),
            (Some(Duration::from_secs(1)), 200),
            (Some(Duration::MAX), 200),
        ] {
            let mut throttle = KeyframeThrottle::new(KeyframeLimits { source, ..limits });
            assert!(throttle.allow(at(0), &from(1, 7), round_trip));
            assert!(!throttle.allow(at(wait - 1), &from(1, 7), round_trip));
            assert!(throttle.allow(at(wait), &from(1, 7), round_trip));
        }
        let mut throttle = throttle();
        assert!(throttle.allow(at(0), &from(1, 7), near));
        assert!(!throttle.allow(at(40), &from(1, 7), near), "one for the source in 200 ms");
    }

    #[test]
    fn limits_are_those_configured() {
        let limit = |interval, max_requests, window| RequestLimit {
            min_interval: Duration::from_millis(interval),
            max_requests,
            window: Duration::from_millis(window),
        };
        let granted = |limits: KeyframeLimits| {
            let mut throttle = KeyframeThrottle::new(limits);
            (0..1_000).filter(|i| throttle.allow(at(*i), &from(1, 7), None)).count()
        };
        let free = limit(0, usize::MAX, 1);
        assert_eq!(granted(KeyframeLimits { receiver: free, source: free }), 1_000);
        for tight in [limit(100, usize::MAX, 1), limit(0, 10, 1_000), limit(0, 1, 100)] {
            assert_eq!(granted(KeyframeLimits { receiver: tight, source: free }), 10);
            assert_eq!(granted(KeyframeLimits { receiver: free, source: tight }), 10);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = throttle();
        for i in 0..3 * MAX_REMEMBERED as u64 {
            throttle.allow(at(0), &from(i, i as u32), None);
        }
        assert_eq!(throttle.by_requester.len(), MAX_REMEMBERED);
        assert_eq!(throttle.by_source.len(), MAX_REMEMBERED);
        assert!(throttle.allow(at(19_000), &from(1, 1), None));
        let unlimited = RequestLimit {
            min_interval: Duration::ZERO,
            max_requests: usize::MAX,
            window: Duration::MAX,
        };
        let limits = KeyframeLimits { receiver: unlimited, source: unlimited };
        let mut throttle = KeyframeThrottle::new(limits);
        let granted = (0..1_000).filter(|i| throttle.allow(at(*i), &from(1, 7), None)).count();
        assert_eq!(granted, MAX_COUNTED);
    }
}
