use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use super::loss_based::{LossBasedEstimator, LossState};
use crate::min_history::MinHistory;
use crate::rates::{CONGESTION_CONTROLLER_MIN, RateMath, UNLIMITED};
use crate::sent_packets::PacketResult;

/// The rate that the delay, the loss and the round trip time allow together.
///
/// Answers to JVB's `SendSideBandwidthEstimation` of GoogleCc2.
#[derive(Clone, Debug)]
pub(crate) struct SendSideEstimator {
    loss_based: LossBasedEstimator,
    loss_state: LossState,
    backoff: RttBackoff,
    loss: LossReports,
    min_history: MinHistory,
    current: Bitrate,
    min: Bitrate,
    max: Bitrate,
    delay_limit: Bitrate,
    last_decrease: Option<Timestamp>,
    rtt: Option<Duration>,
}

/// A peer from which nothing is heard gets less and less.
#[derive(Clone, Copy, Debug, Default)]
struct RttBackoff {
    last_update: Option<Timestamp>,
    propagation_rtt: Duration,
    last_sent: Timestamp,
}

/// Loss as receiver reports tell it.
#[derive(Clone, Copy, Debug, Default)]
struct LossReports {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    expected: u64,
    lost: i64,
    /// In 1/256.
    fraction: u8,
    has_decreased: bool,
}

impl SendSideEstimator {
    pub(crate) fn new() -> Self {
        Self {
            loss_based: LossBasedEstimator::new(),
            loss_state: LossState::DelayBased,
            backoff: RttBackoff::default(),
            loss: LossReports::default(),
            min_history: MinHistory::new(),
            current: Bitrate::ZERO,
            min: CONGESTION_CONTROLLER_MIN,
            max: UNLIMITED,
            delay_limit: UNLIMITED,
            last_decrease: None,
            rtt: None,
        }
    }

    pub(crate) fn set_limits(&mut self, min: Bitrate, max: Bitrate) {
        self.min = min.max(CONGESTION_CONTROLLER_MIN);
        self.max = max.max(self.min);
        self.loss_based.set_limits(self.min, self.max);
    }

    /// A rate that is known from elsewhere: the start rate or a probe.
    pub(crate) fn set_rate(&mut self, rate: Bitrate) {
        self.delay_limit = UNLIMITED;
        self.set_current(rate);
        self.min_history.clear();
    }

    pub(crate) fn set_delay_limit(&mut self, limit: Bitrate) {
        self.delay_limit = if limit == Bitrate::ZERO { UNLIMITED } else { limit };
        self.set_current(self.current);
    }

    pub(crate) fn set_acknowledged(&mut self, acknowledged: Option<Bitrate>) {
        if let Some(acknowledged) = acknowledged {
            self.loss_based.set_acknowledged(acknowledged);
        }
    }

    pub(crate) fn set_propagation_rtt(&mut self, now: Timestamp, rtt: Duration) {
        self.backoff.last_update = Some(now);
        self.backoff.propagation_rtt = rtt;
    }

    pub(crate) fn set_rtt(&mut self, rtt: Duration) {
        if rtt > Duration::ZERO {
            self.rtt = Some(rtt);
        }
    }

    pub(crate) fn on_packet_sent(&mut self, now: Timestamp) {
        self.backoff.last_update.get_or_insert(now);
        self.backoff.last_sent = now;
    }

    /// Takes all that a feedback told.
    pub(crate) fn on_feedback(
        &mut self,
        now: Timestamp,
        results: &[PacketResult],
        is_application_limited: bool,
    ) {
        self.loss_based.update(results, self.delay_limit, is_application_limited);
        self.update(now);
    }

    /// Takes the loss of `expected` packets as receiver reports tell it; negative if late packets
    /// made up for more.
    ///
    /// Differs from JVB: below 20 packets the losses add up as the packets do; there the last report
    /// takes the place of those before.
    pub(crate) fn on_loss_report(&mut self, now: Timestamp, lost: i64, expected: u64) {
        self.loss.first.get_or_insert(now);
        if expected == 0 {
            return;
        }
        self.loss.expected = self.loss.expected.saturating_add(expected);
        self.loss.lost = self.loss.lost.saturating_add(lost);
        if self.loss.expected < MIN_LOSS_PACKETS {
            return;
        }
        let lost = u128::from(u64::try_from(self.loss.lost).unwrap_or(0));
        let fraction = lost * 256 / u128::from(self.loss.expected);
        self.loss.fraction = u8::try_from(fraction).unwrap_or(u8::MAX);
        self.loss.has_decreased = false;
        self.loss.expected = 0;
        self.loss.lost = 0;
        self.loss.last = Some(now);
        self.update(now);
    }

