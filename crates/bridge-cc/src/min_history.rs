use std::collections::VecDeque;
use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

/// The lowest rate of the last second.
#[derive(Clone, Debug, Default)]
pub(crate) struct MinHistory {
    /// Ascending by time and rate: the first is the lowest.
    rates: VecDeque<(Timestamp, Bitrate)>,
}

impl MinHistory {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, now: Timestamp, rate: Bitrate) {
        // A millisecond early: updates come at whole intervals.
        while self.rates.front().is_some_and(|&(time, _)| now - time + EARLY > WINDOW) {
            self.rates.pop_front();
        }
        while self.rates.back().is_some_and(|&(_, last)| rate <= last) {
            self.rates.pop_back();
        }
        if self.rates.len() >= MAX_RATES {
            self.rates.pop_front();
        }
        self.rates.push_back((now, rate));
    }

    pub(crate) fn clear(&mut self) {
        self.rates.clear();
    }

    pub(crate) fn min(&self) -> Option<Bitrate> {
        self.rates.front().map(|&(_, rate)| rate)
    }
}

const WINDOW: Duration = Duration::from_secs(1);
const EARLY: Duration = Duration::from_millis(1);
/// One for each update of a second in which the rate only rises.
const MAX_RATES: usize = 1_024;
