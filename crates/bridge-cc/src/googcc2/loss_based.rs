use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use super::loss_observations::LossObservations;
use crate::rates::{CONGESTION_CONTROLLER_MIN, RateMath, UNLIMITED, rate_of};
use crate::sent_packets::PacketResult;

/// What limits the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossState {
    /// The delay, not the loss.
    #[default]
    DelayBased,
    /// The loss, and the rate falls or is held.
    Decreasing,
    /// The loss, and the rate grows again.
    IncreaseUsingPadding,
}

/// The rate that the loss allows: which of a few candidate bandwidths, each with a loss that has
/// nothing to do with congestion, explains best what was lost at which rate.
///
/// Answers to JVB's `LossBasedBweV2`.
#[derive(Clone, Debug)]
pub(crate) struct LossBasedEstimator {
    observations: LossObservations,
    acknowledged: Option<Bitrate>,
    best: Option<Channel>,
    inherent_loss: f64,
    min: Bitrate,
    max: Bitrate,
    delay_limit: Bitrate,
    result: Bitrate,
    state: LossState,
    hold: Hold,
    padding: Option<Padding>,
    recovering_since: Option<Timestamp>,
    window_limit: Bitrate,
}

/// A model of the link.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Channel {
    bandwidth: Bitrate,
    /// The part that is lost whatever the rate.
    inherent_loss: f64,
}

/// After a decrease the rate is held for a while, each time twice as long.
#[derive(Clone, Copy, Debug)]
struct Hold {
    until: Option<Timestamp>,
    duration: Duration,
    rate: Bitrate,
}

#[derive(Clone, Copy, Debug)]
struct Padding {
    since: Timestamp,
    rate: Bitrate,
}

impl LossBasedEstimator {
    pub(crate) fn new() -> Self {
        Self {
            observations: LossObservations::new(),
            acknowledged: None,
            best: None,
            inherent_loss: INITIAL_INHERENT_LOSS,
            min: Bitrate::from_kbps(1),
            max: UNLIMITED,
            delay_limit: UNLIMITED,
            result: Bitrate::ZERO,
            state: LossState::DelayBased,
            hold: Hold::none(),
            padding: None,
            recovering_since: None,
            window_limit: UNLIMITED,
        }
    }

    pub(crate) fn set_limits(&mut self, min: Bitrate, max: Bitrate) {
        self.min = min;
        self.max = max;
    }

    pub(crate) fn set_acknowledged(&mut self, acknowledged: Bitrate) {
        self.acknowledged = Some(acknowledged);
    }

    /// A rate that is known from elsewhere replaces the model.
    #[cfg(test)]
    pub(crate) fn set_estimate(&mut self, estimate: Bitrate) {
        self.best = Some(Channel { bandwidth: estimate, inherent_loss: self.inherent_loss });
        self.result = estimate;
        self.state = LossState::DelayBased;
    }

    /// Takes all that a feedback told, and what the delay allows.
    pub(crate) fn update(
        &mut self,
        results: &[PacketResult],
        delay_limit: Bitrate,
        is_application_limited: bool,
    ) {
        self.delay_limit = delay_limit;
        if !self.observations.update(results) {
            return;
        }
        let best = match self.best {
            Some(best) => best,
            None if delay_limit.is_limited() => {
                self.result = delay_limit;
                self.state = LossState::DelayBased;
                Channel { bandwidth: delay_limit, inherent_loss: self.inherent_loss }
            }
            None => return,
        };
        let winner = self.winner(best, is_application_limited);
        let winner = self.restrain(best, winner);
        let upper = winner.bandwidth.min(self.instant_upper()).min(delay_limit);
        let bounded = upper.max(self.instant_lower());
        let best = if bounded < winner.bandwidth {
            Channel { bandwidth: bounded, inherent_loss: 0.0 }
        } else {
            Channel { bandwidth: winner.bandwidth.max(self.instant_lower()), ..winner }
        };
        self.best = Some(best);
        self.inherent_loss = best.inherent_loss;
        self.conclude(best, bounded);
    }

    /// Whether there is enough to say something.
    pub(crate) fn is_ready(&self) -> bool {
        self.best.is_some() && self.observations.count() >= MIN_OBSERVATIONS
    }

    /// The rate and what limits it; only when [`Self::is_ready`].
    pub(crate) fn result(&self) -> (Bitrate, LossState) {
        if self.is_ready() {
            (self.result, self.state)
        } else {
            (self.delay_limit, LossState::DelayBased)
        }
    }

    pub(crate) fn average_loss(&self) -> f64 {
        self.observations.average_loss()
    }

