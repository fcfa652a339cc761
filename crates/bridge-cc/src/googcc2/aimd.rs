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

    /// The same before any throughput is known.
    pub(crate) fn is_time_to_reduce_blindly(&self, now: Timestamp) -> bool {
        let just_below_half = self.current.scaled(0.5).minus(Bitrate::from_bps(1));
        self.is_initialised && self.is_time_to_reduce(now, just_below_half)
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
