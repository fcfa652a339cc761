use bridge_units::{SessionId, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How long an answer to a check may take: ice4j's last retransmission gives up after 6.3 s.
const LIFETIME: Duration = Duration::from_secs(10);

/// Checks under way per shard: a join storm of 1,000 endpoints with 30 pairs each.
const MAX_TRANSACTIONS: usize = 32_768;

/// Which session sent which connectivity check, so that an answer finds it whatever address it comes
/// from.
#[derive(Default)]
pub(crate) struct Transactions {
    // Answers are matched with ids that we chose, but anyone may send any id: keyed hash.
    session_by_id: HashMap<[u8; 12], SessionId>,
    oldest_first: VecDeque<(Timestamp, [u8; 12])>,
}

impl Transactions {
    pub(crate) fn insert(&mut self, now: Timestamp, id: [u8; 12], session: SessionId) {
        while self.oldest_first.len() >= MAX_TRANSACTIONS
            || self.oldest_first.front().is_some_and(|(sent, _)| now - *sent >= LIFETIME)
        {
            if let Some((_, old)) = self.oldest_first.pop_front() {
                self.session_by_id.remove(&old);
            }
        }
        if self.session_by_id.insert(id, session).is_none() {
            self.oldest_first.push_back((now, id));
        }
    }

    pub(crate) fn session(&self, id: &[u8; 12]) -> Option<SessionId> {
        self.session_by_id.get(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_checks_are_forgotten() {
        let mut transactions = Transactions::default();
        transactions.insert(Timestamp::from_millis(0), [1; 12], SessionId(1));
        transactions.insert(Timestamp::from_millis(9_000), [2; 12], SessionId(2));
        assert_eq!(transactions.session(&[1; 12]), Some(SessionId(1)));
        transactions.insert(Timestamp::from_millis(11_000), [3; 12], SessionId(3));
        assert_eq!(transactions.session(&[1; 12]), None);
        assert_eq!(transactions.session(&[2; 12]), Some(SessionId(2)));
    }
}