    /// The candidate that explains the observations best; the first wins ties.
    fn winner(&self, best: Channel, is_application_limited: bool) -> Channel {
        let may_back_off_to_acknowledged =
            !is_application_limited || self.is_padding(self.observations.last_sent());
        let acknowledged = self.acknowledged.filter(|_| may_back_off_to_acknowledged);
        let delay = (self.delay_limit.is_limited() && self.delay_limit > best.bandwidth)
            .then_some(self.delay_limit);
        let factors = CANDIDATE_FACTORS.map(|factor| Some(best.bandwidth.scaled(factor)));
        let cap = best.bandwidth.max(self.candidate_limit());
        let mut winner = best;
        let mut highest = f64::NEG_INFINITY;
        for bandwidth in factors.into_iter().chain([acknowledged, delay]).flatten() {
            let mut candidate = Channel { bandwidth: bandwidth.min(cap), ..best };
            candidate.inherent_loss = candidate.feasible(best.inherent_loss);
            self.fit(&mut candidate);
            let objective = self.objective(&candidate);
            if objective > highest {
                highest = objective;
                winner = candidate;
            }
        }
        if self.observations.average_loss() > winner.inherent_loss
            && best.bandwidth < winner.bandwidth
        {
            winner.bandwidth = best.bandwidth;
        }
        winner
    }

    /// A link that just lost packets is not believed at once.
    fn restrain(&self, best: Channel, mut winner: Channel) -> Channel {
        if !self.is_loss_limited() {
            return winner;
        }
        let is_recovering = self
            .recovering_since
            .is_some_and(|since| since + INCREASE_WINDOW > self.observations.last_sent());
        if is_recovering {
            winner.bandwidth = winner.bandwidth.min(self.window_limit);
        }
        let Some(acknowledged) = self.acknowledged else { return winner };
        if self.is_rising(best.bandwidth, winner.bandwidth) {
            let is_near_hold = self.hold.rate.is_limited()
                && acknowledged < self.hold.rate.scaled(RAMPUP_HOLD_THRESHOLD);
            let factor = if is_near_hold { RAMPUP_FACTOR_IN_HOLD } else { RAMPUP_FACTOR };
            let limited = winner.bandwidth.min(acknowledged.scaled(factor));
            winner.bandwidth = limited.max(best.bandwidth);
            if self.state == LossState::Decreasing && winner.bandwidth == best.bandwidth {
                winner.bandwidth = best.bandwidth.plus(Bitrate::from_bps(1));
            }
        }
        winner
    }

    fn conclude(&mut self, best: Channel, bounded: Bitrate) {
        let now = self.observations.last_sent();
        let is_below_limits = bounded < self.delay_limit && bounded < self.max;
        if self.state == LossState::Decreasing
            && self.hold.until.is_some_and(|until| until > now)
            && bounded < self.delay_limit
        {
            self.hold.rate = self.hold.rate.max(self.instant_lower());
            self.result = self.hold.rate.min(bounded);
            return;
        }
        if self.is_rising(self.result, bounded)
            && self.may_keep_increasing(bounded)
            && is_below_limits
        {
            if self.padding.is_none_or(|padding| bounded > padding.rate) {
                self.padding = Some(Padding { since: now, rate: bounded });
            }
            self.state = LossState::IncreaseUsingPadding;
        } else if is_below_limits {
            if self.state != LossState::Decreasing {
                self.hold = Hold {
                    until: Some(now + self.hold.duration),
                    duration: (self.hold.duration * HOLD_FACTOR).min(MAX_HOLD),
                    rate: bounded,
                };
            }
            self.state = LossState::Decreasing;
        } else {
            self.hold = Hold::none();
            self.state = LossState::DelayBased;
        }
        self.result = bounded;
        let is_window_over =
            self.recovering_since.is_none_or(|since| since + INCREASE_WINDOW < now);
        if self.is_loss_limited() && is_window_over {
            let limit = best.bandwidth.scaled(MAX_INCREASE_FACTOR);
            self.window_limit = limit.max(CONGESTION_CONTROLLER_MIN);
            self.recovering_since = Some(now);
        }
    }

    /// One step of Newton's method towards the inherent loss under which the observations are
    /// likeliest.
    fn fit(&self, channel: &mut Channel) {
        let mut first = 0.0;
        let mut second = 0.0;
        for (weight, observation) in self.observations.weighted() {
            let probability = channel.loss_probability(observation.rate);
            let lost = observation.lost_bytes / 1_000.0;
            let received = (observation.bytes - observation.lost_bytes) / 1_000.0;
            let kept = 1.0 - probability;
            first += weight * (lost / probability - received / kept);
            second -= weight * (lost / (probability * probability) + received / (kept * kept));
        }
        if second < 0.0 {
            let loss = channel.inherent_loss - NEWTON_STEP * first / second;
            channel.inherent_loss = channel.feasible(loss);
        }
    }

