//! Deadlines of a shard's sessions, earliest first.

use bridge_units::{SessionId, Timestamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Entries in the heap, those that were superseded included: a session has one that counts, and leaves
/// some behind whenever it hurries.
const MAX_ENTRIES_PER_SESSION: usize = 8;

/// Few enough never to be worth a thought.
const MIN_CROWD: usize = 256;

/// A heap of deadlines. A session has at most one that counts; earlier ones that were superseded are
/// skipped when they come up, so that setting a deadline never searches.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Timestamp, SessionId)>>,
}

impl Timers {
    /// Makes `session` come up at `deadline`, unless `scheduled` is already as early.
    pub(crate) fn set(
        &mut self,
        session: SessionId,
        scheduled: &mut Timestamp,
        deadline: Timestamp,
    ) {
        if deadline < *scheduled {
            *scheduled = deadline;
            self.heap.push(Reverse((deadline, session)));
        }
    }

    /// The next session whose deadline has come; the caller sets its `scheduled` to `FAR_FUTURE`.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(SessionId, Timestamp)> {
        let Reverse((deadline, session)) = *self.heap.peek()?;
        (deadline <= now).then(|| {
            self.heap.pop();
            (session, deadline)
        })
    }

    /// Whether so much was superseded that [`Self::rebuild`] is worth its while.
    pub(crate) fn is_crowded(&self, sessions: usize) -> bool {
        self.heap.len() > MAX_ENTRIES_PER_SESSION * sessions + MIN_CROWD
    }

    /// Starts again with what each session is scheduled for.
    pub(crate) fn rebuild(&mut self, scheduled: impl Iterator<Item = (SessionId, Timestamp)>) {
        self.heap.clear();
        let scheduled = scheduled.filter(|(_, deadline)| *deadline < Timestamp::FAR_FUTURE);
        self.heap.extend(scheduled.map(|(session, deadline)| Reverse((deadline, session))));
    }

    /// When something comes up next.
    pub(crate) fn next(&self) -> Timestamp {
        self.heap.peek().map_or(Timestamp::FAR_FUTURE, |Reverse((deadline, _))| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_an_earlier_deadline_is_added_and_they_come_up_in_order() {
        let mut timers = Timers::default();
        let (mut a, mut b) = (Timestamp::FAR_FUTURE, Timestamp::FAR_FUTURE);
        timers.set(SessionId(1), &mut a, Timestamp::from_millis(20));
        timers.set(SessionId(1), &mut a, Timestamp::from_millis(30));
        timers.set(SessionId(2), &mut b, Timestamp::from_millis(10));
        assert_eq!(timers.next(), Timestamp::from_millis(10));
        assert_eq!(timers.pop_due(Timestamp::from_millis(9)), None);
        let due: Vec<_> =
            std::iter::from_fn(|| timers.pop_due(Timestamp::from_millis(25))).collect();
        assert_eq!(due.iter().map(|(session, _)| session.0).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(timers.next(), Timestamp::FAR_FUTURE);
    }

    #[test]
    fn what_was_superseded_is_bounded() {
        let mut timers = Timers::default();
        let mut scheduled = Timestamp::FAR_FUTURE;
        let mut rebuilt = 0;
        for n in 0..100_000_u64 {
            // Something far away first, then something near, which is served.
            let now = Timestamp::from_millis(n);
            timers.set(SessionId(1), &mut scheduled, now + Duration::from_secs(1_000));
            timers.set(SessionId(1), &mut scheduled, now);
            assert_eq!(timers.pop_due(now), Some((SessionId(1), now)));
            scheduled = Timestamp::FAR_FUTURE;
            if timers.is_crowded(1) {
                rebuilt += 1;
                timers.rebuild([(SessionId(1), scheduled)].into_iter());
            }
            assert!(timers.heap.len() <= MIN_CROWD + MAX_ENTRIES_PER_SESSION);
        }
        assert!(rebuilt < 1_000, "{rebuilt} times");
        timers.set(SessionId(1), &mut scheduled, Timestamp::from_millis(7));
        timers.rebuild(
            [(SessionId(1), scheduled), (SessionId(2), Timestamp::FAR_FUTURE)].into_iter(),
        );
        assert_eq!(timers.next(), Timestamp::from_millis(7));
    }
}
