use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use crate::rates::RateMath;

/// Finds out whether less is sent than the link would take, because there is no more to send: then
/// what gets through says nothing about the link.
///
/// Answers to JVB's `AlrDetector`. Differs from JVB: it leaves the region at the level that GoogCC
/// has for that, not at the one for entering it, so that it does not flap between the two; and it
/// entered it when the packet was sent, not when the wall clock was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AlrDetector {
    /// Bytes a second.
    rate: f64,
    /// What is left to send, in bytes, between minus and plus `BUDGET_WINDOW` of the rate.
    budget: f64,
    last_sent: Option<Timestamp>,
    since: Option<Timestamp>,
}

impl AlrDetector {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn set_target(&mut self, target: Bitrate) {
        self.rate = (target.bps_f64() * USAGE_RATIO / 8.0).floor();
        self.budget = self.budget.clamp(-self.limit(), self.limit());
    }

    pub(crate) fn on_packet_sent(&mut self, now: Timestamp, bytes: u64) {
        let Some(last) = self.last_sent.replace(now) else { return };
        let limit = self.limit();
        self.budget = (self.budget - bytes as f64).max(-limit);
        if now > last {
            self.budget += self.rate * (now - last).as_secs_f64();
        }
        self.budget = self.budget.min(limit);
        if self.budget > START_RATIO * limit {
            self.since.get_or_insert(now);
        } else if self.budget < STOP_RATIO * limit {
            self.since = None;
        }
    }

    /// Since when less is sent; `None` if the link is used.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    fn limit(&self) -> f64 {
        self.rate * BUDGET_WINDOW.as_secs_f64()
    }
}

const USAGE_RATIO: f64 = 0.8;
const BUDGET_WINDOW: Duration = Duration::from_millis(500);
const START_RATIO: f64 = 0.4;
const STOP_RATIO: f64 = -0.6;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `percent` of the target for `millis`.
    fn send(alr: &mut AlrDetector, now: &mut Timestamp, percent: u64, millis: u64) {
        for _ in 0..millis / 10 {
            *now += Duration::from_millis(10);
            // 300 kbit/s are 375 bytes in 10 ms.
            alr.on_packet_sent(*now, 375 * percent / 100);
        }
    }

    fn detector() -> (AlrDetector, Timestamp) {
        let mut alr = AlrDetector::new();
        alr.set_target(Bitrate::from_kbps(300));
        (alr, Timestamp::from_millis(1_000))
    }

    #[test]
    fn low_usage_enters_and_high_usage_leaves() {
        let (mut alr, mut now) = detector();
        send(&mut alr, &mut now, 90, 1_000);
        assert_eq!(alr.since(), None);
        send(&mut alr, &mut now, 20, 1_500);
        assert!(alr.since().is_some_and(|since| since < now));
        // It has to go from a full budget to an overdrawn one.
        send(&mut alr, &mut now, 100, 4_000);
        assert_eq!(alr.since(), None);
    }

    #[test]
    fn a_short_spike_does_not_leave() {
        let (mut alr, mut now) = detector();
        send(&mut alr, &mut now, 20, 1_500);
        send(&mut alr, &mut now, 150, 400);
        assert!(alr.since().is_some());
        send(&mut alr, &mut now, 20, 500);
        assert!(alr.since().is_some());
    }

    #[test]
    fn without_a_target_there_is_no_region() {
        let mut alr = AlrDetector::new();
        let mut now = Timestamp::ZERO;
        send(&mut alr, &mut now, 1, 5_000);
        assert_eq!(alr.since(), None);
    }
}
