use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use crate::rates::{RateMath, UNLIMITED};

/// Why the estimate is not higher; says whether a probe may go above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LimitedBy {
    /// Nothing but caution.
    #[default]
    Delay,
    /// A queue grows or drains.
    DelayIncreased,
    Loss,
    /// Loss, and the rate grows again.
    #[cfg_attr(not(test), expect(dead_code, reason = "padding is on: see LossState"))]
    LossIncreasing,
    /// Nothing is heard from the peer.
    HighRtt,
}

/// Decides when to probe, and how fast.
///
/// Answers to JVB's `ProbeController`. Differs from JVB: while the allocation wants more than the
/// estimate, a probe of twice the estimate is tried again and again, so that a link that was limited
/// for a while is found to be free within seconds; there the estimate only creeps up. As LiveKit's
/// `ProbeRegulator` does, tries without success get rarer.
#[derive(Clone, Debug)]
pub(crate) struct ProbeController {
    state: State,
    limited_by: LimitedBy,
    start: Bitrate,
    max: Bitrate,
    estimate: Bitrate,
    min_to_probe_further: Bitrate,
    last_probing: Option<Timestamp>,
    last_drop_probing: Option<Timestamp>,
    last_large_drop: Option<LargeDrop>,
    alr_since: Option<Timestamp>,
    alr_ended: Option<Timestamp>,
    demand: Demand,
}

/// The rates of the probes to send, in order.
pub(crate) type Probes = [Option<Bitrate>; 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Initial,
    WaitingForResult,
    Complete,
}

#[derive(Clone, Copy, Debug)]
struct LargeDrop {
    time: Timestamp,
    before: Bitrate,
}

/// What the receiver would like to get, and how the tries to get there went.
#[derive(Clone, Copy, Debug)]
struct Demand {
    bitrate: Bitrate,
    interval: Duration,
    /// The estimate at the last try.
    tried_from: Option<Bitrate>,
}

impl ProbeController {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Initial,
            limited_by: LimitedBy::Delay,
            start: Bitrate::ZERO,
            max: DEFAULT_MAX,
            estimate: Bitrate::ZERO,
            min_to_probe_further: UNLIMITED,
            last_probing: None,
            last_drop_probing: None,
            last_large_drop: None,
            alr_since: None,
            alr_ended: None,
            demand: Demand { bitrate: Bitrate::ZERO, interval: DEMAND_INTERVAL, tried_from: None },
        }
    }

    /// The first call starts the initial probes; a maximum that rises above the estimate later is
    /// probed for.
    pub(crate) fn set_limits(&mut self, now: Timestamp, start: Bitrate, max: Bitrate) -> Probes {
        if start > Bitrate::ZERO {
            self.start = start;
            self.estimate = start;
        }
        let old = std::mem::replace(&mut self.max, max);
        match self.state {
            State::Initial if self.start > Bitrate::ZERO => {
                let rates = INITIAL_SCALES.map(|scale| Some(self.start.scaled(scale)));
                self.probe(now, rates, true)
            }
            State::Complete if old < max && self.estimate < max => {
                self.probe(now, [Some(max), None], false)
            }
            _ => NO_PROBES,
        }
    }

    /// What the receiver would like to get; zero if it has all it can use.
    pub(crate) fn set_demand(&mut self, demand: Bitrate) {
        self.demand.bitrate = demand;
    }

    pub(crate) fn set_estimate(
        &mut self,
        now: Timestamp,
        estimate: Bitrate,
        limited_by: LimitedBy,
    ) -> Probes {
        self.limited_by = limited_by;
        if estimate < self.estimate.scaled(LARGE_DROP) {
            self.last_large_drop = Some(LargeDrop { time: now, before: self.estimate });
        }
        self.estimate = estimate;
        if self.state == State::WaitingForResult && estimate > self.min_to_probe_further {
            return self.probe(now, [Some(estimate.scaled(FURTHER_SCALE)), None], true);
        }
        NO_PROBES
    }

    pub(crate) fn set_alr_since(&mut self, since: Option<Timestamp>) {
        self.alr_since = since;
    }

    pub(crate) fn on_alr_ended(&mut self, now: Timestamp) {
        self.alr_ended = Some(now);
    }

    /// A queue drained: whether the link is as good as before a drop.
    pub(crate) fn on_recovery(&mut self, now: Timestamp) -> Probes {
        let is_alr = self.alr_since.is_some()
            || self.alr_ended.is_some_and(|ended| now - ended < ALR_ENDED_TIMEOUT);
        let Some(drop) = self.last_large_drop.filter(|_| is_alr) else { return NO_PROBES };
        let rate = drop.before.scaled(DROP_PROBE_SCALE);
        let is_due = self.last_drop_probing.is_none_or(|last| now - last > MIN_DROP_INTERVAL);
        if self.state == State::Complete
            && rate.scaled(1.0 - UNCERTAINTY) > self.estimate
            && now - drop.time < DROP_TIMEOUT
            && is_due
        {
            self.last_drop_probing = Some(now);
            return self.probe(now, [Some(rate), None], false);
        }
        NO_PROBES
    }

    /// Call it often: waiting for results ends, and demand is looked at.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) -> Probes {
        let waited = self.last_probing.is_some_and(|last| now - last > MAX_WAIT);
        if waited && self.state == State::WaitingForResult {
            self.complete();
        }
        if self.state != State::Complete || self.estimate == Bitrate::ZERO {
            return NO_PROBES;
        }
        if !self.is_time_for_demand(now) {
            return NO_PROBES;
        }
        let ceiling = self.demand.bitrate.scaled(DEMAND_MARGIN);
        let rate = self.estimate.scaled(DEMAND_SCALE).min(ceiling);
        let probes = self.probe(now, [Some(rate), None], true);
        if probes != NO_PROBES {
            self.demand.on_try(self.estimate);
        }
        probes
    }

    fn is_time_for_demand(&self, now: Timestamp) -> bool {
        if self.estimate >= self.demand.bitrate {
            return false;
        }
        let last_change = self.last_probing.max(self.last_large_drop.map(|drop| drop.time));
        last_change.is_none_or(|last| now - last >= self.demand.interval)
    }

    fn probe(&mut self, now: Timestamp, rates: Probes, may_probe_further: bool) -> Probes {
        let cap = match self.limited_by {
            LimitedBy::Delay => self.max,
            LimitedBy::LossIncreasing => self.max.min(self.estimate.scaled(LOSS_LIMITED_SCALE)),
            LimitedBy::DelayIncreased | LimitedBy::Loss | LimitedBy::HighRtt => return NO_PROBES,
        };
        let rates = rates.map(|rate| rate.map(|rate| rate.min(cap)));
        let Some(last) = rates.iter().flatten().last() else { return NO_PROBES };
        self.last_probing = Some(now);
        if may_probe_further && *last < cap {
            self.state = State::WaitingForResult;
            self.min_to_probe_further = last.scaled(FURTHER_THRESHOLD);
        } else {
            self.complete();
        }
        rates
    }

    fn complete(&mut self) {
        self.state = State::Complete;
        self.min_to_probe_further = UNLIMITED;
    }
}

