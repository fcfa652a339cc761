use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use super::link_capacity::LinkCapacity;
use super::trendline::BandwidthUsage;
use crate::rates::{CONGESTION_CONTROLLER_MIN, RateMath, rate_of};

/// Additive increase, multiplicative decrease: a rate that grows until the delay does, and then falls
/// below what gets through.
///
/// Answers to JVB's `AimdRateControl` of GoogleCc2.
#[derive(Clone, Debug)]
pub(crate) struct AimdRateControl {
    min: Bitrate,
    current: Bitrate,
    latest_throughput: Bitrate,
    capacity: LinkCapacity,
    state: State,
    last_change: Option<Timestamp>,
    first_throughput: Option<Timestamp>,
    is_initialised: bool,
    rtt: Duration,
    last_decrease: Option<Bitrate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
    Decrease,
}

impl AimdRateControl {
    pub(crate) fn new() -> Self {
        Self {
            min: CONGESTION_CONTROLLER_MIN,
            current: INITIAL,
            latest_throughput: INITIAL,
            capacity: LinkCapacity::new(),
            state: State::Hold,
            last_change: None,
            first_throughput: None,
            is_initialised: false,
            rtt: DEFAULT_RTT,
            last_decrease: None,
        }
    }

    pub(crate) fn set_start(&mut self, start: Bitrate) {
        self.current = start;
        self.latest_throughput = start;
        self.is_initialised = true;
    }

    pub(crate) fn set_min(&mut self, min: Bitrate) {
        self.min = min;
        self.current = self.current.max(min);
    }

    pub(crate) fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt;
    }

    /// A probe told the rate.
    pub(crate) fn set_estimate(&mut self, now: Timestamp, estimate: Bitrate) {
        self.is_initialised = true;
        self.current = estimate.max(self.min);
        self.last_change = Some(now);
    }

    /// Takes what the detector says and the throughput; answers the new rate.
    pub(crate) fn update(
        &mut self,
        now: Timestamp,
        usage: BandwidthUsage,
        throughput: Option<Bitrate>,
    ) -> Bitrate {
        self.initialise(now, throughput);
        if let Some(throughput) = throughput {
            self.latest_throughput = throughput;
        }
        if !self.is_initialised && usage != BandwidthUsage::Overusing {
            return self.current;
        }
        self.change_state(now, usage);
        let new = match self.state {
            State::Hold => None,
            State::Increase => self.increase(now),
            State::Decrease => self.decrease(now),
        };
        self.current = new.unwrap_or(self.current).max(self.min);
        self.current
    }

    /// Whether it is known what the link takes.
    pub(crate) fn estimate(&self) -> Option<Bitrate> {
        self.is_initialised.then_some(self.current)
    }

    /// Whether the last change is a response time ago, or `throughput` is so low that it does not
    /// matter.
    pub(crate) fn is_time_to_reduce(&self, now: Timestamp, throughput: Bitrate) -> bool {
        let interval = self.rtt.clamp(MIN_REDUCTION_INTERVAL, MAX_REDUCTION_INTERVAL);
        self.last_change.is_none_or(|last| now - last >= interval)
            || (self.is_initialised && throughput < self.current.scaled(0.5))
    }

    /// Bits per second that are added in a second when the capacity is known.
    pub(crate) fn near_max_increase(&self) -> f64 {
        near_max_increase(self.current, self.rtt)
    }

    /// How long it will take to get back to where the last decrease came from.
    pub(crate) fn expected_period(&self) -> Duration {
        let Some(decrease) = self.last_decrease else { return DEFAULT_PERIOD };
        let seconds = decrease.bps_f64() / self.near_max_increase();
        Duration::try_from_secs_f64(seconds).unwrap_or(MAX_PERIOD).clamp(MIN_PERIOD, MAX_PERIOD)
    }

    fn initialise(&mut self, now: Timestamp, throughput: Option<Bitrate>) {
        let Some(throughput) = throughput.filter(|_| !self.is_initialised) else { return };
        let first = *self.first_throughput.get_or_insert(now);
        if now - first > INITIALISATION_TIME {
            self.current = throughput;
            self.is_initialised = true;
        }
    }

    fn change_state(&mut self, now: Timestamp, usage: BandwidthUsage) {
        match usage {
            BandwidthUsage::Normal if self.state == State::Hold => {
                self.last_change = Some(now);
                self.state = State::Increase;
            }
            BandwidthUsage::Normal => {}
            BandwidthUsage::Overusing => self.state = State::Decrease,
            BandwidthUsage::Underusing => self.state = State::Hold,
        }
    }

    fn increase(&mut self, now: Timestamp) -> Option<Bitrate> {
        if self.latest_throughput > self.capacity.upper_bound() {
            self.capacity.reset();
        }
        let elapsed = self.last_change.replace(now).map(|last| now - last);
        let limit = self.latest_throughput.scaled(1.5).plus(Bitrate::from_kbps(10));
        if self.current >= limit {
            return None;
        }
        let step = if self.capacity.estimate().is_some() {
            rate_of(self.near_max_increase() * elapsed.unwrap_or_default().as_secs_f64())
        } else {
            let seconds = elapsed.map_or(1.0, |elapsed| elapsed.as_secs_f64().min(1.0));
            self.current.scaled(INCREASE_PER_SECOND.powf(seconds) - 1.0).max(MIN_MULTIPLICATIVE)
        };
        Some(self.current.plus(step).min(limit))
    }

    fn decrease(&mut self, now: Timestamp) -> Option<Bitrate> {
        let throughput = self.latest_throughput;
        let mut decreased = throughput.scaled(BACKOFF);
        if decreased > BACKOFF_OFFSET {
            decreased = decreased.minus(BACKOFF_OFFSET);
        }
        if decreased > self.current
            && let Some(capacity) = self.capacity.estimate()
        {
            decreased = capacity.scaled(BACKOFF);
        }
        let new = (decreased < self.current).then_some(decreased);
        if self.is_initialised && throughput < self.current {
            self.last_decrease = Some(new.map_or(Bitrate::ZERO, |new| self.current.minus(new)));
        }
        if throughput < self.capacity.lower_bound() {
            self.capacity.reset();
        }
        self.is_initialised = true;
        self.capacity.on_overuse(throughput);
        self.state = State::Hold;
        self.last_change = Some(now);
        new
    }
}