    /// The likelihood of the observations, with a preference for high bandwidths as long as the loss
    /// is low.
    fn objective(&self, channel: &Channel) -> f64 {
        let bias = self.bias(channel.bandwidth);
        self.observations
            .weighted()
            .map(|(weight, observation)| {
                let probability = channel.loss_probability(observation.rate);
                let lost = observation.lost_bytes / 1_000.0;
                let all = observation.bytes / 1_000.0;
                let likelihood = lost * probability.ln() + (all - lost) * (1.0 - probability).ln();
                weight * (likelihood + bias * all)
            })
            .sum()
    }

    fn bias(&self, bandwidth: Bitrate) -> f64 {
        let margin = BIAS_LOSS_THRESHOLD - self.observations.average_loss();
        let preference = margin / (BIAS_SMOOTHING + margin.abs());
        let kbps = bandwidth.kbps_f64();
        preference * (LINEAR_BIAS * kbps + LOG_BIAS * kbps.ln_1p())
    }

    fn is_loss_limited(&self) -> bool {
        self.state != LossState::DelayBased
    }

    fn is_rising(&self, old: Bitrate, new: Bitrate) -> bool {
        self.is_loss_limited()
            && (old < new || (old == new && self.state == LossState::IncreaseUsingPadding))
    }

    fn may_keep_increasing(&self, rate: Bitrate) -> bool {
        self.state != LossState::IncreaseUsingPadding
            || self.is_padding(self.observations.last_sent())
            || self.padding.is_none_or(|padding| padding.rate < rate)
    }

    fn is_padding(&self, now: Timestamp) -> bool {
        self.padding.is_some_and(|padding| padding.since + PADDING_DURATION >= now)
    }

    fn candidate_limit(&self) -> Bitrate {
        if self.is_loss_limited() && self.window_limit.is_limited() {
            self.window_limit
        } else {
            self.max
        }
    }

    fn instant_upper(&self) -> Bitrate {
        let excess = self.observations.average_loss() - UPPER_BOUND_LOSS_OFFSET;
        if excess > 0.0 { rate_of(UPPER_BOUND_BALANCE_BPS / excess) } else { self.max }
    }

    fn instant_lower(&self) -> Bitrate {
        self.acknowledged.unwrap_or_default().max(self.min)
    }
}

impl Channel {
    fn loss_probability(&self, rate: Bitrate) -> f64 {
        let mut probability = self.inherent_loss.clamp(0.0, 1.0);
        if rate > self.bandwidth {
            let excess = (rate.bps_f64() - self.bandwidth.bps_f64()) / rate.bps_f64();
            probability += (1.0 - probability) * excess;
        }
        probability.clamp(MIN_PROBABILITY, 1.0 - MIN_PROBABILITY)
    }

    /// A slow link may lose more without being congested.
    fn feasible(&self, loss: f64) -> f64 {
        let upper = if self.bandwidth == Bitrate::ZERO {
            1.0
        } else {
            (INHERENT_LOSS_OFFSET + UPPER_BOUND_BALANCE_BPS / self.bandwidth.bps_f64()).min(1.0)
        };
        loss.max(MIN_INHERENT_LOSS).min(upper)
    }
}

impl Hold {
    const fn none() -> Self {
        Self { until: None, duration: INITIAL_HOLD, rate: UNLIMITED }
    }
}

const MIN_OBSERVATIONS: u64 = 3;
const CANDIDATE_FACTORS: [f64; 3] = [1.02, 1.0, 0.95];
const INITIAL_INHERENT_LOSS: f64 = 0.01;
const MIN_INHERENT_LOSS: f64 = 0.001;
const INHERENT_LOSS_OFFSET: f64 = 0.05;
const UPPER_BOUND_LOSS_OFFSET: f64 = 0.05;
const UPPER_BOUND_BALANCE_BPS: f64 = 100_000.0;
const LINEAR_BIAS: f64 = 0.000_2;
const LOG_BIAS: f64 = 0.02;
const BIAS_LOSS_THRESHOLD: f64 = 0.2;
const BIAS_SMOOTHING: f64 = 0.002;
const NEWTON_STEP: f64 = 0.75;
const MIN_PROBABILITY: f64 = 1e-6;
const RAMPUP_FACTOR: f64 = 1.5;
const RAMPUP_FACTOR_IN_HOLD: f64 = 1.2;
const RAMPUP_HOLD_THRESHOLD: f64 = 1.3;
const MAX_INCREASE_FACTOR: f64 = 1.3;
const INCREASE_WINDOW: Duration = Duration::from_millis(300);
const INITIAL_HOLD: Duration = Duration::from_millis(300);
const HOLD_FACTOR: u32 = 2;
const MAX_HOLD: Duration = Duration::from_secs(60);
const PADDING_DURATION: Duration = Duration::from_secs(2);