    /// Looks at everything again.
    ///
    /// Differs from JVB: the loss that feedback tells counts even if no receiver report came yet.
    pub(crate) fn update(&mut self, now: Timestamp) {
        if self.is_rtt_above_limit() {
            self.back_off(now);
            return;
        }
        if self.start(now) {
            return;
        }
        self.min_history.push(now, self.current);
        if self.loss_based.is_ready() {
            let (rate, state) = self.loss_based.result();
            self.loss_state = state;
            self.set_current(rate);
        } else if self.loss.last.is_some_and(|last| now - last < REPORT_LIFETIME) {
            self.follow_reports(now);
        } else {
            self.set_current(self.current);
        }
    }

    pub(crate) fn target(&self) -> Bitrate {
        self.current.max(self.min)
    }

    pub(crate) fn min(&self) -> Bitrate {
        self.min
    }

    pub(crate) fn loss_state(&self) -> LossState {
        self.loss_state
    }

    /// As receiver reports tell it, in 1/256.
    pub(crate) fn fraction_lost(&self) -> u8 {
        self.loss.fraction
    }

    /// As feedback tells it.
    pub(crate) fn average_loss(&self) -> f64 {
        self.loss_based.average_loss()
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    pub(crate) fn is_rtt_above_limit(&self) -> bool {
        let Some(last_update) = self.backoff.last_update else { return false };
        let silence = self.backoff.last_sent - last_update;
        silence + self.backoff.propagation_rtt > RTT_LIMIT
    }

    fn back_off(&mut self, now: Timestamp) {
        let is_due = self.last_decrease.is_none_or(|last| now - last >= BACKOFF_INTERVAL);
        if is_due && self.current > CONGESTION_CONTROLLER_MIN {
            self.last_decrease = Some(now);
            let rate = self.current.scaled(BACKOFF_FACTOR);
            self.set_current(rate.max(CONGESTION_CONTROLLER_MIN));
        } else {
            self.set_current(self.current);
        }
    }

    /// As long as nothing was lost, what the delay allows is taken at once.
    fn start(&mut self, now: Timestamp) -> bool {
        let is_start = self.loss.first.is_none_or(|first| now - first <= START_PHASE);
        if self.loss.fraction > 0 || !is_start || self.loss_based.is_ready() {
            return false;
        }
        if !self.delay_limit.has_limit() || self.delay_limit <= self.current {
            return false;
        }
        self.min_history.clear();
        self.min_history.push(now, self.current);
        self.set_current(self.delay_limit);
        true
    }

    fn follow_reports(&mut self, now: Timestamp) {
        let loss = f64::from(self.loss.fraction) / 256.0;
        if loss <= LOW_LOSS {
            let lowest = self.min_history.min().unwrap_or(self.current);
            let step = Bitrate::from_kbps(1);
            self.set_current(lowest.scaled(INCREASE_FACTOR).plus(step));
            return;
        }
        let interval = DECREASE_INTERVAL + self.rtt.unwrap_or_default();
        let is_due = !self.loss.has_decreased
            && self.last_decrease.is_none_or(|last| now - last >= interval);
        if loss > HIGH_LOSS && is_due {
            self.last_decrease = Some(now);
            self.loss.has_decreased = true;
            let kept = f64::from(512 - u32::from(self.loss.fraction)) / 512.0;
            self.set_current(self.current.scaled(kept));
        } else {
            self.set_current(self.current);
        }
    }

    fn set_current(&mut self, rate: Bitrate) {
        self.current = rate.min(self.delay_limit).min(self.max);
    }
}

const MIN_LOSS_PACKETS: u64 = 20;
const START_PHASE: Duration = Duration::from_secs(2);
const INCREASE_FACTOR: f64 = 1.08;
const DECREASE_INTERVAL: Duration = Duration::from_millis(300);
/// 1.2 times the longest interval of RTCP.
const REPORT_LIFETIME: Duration = Duration::from_secs(6);
const LOW_LOSS: f64 = 0.02;
const HIGH_LOSS: f64 = 0.1;
const RTT_LIMIT: Duration = Duration::from_secs(3);
const BACKOFF_INTERVAL: Duration = Duration::from_secs(1);
const BACKOFF_FACTOR: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn estimator(rate: Bitrate) -> SendSideEstimator {
        let mut estimator = SendSideEstimator::new();
        estimator.set_limits(kbps(30), kbps(20_000));
        estimator.set_rate(rate);
        estimator
    }