/// Bits per second that a rate near the capacity grows in a second: about a packet for each response
/// time.
pub(crate) fn near_max_increase(rate: Bitrate, rtt: Duration) -> f64 {
    let frame = rate.bps() / (8 * FRAMES_PER_SECOND);
    let packets = frame.div_ceil(PACKET_SIZE).max(1);
    let packet = DataSize::from_bytes(frame / packets);
    let response = (rtt + RESPONSE_MARGIN) * 2;
    packet.per(response).bps_f64().max(MIN_INCREASE_BPS)
}

/// Far above every start rate.
const INITIAL: Bitrate = Bitrate::from_kbps(30_000);
const DEFAULT_RTT: Duration = Duration::from_millis(200);
const RESPONSE_MARGIN: Duration = Duration::from_millis(100);
const INITIALISATION_TIME: Duration = Duration::from_secs(5);
const MIN_REDUCTION_INTERVAL: Duration = Duration::from_millis(10);
const MAX_REDUCTION_INTERVAL: Duration = Duration::from_millis(200);
const FRAMES_PER_SECOND: u64 = 30;
const PACKET_SIZE: u64 = 1_200;
const MIN_INCREASE_BPS: f64 = 4_000.0;
const INCREASE_PER_SECOND: f64 = 1.08;
const MIN_MULTIPLICATIVE: Bitrate = Bitrate::from_bps(1_000);
const BACKOFF: f64 = 0.85;
const BACKOFF_OFFSET: Bitrate = Bitrate::from_kbps(5);
const DEFAULT_PERIOD: Duration = Duration::from_secs(3);
const MIN_PERIOD: Duration = Duration::from_secs(2);
const MAX_PERIOD: Duration = Duration::from_secs(50);

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(123_456);

    fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    fn control(start: Bitrate) -> AimdRateControl {
        let mut control = AimdRateControl::new();
        control.set_estimate(START, start);
        control
    }

    #[test]
    fn near_max_increase_is_a_packet_each_response_time() {
        for (rate, rtt_millis, expected) in
            [(30, 200, 4_000.0), (90, 200, 5_000.0), (60, 100, 5_000.0)]
        {
            let increase = near_max_increase(kbps(rate), Duration::from_millis(rtt_millis));
            assert!((increase - expected).abs() < 0.5, "{rate} kbit/s: {increase}");
        }
    }

    #[test]
    fn increase_and_period_after_an_overuse() {
        let mut control = control(kbps(300));
        control.update(START, BandwidthUsage::Overusing, Some(kbps(300)));
        let increase = control.near_max_increase();
        assert!((increase - 14_000.0).abs() < 1_000.0, "{increase}");
        assert_eq!(control.expected_period(), DEFAULT_PERIOD);
    }

    #[test]
    fn period_follows_the_drop() {
        let mut control = control(kbps(264));
        let throughput = Bitrate::from_bps(221_000 * 100 / 85);
        control.update(START, BandwidthUsage::Overusing, Some(throughput));
        let estimate = control.estimate().unwrap().bps();
        assert!(estimate.abs_diff(216_000) <= 1, "{estimate}");
        assert!((control.near_max_increase() - 12_000.0).abs() < 1.0);
        let period = control.expected_period().as_millis();
        assert!(period.abs_diff(4_000) <= 1, "{period}");
    }

    #[test]
    fn period_has_bounds() {
        let mut tiny = control(kbps(300));
        // 0.85 times that minus 5 kbit/s is a few bits less.
        let throughput = Bitrate::from_bps(304_990 * 100 / 85);
        tiny.last_decrease = None;
        tiny.latest_throughput = throughput;
        tiny.decrease(START);
        assert_eq!(tiny.last_decrease, None, "more got through than was thought to");
        tiny.last_decrease = Some(Bitrate::from_bps(1));
        assert_eq!(tiny.expected_period(), MIN_PERIOD);

        let mut huge = control(kbps(10_010));
        huge.update(START, BandwidthUsage::Overusing, Some(kbps(10)));
        assert_eq!(huge.expected_period(), MAX_PERIOD);
    }

    #[test]
    fn increase_is_limited_by_what_gets_through() {
        let mut control = control(kbps(10));
        let mut now = START;
        while now < START + Duration::from_secs(20) {
            control.update(now, BandwidthUsage::Normal, Some(kbps(10)));
            now += Duration::from_millis(100);
        }
        assert_eq!(control.estimate(), Some(kbps(25)));
        control.update(now, BandwidthUsage::Normal, Some(kbps(5)));
        assert_eq!(control.estimate(), Some(kbps(25)));
    }

    #[test]
    fn throughput_initialises_after_five_seconds() {
        let mut control = AimdRateControl::new();
        control.update(START, BandwidthUsage::Normal, Some(kbps(200)));
        assert_eq!(control.estimate(), None);
        let later = START + INITIALISATION_TIME + Duration::from_millis(1);
        control.update(later, BandwidthUsage::Normal, Some(kbps(200)));
        assert!(control.estimate().is_some_and(|rate| rate >= kbps(200) && rate < kbps(203)));
    }

    #[test]
    fn overuse_reduces_below_the_throughput_once_a_round_trip() {
        let mut control = control(kbps(1_000));
        let now = START + Duration::from_secs(1);
        assert!(control.is_time_to_reduce(now, kbps(800)));
        control.update(now, BandwidthUsage::Overusing, Some(kbps(800)));
        assert_eq!(control.estimate(), Some(kbps(675)));
        let soon = now + Duration::from_millis(199);
        assert!(!control.is_time_to_reduce(soon, kbps(600)));
        assert!(control.is_time_to_reduce(soon, kbps(337)));
        assert!(control.is_time_to_reduce(now + Duration::from_millis(200), kbps(600)));
    }
}
