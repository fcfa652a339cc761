use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use crate::googcc2::{BandwidthUsage, LinkCapacity, near_max_increase};
use crate::rates::{CONGESTION_CONTROLLER_MIN, RateMath, rate_of, time_for};

/// Additive increase, multiplicative decrease, as the classic estimator has it.
///
/// Answers to JVB's `AimdRateControl` of the `remotebitrateestimator` package.
#[derive(Clone, Debug)]
pub(crate) struct RateControl {
    current: Bitrate,
    capacity: LinkCapacity,
    state: State,
    last_change: Option<Timestamp>,
    first_incoming: Option<Timestamp>,
    is_initialised: bool,
    rtt: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
    Decrease,
}

impl RateControl {
    pub(crate) fn new() -> Self {
        Self {
            current: INITIAL,
            capacity: LinkCapacity::new(),
            state: State::Hold,
            last_change: None,
            first_incoming: None,
            is_initialised: false,
            rtt: DEFAULT_RTT,
        }
    }

    pub(crate) fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt;
    }

    pub(crate) fn update(
        &mut self,
        now: Timestamp,
        usage: BandwidthUsage,
        incoming: Option<Bitrate>,
    ) {
        if let Some(incoming) = incoming.filter(|_| !self.is_initialised) {
            self.initialise(now, incoming);
        }
        if !self.is_initialised && usage != BandwidthUsage::Overusing {
            return;
        }
        self.change_state(now, usage);
        let incoming = incoming.unwrap_or(self.current);
        let new = match self.state {
            State::Hold => return,
            State::Increase => self.increase(now, incoming),
            State::Decrease => self.decrease(now, incoming),
        };
        let is_known = incoming > Bitrate::from_kbps(100) || new > Bitrate::from_kbps(150);
        if is_known && new > self.current && new > incoming.scaled(MAX_RATIO) {
            self.last_change = Some(now);
            return;
        }
        self.current = new.max(CONGESTION_CONTROLLER_MIN);
    }

    /// Whether it is known what the link takes.
    pub(crate) fn estimate(&self) -> Option<Bitrate> {
        self.is_initialised.then_some(self.current)
    }

    /// How long an estimate holds: what RTCP of 5 % of the rate takes.
    pub(crate) fn feedback_interval(&self) -> Duration {
        time_for(RTCP_SIZE, self.current.scaled(0.05)).clamp(MIN_FEEDBACK, MAX_FEEDBACK)
    }

    pub(crate) fn is_time_to_reduce(&self, now: Timestamp, incoming: Bitrate) -> bool {
        let interval = self.rtt.clamp(MIN_REDUCTION_INTERVAL, MAX_REDUCTION_INTERVAL);
        if self.last_change.is_none_or(|last| now - last >= interval) {
            return true;
        }
        let excess = self.current.minus(incoming);
        self.is_initialised && excess > incoming.scaled(REDUCTION_RATIO)
    }

    fn initialise(&mut self, now: Timestamp, incoming: Bitrate) {
        let elapsed = now - *self.first_incoming.get_or_insert(now);
        if elapsed > INITIALISATION_EXPIRY {
            self.first_incoming = Some(now);
        } else if elapsed > INITIALISATION_TIME {
            self.current = incoming.max(CONGESTION_CONTROLLER_MIN);
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

    fn increase(&mut self, now: Timestamp, incoming: Bitrate) -> Bitrate {
        if incoming > self.capacity.upper_bound() {
            self.capacity.reset();
        }
        let elapsed = self.last_change.replace(now).map_or(Duration::ZERO, |last| now - last);
        let step = if self.capacity.estimate().is_some() {
            rate_of(near_max_increase(self.current, self.rtt) * elapsed.as_secs_f64())
        } else {
            let factor = INCREASE_PER_SECOND.powf(elapsed.as_secs_f64().min(1.0)) - 1.0;
            self.current.scaled(factor).max(MIN_MULTIPLICATIVE)
        };
        self.current.plus(step)
    }

    fn decrease(&mut self, now: Timestamp, incoming: Bitrate) -> Bitrate {
        let mut new = incoming.scaled(BACKOFF);
        if new > self.current {
            if let Some(capacity) = self.capacity.estimate() {
                new = capacity.scaled(BACKOFF);
            }
            new = new.min(self.current);
        }
        if incoming < self.capacity.lower_bound() {
            self.capacity.reset();
        }
        self.is_initialised = true;
        self.capacity.on_overuse(incoming);
        self.state = State::Hold;
        self.last_change = Some(now);
        new
    }
}

const INITIAL: Bitrate = Bitrate::from_kbps(30_000);
const DEFAULT_RTT: Duration = Duration::from_millis(200);
const INITIALISATION_TIME: Duration = Duration::from_secs(5);
const INITIALISATION_EXPIRY: Duration = Duration::from_secs(10);
const MIN_REDUCTION_INTERVAL: Duration = Duration::from_millis(10);
const MAX_REDUCTION_INTERVAL: Duration = Duration::from_millis(200);
const REDUCTION_RATIO: f64 = 1.05;
const MAX_RATIO: f64 = 1.5;
const INCREASE_PER_SECOND: f64 = 1.08;
const MIN_MULTIPLICATIVE: Bitrate = Bitrate::from_bps(1_000);
const BACKOFF: f64 = 0.85;
const RTCP_SIZE: DataSize = DataSize::from_bytes(80);
const MIN_FEEDBACK: Duration = Duration::from_millis(200);
const MAX_FEEDBACK: Duration = Duration::from_secs(1);
