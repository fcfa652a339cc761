use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use super::network_controller::GoogCcClassicConfig;
use crate::min_history::MinHistory;
use crate::rates::RateMath;

/// The rate that loss and delay allow together.
///
/// Answers to JVB's `SendSideBandwidthEstimation` of the `sendsidebandwidthestimation` package,
/// without its experiments, which are off.
#[derive(Clone, Debug)]
pub(crate) struct LossEstimator {
    config: GoogCcClassicConfig,
    current: Bitrate,
    min_history: MinHistory,
    delay_limit: Option<Bitrate>,
    pending: u64,
    pending_lost: u64,
    /// In 1/256.
    fraction: u8,
    first_report: Option<Timestamp>,
    last_report: Option<Timestamp>,
    last_decrease: Option<Timestamp>,
    has_decreased: bool,
    rtt: Duration,
}

impl LossEstimator {
    pub(crate) fn new(config: GoogCcClassicConfig) -> Self {
        Self {
            current: config.initial.clamp(config.min, config.max),
            config,
            min_history: MinHistory::new(),
            delay_limit: None,
            pending: 0,
            pending_lost: 0,
            fraction: 0,
            first_report: None,
            last_report: None,
            last_decrease: None,
            has_decreased: false,
            rtt: DEFAULT_RTT,
        }
    }

    pub(crate) fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt.min(MAX_RTT);
    }

    pub(crate) fn set_delay_limit(&mut self, limit: Option<Bitrate>) {
        self.delay_limit = limit;
    }

    pub(crate) fn on_received(&mut self, now: Timestamp, was_lost: bool) {
        if was_lost {
            self.pending_lost = self.pending_lost.saturating_sub(1);
        } else {
            self.count(now, false);
        }
    }

    pub(crate) fn on_lost(&mut self, now: Timestamp) {
        self.count(now, true);
    }

    pub(crate) fn update(&mut self, now: Timestamp) {
        if self.fraction == 0 && self.is_starting(now) {
            let limit = self.delay_limit.filter(|limit| *limit > self.current);
            if let Some(limit) = limit {
                self.min_history.clear();
                self.set_current(limit);
                self.min_history.push(now, self.current);
                return;
            }
        }
        self.min_history.push(now, self.current);
        if self.last_report.is_some_and(|last| now - last < REPORT_LIFETIME) {
            self.follow_loss(now);
        } else {
            self.set_current(self.current);
        }
    }

    pub(crate) fn estimate(&self) -> Bitrate {
        self.current
    }

    /// In 1/256.
    pub(crate) fn fraction_lost(&self) -> u8 {
        self.fraction
    }

    fn count(&mut self, now: Timestamp, is_lost: bool) {
        self.first_report.get_or_insert(now);
        self.pending += 1;
        self.pending_lost += u64::from(is_lost);
        if self.pending < MIN_PACKETS {
            return;
        }
        let fraction = self.pending_lost * 256 / self.pending;
        self.fraction = u8::try_from(fraction).unwrap_or(u8::MAX);
        self.pending = 0;
        self.pending_lost = 0;
        self.has_decreased = false;
        self.last_report = Some(now);
        self.update(now);
    }

    fn follow_loss(&mut self, now: Timestamp) {
        let loss = f64::from(self.fraction) / 256.0;
        if self.current < self.config.bitrate_threshold || loss <= self.config.low_loss {
            let lowest = self.min_history.min().unwrap_or(self.current);
            self.set_current(lowest.scaled(INCREASE_FACTOR).plus(Bitrate::from_kbps(1)));
            return;
        }
        let is_due = !self.has_decreased
            && self.last_decrease.is_none_or(|last| now - last >= DECREASE_INTERVAL + self.rtt);
        if loss > self.config.high_loss && is_due {
            self.last_decrease = Some(now);
            self.has_decreased = true;
            let kept = f64::from(512 - u32::from(self.fraction)) / 512.0;
            self.set_current(self.current.scaled(kept));
        } else {
            self.set_current(self.current);
        }
    }

    fn is_starting(&self, now: Timestamp) -> bool {
        self.first_report.is_none_or(|first| now - first < START_PHASE)
    }

    fn set_current(&mut self, rate: Bitrate) {
        let rate = self.delay_limit.map_or(rate, |limit| rate.min(limit));
        self.current = rate.clamp(self.config.min, self.config.max);
    }
}

const MIN_PACKETS: u64 = 20;
const START_PHASE: Duration = Duration::from_secs(2);
const INCREASE_FACTOR: f64 = 1.08;
const DECREASE_INTERVAL: Duration = Duration::from_millis(300);
/// 1.2 times the interval of 1.5 s in which feedback comes.
const REPORT_LIFETIME: Duration = Duration::from_millis(1_800);
const DEFAULT_RTT: Duration = Duration::from_millis(100);
const MAX_RTT: Duration = Duration::from_secs(1);