impl Demand {
    fn on_try(&mut self, estimate: Bitrate) {
        let helped = self.tried_from.is_none_or(|before| estimate > before.scaled(DEMAND_PROGRESS));
        self.interval = if helped {
            DEMAND_INTERVAL
        } else {
            self.interval.mul_f64(DEMAND_BACKOFF).min(MAX_DEMAND_INTERVAL)
        };
        self.tried_from = Some(estimate);
    }
}

pub(crate) const NO_PROBES: Probes = [None, None];
const DEFAULT_MAX: Bitrate = Bitrate::from_kbps(5_000);
const INITIAL_SCALES: [f64; 2] = [3.0, 6.0];
const FURTHER_SCALE: f64 = 2.0;
const FURTHER_THRESHOLD: f64 = 0.7;
const MAX_WAIT: Duration = Duration::from_secs(1);
const LOSS_LIMITED_SCALE: f64 = 1.5;
const LARGE_DROP: f64 = 0.66;
const DROP_PROBE_SCALE: f64 = 0.85;
const DROP_TIMEOUT: Duration = Duration::from_secs(5);
const MIN_DROP_INTERVAL: Duration = Duration::from_secs(5);
const UNCERTAINTY: f64 = 0.05;
const ALR_ENDED_TIMEOUT: Duration = Duration::from_secs(3);
/// As GoogCC's periodic probing.
const DEMAND_INTERVAL: Duration = Duration::from_secs(5);
/// Short enough that free bandwidth is found within 15 s whenever it comes.
const MAX_DEMAND_INTERVAL: Duration = Duration::from_secs(10);
const DEMAND_BACKOFF: f64 = 1.5;
const DEMAND_SCALE: f64 = 2.0;
/// A probe shows up to 5 % less than its rate, and an estimate just at the demand does not hold.
const DEMAND_MARGIN: f64 = 1.2;
/// Less growth than this is what the estimate does by itself.
const DEMAND_PROGRESS: f64 = 1.25;
