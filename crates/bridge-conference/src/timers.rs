//! When a conference has something to do without being asked.

use bridge_units::{SessionId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The times that a conference waits for; each [`Timer`] is set once at most, so that their number
/// is bounded by the number of endpoints.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Timestamp, Timer)>,
    at: BTreeMap<Timer, Timestamp>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Looks for endpoints that have gone, or whether the conference stayed empty.
    Expiry,
    /// Looks for endpoints that fell silent.
    Connectivity,
    /// Speech activity wants to be called.
    SpeechActivity,
    /// Looks whether a session has a bridge channel.
    ChannelCheck(SessionId),
    /// Allocates anew for a receiver that nothing else happened to.
    Allocation(SessionId),
    /// Tells a client its bandwidth.
    ConnectionStats(SessionId),
    /// Asks the session of a new speaker for a key frame.
    Keyframe(SessionId),
}

impl Timers {
    /// Sets `timer`, in the place of the time it was set to before.
    pub(crate) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.clear(timer);
        self.at.insert(timer, at);
        self.due.insert((at, timer));
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        if let Some(before) = self.at.remove(&timer) {
            self.due.remove(&(before, timer));
        }
    }

    pub(crate) fn clear_session(&mut self, session: SessionId) {
        self.clear(Timer::ChannelCheck(session));
        self.clear(Timer::Allocation(session));
        self.clear(Timer::ConnectionStats(session));
        self.clear(Timer::Keyframe(session));
    }

    pub(crate) fn clear_all(&mut self) {
        self.due.clear();
        self.at.clear();
    }

    /// Takes a timer whose time has come, the earliest first.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        let &(at, timer) = self.due.first()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }

    /// The earliest time.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|&(at, _)| at)
    }

    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_order_and_once() {
        let at = Timestamp::from_millis;
        let mut timers = Timers::default();
        timers.set(Timer::Expiry, at(30));
        timers.set(Timer::Allocation(SessionId(1)), at(10));
        timers.set(Timer::Allocation(SessionId(1)), at(20));
        timers.set(Timer::ConnectionStats(SessionId(1)), at(5));
        timers.clear(Timer::ConnectionStats(SessionId(1)));
        assert_eq!(timers.next(), Some(at(20)));
        assert_eq!(timers.pop_due(at(19)), None);
        assert_eq!(timers.pop_due(at(30)), Some(Timer::Allocation(SessionId(1))));
        assert_eq!(timers.pop_due(at(30)), Some(Timer::Expiry));
        assert_eq!((timers.pop_due(at(99)), timers.next(), timers.len()), (None, None, 0));
    }

    #[test]
    fn a_session_takes_its_timers_along() {
        let mut timers = Timers::default();
        for timer in [Timer::ChannelCheck, Timer::Allocation, Timer::Keyframe] {
            timers.set(timer(SessionId(1)), Timestamp::ZERO);
            timers.set(timer(SessionId(2)), Timestamp::ZERO);
        }
        timers.clear_session(SessionId(1));
        assert_eq!(timers.len(), 3);
    }
}