    #[test]
    fn at_the_start_the_delay_is_believed() {
        let mut estimator = estimator(kbps(200));
        estimator.on_loss_report(at(0), 0, 1);
        estimator.set_delay_limit(kbps(1_000));
        estimator.update(at(100));
        assert_eq!(estimator.target(), kbps(1_000));
        // After the start phase it is only a limit.
        estimator.set_delay_limit(kbps(2_000));
        estimator.update(at(2_001));
        assert_eq!(estimator.target(), kbps(1_000));
        estimator.set_delay_limit(kbps(400));
        assert_eq!(estimator.target(), kbps(400));
    }

    #[test]
    fn a_probe_overrides_the_delay() {
        let mut estimator = estimator(kbps(100));
        estimator.set_delay_limit(kbps(100));
        estimator.set_rate(kbps(2_000));
        assert_eq!(estimator.target(), kbps(2_000));
        estimator.set_delay_limit(kbps(1_500));
        assert_eq!(estimator.target(), kbps(1_500));
    }

    #[test]
    fn reported_loss_lowers_the_rate_once_a_report() {
        let mut estimator = estimator(kbps(1_000));
        estimator.set_rtt(Duration::from_millis(50));
        estimator.on_loss_report(at(0), 0, 100);
        estimator.on_loss_report(at(3_000), 50, 100);
        assert_eq!(estimator.fraction_lost(), 128);
        let lowered = estimator.target();
        // The first report let it grow by 8 % and 1 kbit/s; then a quarter is taken.
        assert_eq!(lowered, Bitrate::from_bps(1_081_000).scaled(0.75));
        estimator.update(at(3_400));
        assert_eq!(estimator.target(), lowered, "no second time");
        estimator.on_loss_report(at(3_500), 50, 100);
        assert!(estimator.target() < lowered);
    }

    #[test]
    fn negative_loss_is_none() {
        let mut estimator = estimator(kbps(1_000));
        estimator.on_loss_report(at(0), -50, 30);
        assert_eq!(estimator.fraction_lost(), 0);
        estimator.on_loss_report(at(1_000), i64::MIN, u64::MAX);
        assert_eq!(estimator.fraction_lost(), 0);
        estimator.on_loss_report(at(2_000), i64::MAX, 20);
        assert_eq!(estimator.fraction_lost(), 255);
    }

    #[test]
    fn small_reports_add_up() {
        let mut estimator = estimator(kbps(1_000));
        estimator.on_loss_report(at(0), 3, 10);
        assert_eq!(estimator.fraction_lost(), 0);
        estimator.on_loss_report(at(100), 2, 10);
        assert_eq!(estimator.fraction_lost(), 64);
    }

    #[test]
    fn round_trip_limit_is_three_seconds() {
        let mut estimator = estimator(kbps(1_000));
        estimator.set_propagation_rtt(at(0), Duration::from_secs(3));
        assert!(!estimator.is_rtt_above_limit());
        estimator.on_packet_sent(at(1));
        assert!(estimator.is_rtt_above_limit());
        estimator.set_propagation_rtt(at(2), Duration::from_millis(50));
        assert!(!estimator.is_rtt_above_limit());
    }

    #[test]
    fn silence_takes_a_fifth_each_second_down_to_the_floor() {
        let mut estimator = estimator(kbps(1_000));
        let mut now = at(0);
        estimator.on_packet_sent(now);
        let mut rates = vec![];
        while now < at(40_000) {
            now += Duration::from_millis(25);
            estimator.on_packet_sent(now);
            estimator.update(now);
            if rates.last() != Some(&estimator.target().kbps()) {
                rates.push(estimator.target().kbps());
            }
        }
        assert_eq!(rates[..4], [1_000, 800, 640, 512]);
        assert_eq!(rates.last(), Some(&30));
        assert_eq!(estimator.current, CONGESTION_CONTROLLER_MIN);
    }
}
