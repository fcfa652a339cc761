//! Deadlines of a shard's sessions, earliest first.

use bridge_units::{SessionId, Timestamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

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

    /// When something comes up next.
    pub(crate) fn next(&self) -> Timestamp {
        self.heap.peek().map_or(Timestamp::FAR_FUTURE, |Reverse((deadline, _))| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
