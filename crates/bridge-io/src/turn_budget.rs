//! How much a shard takes from its sockets before timers and other shards get their turn.

use bridge_units::Timestamp;
use std::time::Duration;

/// Bounds a turn by what messages have cost lately: one that brings media for hundreds of receivers
/// costs a thousand times what feedback does. A rise counts at once and is forgotten slowly, since
/// short turns are cheap and long ones are not.
#[derive(Debug, Default)]
pub(crate) struct TurnBudget {
    cost: Duration,
}

impl TurnBudget {
    /// Messages that each of `sockets` may bring in the next turn.
    pub(crate) fn messages(&self, sockets: usize) -> usize {
        let affordable = TURN_TARGET.as_nanos() / self.cost.as_nanos().max(1);
        let affordable = usize::try_from(affordable).unwrap_or(usize::MAX).min(MAX_MESSAGES);
        (affordable / sockets.max(1)).max(MIN_MESSAGES)
    }

    /// Whether a turn that began at `begin` shall take nothing more.
    pub(crate) fn is_spent(begin: Timestamp, now: Timestamp) -> bool {
        now - begin >= TURN_TARGET
    }

    /// Takes what a turn's messages cost, forwarding included.
    pub(crate) fn note(&mut self, messages: usize, elapsed: Duration) {
        let Some(each) = u32::try_from(messages).ok().and_then(|count| elapsed.checked_div(count))
        else {
            return;
        };
        self.cost = each.max(self.cost - self.cost / 8);
    }
}

/// Half of what timers and STUN may have to wait: what a turn costs is known only after it.
const TURN_TARGET: Duration = Duration::from_millis(5);

/// Messages in one turn: an opened batch has room for 256 packets.
const MAX_MESSAGES: usize = 128;

/// A burst of eight shall not be torn apart, whatever it costs.
const MIN_MESSAGES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn after(turns: &[(usize, Duration)]) -> TurnBudget {
        let mut budget = TurnBudget::default();
        for (messages, elapsed) in turns {
            budget.note(*messages, *elapsed);
        }
        budget
    }

    #[test]
    fn cheap_messages_are_bounded_by_number_and_dear_ones_by_time() {
        let micros = Duration::from_micros;
        for (each, messages) in
            [(micros(1), 128), (micros(20), 128), (micros(100), 50), (micros(5_000), 8)]
        {
            let budget = after(&[(100, each * 100); 20]);
            assert!(budget.messages(1).abs_diff(messages) <= 1, "{each:?}: {budget:?}");
        }
    }

    #[test]
    fn sockets_share_the_turn() {
        assert_eq!(TurnBudget::default().messages(1), MAX_MESSAGES);
        assert_eq!(TurnBudget::default().messages(4), MAX_MESSAGES / 4);
        assert_eq!(TurnBudget::default().messages(1_000), MIN_MESSAGES);
        assert_eq!(TurnBudget::default().messages(0), MAX_MESSAGES);
    }

    #[test]
    fn one_turn_is_enough_to_see_that_forwarding_got_dear() {
        let each = Duration::from_micros(150);
        let mut budget = after(&[(32, Duration::from_micros(64)); 20]);
        budget.note(32, each * 32);
        for _ in 0..100 {
            let messages = budget.messages(1);
            assert!(each * messages as u32 <= TURN_TARGET, "{budget:?}");
            budget.note(messages, each * messages as u32);
        }
    }

    #[test]
    fn one_interruption_is_forgotten_in_time() {
        let usual = (8, Duration::from_micros(80));
        let mut budget = after(&[usual, usual, (8, Duration::from_millis(80))]);
        assert_eq!(budget.messages(1), MIN_MESSAGES);
        for _ in 0..50 {
            budget.note(usual.0, usual.1);
        }
        assert_eq!(budget.messages(1), MAX_MESSAGES, "{budget:?}");
    }

    #[test]
    fn a_turn_without_messages_says_nothing_and_time_ends_every_turn() {
        let budget = after(&[(0, Duration::from_secs(1))]);
        assert_eq!(budget.messages(1), MAX_MESSAGES);
        let begin = Timestamp::from_millis(10);
        assert!(!TurnBudget::is_spent(begin, begin + Duration::from_micros(4_999)));
        assert!(TurnBudget::is_spent(begin, begin + TURN_TARGET));
        assert!(!TurnBudget::is_spent(begin, Timestamp::ZERO));
    }
}
