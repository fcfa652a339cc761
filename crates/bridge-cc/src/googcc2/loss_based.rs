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
            None if delay_limit.has_limit() => {
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
        let delay = (self.delay_limit.has_limit() && self.delay_limit > best.bandwidth)
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
            let is_near_hold = self.hold.rate.has_limit()
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
        if self.is_loss_limited() && self.window_limit.has_limit() {
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

#[cfg(test)]
mod tests {
    use bridge_units::DataSize;

    use super::*;
    use crate::sent_packets::{ReceiveTime, SentPacket};

    const OBSERVATION: Duration = Duration::from_millis(250);
    const PACKET: u64 = 15_000;

    fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    struct Fixture {
        estimator: LossBasedEstimator,
        now: Timestamp,
        sequence: i64,
        delay_limit: Bitrate,
        is_application_limited: bool,
    }

    impl Fixture {
        fn new() -> Self {
            let mut estimator = LossBasedEstimator::new();
            estimator.set_limits(kbps(1), kbps(1_000_000));
            let now = Timestamp::from_millis(1_000);
            let delay_limit = kbps(5_000);
            Self { estimator, now, sequence: 0, delay_limit, is_application_limited: false }
        }

        /// Starts at `rate`, with the delay allowing much more.
        fn at(rate: Bitrate) -> Self {
            let mut fixture = Self::new();
            fixture.estimator.set_estimate(rate);
            fixture
        }

        fn result(&mut self, sent: Timestamp, size: u64, is_lost: bool) -> PacketResult {
            self.sequence += 1;
            let size = DataSize::from_bytes(size);
            PacketResult {
                packet: SentPacket { sequence: self.sequence, size, sent, probe: None },
                received: (!is_lost).then_some(ReceiveTime::from_micros(0)),
                was_lost: false,
            }
        }

        /// Ten packets, of which `lost` are lost, over one observation.
        fn observe(&mut self, lost: usize) {
            self.observe_sized(PACKET / 5, lost);
        }

        fn observe_sized(&mut self, size: u64, lost: usize) {
            let results: Vec<_> = (0..10)
                .map(|n| {
                    let sent = self.now + OBSERVATION * u32::try_from(n).unwrap() / 9;
                    self.result(sent, size, n < lost)
                })
                .collect();
            self.now += OBSERVATION;
            self.feed(&results);
        }

        fn feed(&mut self, results: &[PacketResult]) {
            self.estimator.update(results, self.delay_limit, self.is_application_limited);
        }

        fn rate(&self) -> Bitrate {
            self.estimator.result().0
        }

        fn state(&self) -> LossState {
            self.estimator.result().1
        }
    }

    #[test]
    fn three_observations_make_it_ready() {
        let mut fixture = Fixture::new();
        for n in 0..3 {
            assert!(!fixture.estimator.is_ready(), "{n}");
            assert_eq!(fixture.state(), LossState::DelayBased);
            fixture.observe(0);
        }
        assert!(fixture.estimator.is_ready());
        assert_eq!(fixture.rate(), kbps(5_000));
    }

    #[test]
    fn short_observations_change_nothing() {
        let mut fixture = Fixture::at(kbps(600));
        (0..4).for_each(|_| fixture.observe(0));
        let before = fixture.rate();
        let results: Vec<_> = (0..10)
            .map(|n| fixture.result(fixture.now + Duration::from_millis(n * 2), PACKET, true))
            .collect();
        fixture.feed(&results);
        assert_eq!(fixture.rate(), before);
        fixture.feed(&[]);
        assert_eq!(fixture.rate(), before);
    }

    #[test]
    fn what_the_delay_allows_is_the_limit() {
        let mut fixture = Fixture::at(kbps(600));
        fixture.delay_limit = kbps(400);
        (0..6).for_each(|_| fixture.observe(0));
        assert_eq!((fixture.rate(), fixture.state()), (kbps(400), LossState::DelayBased));
    }

    #[test]
    fn the_maximum_is_the_limit() {
        let mut fixture = Fixture::at(kbps(600));
        fixture.estimator.set_limits(kbps(1), kbps(1_500));
        for _ in 0..40 {
            fixture.observe(0);
            assert!(fixture.rate() <= kbps(5_000));
        }
        // The caller applies the maximum; here it ends the growth and the loss state.
        assert_eq!(fixture.state(), LossState::DelayBased);
    }

    #[test]
    fn without_loss_the_delay_decides_at_once() {
        let mut fixture = Fixture::at(kbps(600));
        fixture.estimator.set_acknowledged(kbps(600));
        (0..6).for_each(|_| fixture.observe(0));
        assert_eq!(fixture.state(), LossState::DelayBased);
        assert_eq!(fixture.rate(), kbps(5_000));
    }

    #[test]
    fn total_loss_falls_to_what_is_fair() {
        let mut fixture = Fixture::at(kbps(600));
        (0..10).for_each(|_| fixture.observe(10));
        // 100 kbit/s / (1 - 0.05)
        assert!(fixture.rate() <= kbps(106), "{:?}", fixture.rate());
        assert_eq!(fixture.state(), LossState::Decreasing);
    }

    #[test]
    fn it_falls_a_twentieth_at_a_time_if_nothing_else_is_known() {
        let mut fixture = Fixture::at(kbps(380));
        // 240 kbit/s, so that every candidate explains the loss equally, and with so much of it the
        // lowest is preferred.
        (0..3).for_each(|_| fixture.observe_sized(750, 3));
        // 0.95^3 of it; what is fair with 30 % of loss, 400 kbit/s, does not matter.
        let rate = fixture.rate().bps();
        assert!(rate.abs_diff(325_802) <= 3, "{rate}");
    }

    #[test]
    fn inherent_loss_converges_to_the_loss() {
        let mut fixture = Fixture::at(kbps(600));
        (0..10).for_each(|_| fixture.observe(1));
        // More bandwidth than is used: all loss is inherent, and 15 % would be feasible.
        let mut channel = Channel { bandwidth: kbps(1_000), inherent_loss: 0.01 };
        (0..50).for_each(|_| fixture.estimator.fit(&mut channel));
        assert!((channel.inherent_loss - 0.1).abs() < 0.001, "{channel:?}");
    }

    #[test]
    fn it_falls_no_lower_than_what_gets_through() {
        let mut fixture = Fixture::at(kbps(1_000));
        fixture.estimator.set_acknowledged(kbps(700));
        for _ in 0..20 {
            fixture.observe(5);
            assert!(fixture.rate() >= kbps(700), "{:?}", fixture.rate());
        }
        assert_eq!(fixture.rate(), kbps(700));
    }

    #[test]
    fn growth_after_loss_is_bounded_by_what_gets_through() {
        let mut fixture = Fixture::at(kbps(600));
        fixture.estimator.set_acknowledged(kbps(300));
        (0..8).for_each(|_| fixture.observe(5));
        assert_eq!(fixture.state(), LossState::Decreasing);
        let low = fixture.rate();
        for _ in 0..30 {
            fixture.observe(0);
            if fixture.state() == LossState::DelayBased {
                break;
            }
            let limit = low.max(kbps(450)).plus(Bitrate::from_bps(1));
            assert!(fixture.rate() <= limit, "{:?}", fixture.rate());
        }
    }

    #[test]
    fn growth_soon_after_a_hold_is_slower() {
        let mut fixture = Fixture::at(kbps(600));
        fixture.estimator.set_acknowledged(kbps(300));
        (0..4).for_each(|_| fixture.observe(5));
        let hold = fixture.estimator.hold;
        assert!(hold.rate.has_limit() && kbps(300) < hold.rate.scaled(RAMPUP_HOLD_THRESHOLD));
        let best = Channel { bandwidth: kbps(200), inherent_loss: 0.0 };
        let winner = Channel { bandwidth: kbps(2_000), ..best };
        fixture.estimator.recovering_since = None;
        assert_eq!(fixture.estimator.restrain(best, winner).bandwidth, kbps(360));
        fixture.estimator.hold.rate = kbps(100);
        assert_eq!(fixture.estimator.restrain(best, winner).bandwidth, kbps(450));
    }

    #[test]
    fn holds_double() {
        let mut fixture = Fixture::at(kbps(600));
        fixture.estimator.set_acknowledged(kbps(300));
        let mut durations = vec![];
        for _ in 0..4 {
            // Enter the state anew each time.
            fixture.estimator.state = LossState::IncreaseUsingPadding;
            let best = Channel { bandwidth: kbps(400), inherent_loss: 0.01 };
            fixture.estimator.result = kbps(500);
            fixture.estimator.delay_limit = kbps(5_000);
            fixture.estimator.conclude(best, kbps(400));
            durations.push(fixture.estimator.hold.duration.as_millis());
        }
        assert_eq!(durations, [600, 1_200, 2_400, 4_800]);
        fixture.estimator.hold.duration = Duration::from_secs(50);
        fixture.estimator.result = kbps(500);
        fixture.estimator.state = LossState::IncreaseUsingPadding;
        let best = Channel { bandwidth: kbps(400), inherent_loss: 0.01 };
        fixture.estimator.conclude(best, kbps(400));
        assert_eq!(fixture.estimator.hold.duration, MAX_HOLD);
    }

    #[test]
    fn a_held_rate_does_not_grow() {
        let mut fixture = Fixture::at(kbps(600));
        fixture.estimator.set_acknowledged(kbps(300));
        (0..4).for_each(|_| fixture.observe(5));
        assert_eq!(fixture.state(), LossState::Decreasing);
        let until = fixture.estimator.hold.until.unwrap();
        let held = fixture.estimator.hold.rate;
        while fixture.now + OBSERVATION < until {
            fixture.observe(0);
            assert!(fixture.rate() <= held);
        }
    }

    #[test]
    fn recovery_goes_through_padding_to_the_delay() {
        let mut fixture = Fixture::at(kbps(600));
        fixture.delay_limit = kbps(1_200);
        fixture.estimator.set_acknowledged(kbps(500));
        (0..6).for_each(|_| fixture.observe(4));
        assert_eq!(fixture.state(), LossState::Decreasing);
        let mut states = vec![fixture.state()];
        for _ in 0..120 {
            fixture.estimator.set_acknowledged(fixture.rate());
            fixture.observe(0);
            if states.last() != Some(&fixture.state()) {
                states.push(fixture.state());
            }
        }
        assert!(states.contains(&LossState::IncreaseUsingPadding), "{states:?}");
        assert_eq!(fixture.state(), LossState::DelayBased);
        assert_eq!(fixture.rate(), kbps(1_200));
    }

    #[test]
    fn one_spike_does_not_count() {
        let mut fixture = Fixture::at(kbps(600));
        (0..3).for_each(|_| fixture.observe(0));
        fixture.observe(8);
        (0..2).for_each(|_| fixture.observe(0));
        assert!(fixture.estimator.average_loss() < 1e-9, "{}", fixture.estimator.average_loss());
        assert_eq!(fixture.state(), LossState::DelayBased);
    }

    #[test]
    fn a_spike_that_we_sent_counts() {
        let mut fixture = Fixture::at(kbps(600));
        (0..3).for_each(|_| fixture.observe(0));
        fixture.observe_sized(PACKET, 8);
        (0..2).for_each(|_| fixture.observe(0));
        assert!(fixture.estimator.average_loss() > 0.2, "{}", fixture.estimator.average_loss());
    }

    #[test]
    fn a_packet_of_the_next_report_is_not_lost() {
        let mut fixture = Fixture::at(kbps(600));
        let mut late = fixture.result(fixture.now, PACKET, true);
        fixture.feed(&[late]);
        late.received = Some(ReceiveTime::from_micros(1));
        late.was_lost = true;
        let end = fixture.result(fixture.now + OBSERVATION, PACKET, false);
        fixture.feed(&[late, end]);
        let (_, observation) = fixture.estimator.observations.weighted().next().unwrap();
        assert_eq!((observation.bytes, observation.lost_bytes), (30_000.0, 0.0));
    }

    #[test]
    fn old_observations_weigh_less() {
        let mut fixture = Fixture::at(kbps(600));
        (0..40).for_each(|n| fixture.observe(n % 3));
        let weights: Vec<_> = fixture.estimator.observations.weighted().map(|it| it.0).collect();
        assert_eq!(weights.len(), 15);
        assert!((weights[14] - 0.9_f64.powi(14)).abs() < 1e-9);
    }
}
