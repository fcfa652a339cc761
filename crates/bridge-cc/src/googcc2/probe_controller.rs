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
    /// Loss, but none now.
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

    /// What the receiver would like to get; zero if it is not known.
    pub(crate) fn set_demand(&mut self, demand: Bitrate) {
        self.demand.bitrate = demand;
    }

    pub(crate) fn demand(&self) -> Bitrate {
        self.demand.bitrate
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
            let rate = estimate.scaled(FURTHER_SCALE).min(self.demand.ceiling());
            if rate > estimate {
                return self.probe(now, [Some(rate), None], true);
            }
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

    /// The link was seen to take this a moment ago, and nothing waits now. A drop far below it, as
    /// when the sender or the receiver had no processor for a while, need not last.
    ///
    /// Differs from JVB, where only a link that is used little is probed after a drop.
    pub(crate) fn on_known_capacity(&mut self, now: Timestamp, capacity: Bitrate) -> Probes {
        let rate = capacity.scaled(DROP_PROBE_SCALE);
        let may_probe = matches!(self.limited_by, LimitedBy::Delay | LimitedBy::LossIncreasing);
        let last_change = self.last_probing.max(self.last_large_drop.map(|drop| drop.time));
        let is_due = last_change.is_none_or(|last| now - last >= MIN_CAPACITY_INTERVAL);
        let is_wanted = self.estimate < self.demand.bitrate;
        if self.state != State::Complete || !may_probe || !is_due || !is_wanted {
            return NO_PROBES;
        }
        if self.estimate >= capacity.scaled(LARGE_DROP) {
            return NO_PROBES;
        }
        self.probe(now, [Some(rate.min(self.demand.ceiling())), None], false)
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
        let rate = self.estimate.scaled(DEMAND_SCALE).min(self.demand.ceiling());
        let may_probe_further = rate < self.demand.ceiling();
        let probes = self.probe(now, [Some(rate), None], may_probe_further);
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
        let interval = self.demand.interval_at(self.estimate);
        last_change.is_none_or(|last| now - last >= interval)
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
        let waited = self.interval_at(estimate);
        self.interval = waited.mul_f64(DEMAND_BACKOFF).min(MAX_DEMAND_INTERVAL);
        self.tried_from = Some(estimate);
    }

    /// More than this is of no use; unlimited if it is not known what is.
    fn ceiling(&self) -> Bitrate {
        if self.bitrate == Bitrate::ZERO { UNLIMITED } else { self.bitrate.scaled(DEMAND_MARGIN) }
    }

    /// Once a try helped, the next one need not wait for long.
    fn interval_at(&self, estimate: Bitrate) -> Duration {
        let helped = self.tried_from.is_none_or(|before| estimate > before.scaled(DEMAND_PROGRESS));
        if helped { DEMAND_INTERVAL } else { self.interval }
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
const MIN_CAPACITY_INTERVAL: Duration = Duration::from_secs(1);
const UNCERTAINTY: f64 = 0.05;
const ALR_ENDED_TIMEOUT: Duration = Duration::from_secs(3);
/// As LiveKit's regulator: longer than a probe disturbs what it measures.
const DEMAND_INTERVAL: Duration = Duration::from_secs(3);
/// Short enough that free bandwidth is found within 15 s whenever it comes, also if one try fails.
const MAX_DEMAND_INTERVAL: Duration = Duration::from_secs(6);
const DEMAND_BACKOFF: f64 = 1.5;
const DEMAND_SCALE: f64 = 2.0;
/// A probe shows up to 5 % less than its rate, and an estimate just at the demand does not hold.
const DEMAND_MARGIN: f64 = 1.2;
/// Less growth than this is what the estimate does by itself.
const DEMAND_PROGRESS: f64 = 1.25;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(100_000);

    fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    fn rates(probes: Probes) -> Vec<u64> {
        probes.into_iter().flatten().map(Bitrate::kbps).collect()
    }

    fn after(millis: u64) -> Timestamp {
        NOW + Duration::from_millis(millis)
    }

    fn started() -> ProbeController {
        let mut controller = ProbeController::new();
        let probes = controller.set_limits(NOW, kbps(300), kbps(10_000));
        assert_eq!(rates(probes), [900, 1_800]);
        controller
    }

    /// Nothing waits for results any more.
    fn settled(estimate: Bitrate) -> ProbeController {
        let mut controller = started();
        controller.set_estimate(after(10), estimate, LimitedBy::Delay);
        assert_eq!(controller.handle_timeout(after(1_001)), NO_PROBES);
        controller
    }

    #[test]
    fn a_result_above_the_threshold_is_probed_further() {
        let mut controller = started();
        // 0.7 * 1800
        let probes = controller.set_estimate(after(100), kbps(1_260), LimitedBy::Delay);
        assert_eq!(rates(probes), []);
        let probes = controller.set_estimate(after(200), kbps(1_800), LimitedBy::Delay);
        assert_eq!(rates(probes), [3_600]);
        let probes = controller.set_estimate(after(300), kbps(8_000), LimitedBy::Delay);
        assert_eq!(rates(probes), [10_000], "no more than the maximum, and then it ends");
        let probes = controller.set_estimate(after(400), kbps(9_000), LimitedBy::Delay);
        assert_eq!(rates(probes), []);
    }

    #[test]
    fn a_late_result_is_not_probed_further() {
        let mut controller = started();
        assert_eq!(controller.handle_timeout(after(1_001)), NO_PROBES);
        let probes = controller.set_estimate(after(1_100), kbps(1_800), LimitedBy::Delay);
        assert_eq!(rates(probes), []);
    }

    #[test]
    fn a_higher_maximum_is_probed_for() {
        let mut controller = settled(kbps(500));
        let probes = controller.set_limits(after(2_000), Bitrate::ZERO, kbps(10_100));
        assert_eq!(rates(probes), [10_100]);
    }

    #[test]
    fn what_limits_the_estimate_limits_probes() {
        for (limited_by, expected) in [
            (LimitedBy::Delay, vec![10_100]),
            (LimitedBy::LossIncreasing, vec![750]),
            (LimitedBy::Loss, vec![]),
            (LimitedBy::DelayIncreased, vec![]),
            (LimitedBy::HighRtt, vec![]),
        ] {
            let mut controller = settled(kbps(500));
            controller.set_estimate(after(1_500), kbps(500), limited_by);
            let probes = controller.set_limits(after(2_000), Bitrate::ZERO, kbps(10_100));
            assert_eq!(rates(probes), expected, "{limited_by:?}");
        }
    }

    #[test]
    fn a_large_drop_is_probed_for_when_little_is_sent() {
        for (is_alr, alr_ended_at, recovers_at, expected) in [
            (true, None, 2_100, vec![425]),
            (false, Some(2_000), 2_100, vec![425]),
            // three seconds later it no longer counts
            (false, Some(2_000), 5_000, vec![]),
            (false, None, 2_100, vec![]),
            // the drop is too old
            (true, None, 7_100, vec![]),
        ] {
            let mut controller = settled(kbps(500));
            controller.set_alr_since(is_alr.then_some(NOW));
            controller.set_estimate(after(2_000), kbps(250), LimitedBy::Delay);
            if let Some(ended) = alr_ended_at {
                controller.on_alr_ended(after(ended));
            }
            let probes = controller.on_recovery(after(recovers_at));
            assert_eq!(rates(probes), expected, "{is_alr} {alr_ended_at:?} {recovers_at}");
            assert_eq!(controller.on_recovery(after(recovers_at + 10)), NO_PROBES, "only once");
        }
    }

    #[test]
    fn a_small_drop_is_not_probed_for() {
        let mut controller = settled(kbps(500));
        controller.set_alr_since(Some(NOW));
        controller.set_estimate(after(2_000), kbps(340), LimitedBy::Delay);
        assert_eq!(controller.on_recovery(after(2_100)), NO_PROBES);
    }

    #[test]
    fn what_the_link_took_before_a_drop_is_tried_once_a_second() {
        let mut controller = settled(kbps(500));
        controller.set_demand(kbps(3_000));
        controller.set_estimate(after(2_000), kbps(60), LimitedBy::Delay);
        let mut try_at =
            |millis, capacity| rates(controller.on_known_capacity(after(millis), kbps(capacity)));
        assert_eq!(try_at(2_900, 480), [], "the drop is too new");
        assert_eq!(try_at(3_000, 90), [], "no large drop");
        assert_eq!(try_at(3_000, 480), [408]);
        assert_eq!(try_at(3_900, 480), []);
        assert_eq!(try_at(4_000, 480), [408]);
        controller.set_estimate(after(5_000), kbps(60), LimitedBy::Loss);
        assert_eq!(controller.on_known_capacity(after(6_000), kbps(480)), NO_PROBES);
        controller.set_estimate(after(6_000), kbps(60), LimitedBy::Delay);
        controller.set_demand(kbps(50));
        assert_eq!(controller.on_known_capacity(after(7_000), kbps(480)), NO_PROBES);
    }

    /// The times in milliseconds and rates of what is tried.
    fn tries(controller: &mut ProbeController, from: u64, to: u64) -> Vec<(u64, u64)> {
        let times = (from..to).step_by(25);
        times
            .flat_map(|millis| {
                let probes = controller.handle_timeout(after(millis));
                rates(probes).into_iter().map(move |rate| (millis, rate))
            })
            .collect()
    }

    #[test]
    fn demand_is_tried_again_and_again() {
        let mut controller = settled(kbps(500));
        assert_eq!(tries(&mut controller, 1_100, 20_000), [], "nobody wants more");
        controller.set_demand(kbps(3_000));
        let tried = tries(&mut controller, 20_000, 41_000);
        let times: Vec<u64> = tried.iter().map(|&(time, _)| time).collect();
        assert_eq!(times, [20_000, 24_500, 30_500, 36_500]);
        assert!(tried.iter().all(|&(_, rate)| rate == 1_000));
        // A try that helps is followed up at once, and the next one comes soon.
        let probes = controller.set_estimate(after(41_000), kbps(950), LimitedBy::Delay);
        assert_eq!(rates(probes), [], "it waited for the result for too long");
        assert_eq!(tries(&mut controller, 41_000, 44_000), [(41_000, 1_900)]);
        let probes = controller.set_estimate(after(44_000), kbps(3_000), LimitedBy::Delay);
        assert_eq!(rates(probes), []);
        assert_eq!(tries(&mut controller, 44_000, 60_000), [], "there is all that is wanted");
    }

    #[test]
    fn probes_for_demand_end_a_little_above_it() {
        let mut controller = settled(kbps(500));
        controller.set_demand(kbps(800));
        assert_eq!(tries(&mut controller, 4_000, 4_100), [(4_000, 960)]);
        let probes = controller.set_estimate(after(4_150), kbps(900), LimitedBy::Delay);
        assert_eq!(rates(probes), []);
    }
}
