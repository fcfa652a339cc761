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
        self.budget = (self.budget + self.rate * (now - last).as_secs_f64()).min(limit);
        let ratio = if limit > 0.0 { self.budget / limit } else { 0.0 };
        if ratio > START_RATIO {
            self.since.get_or_insert(now);
        } else if ratio < STOP_RATIO {
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
