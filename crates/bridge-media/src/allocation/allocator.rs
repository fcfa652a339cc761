use std::sync::Arc;
use std::time::Duration;

use bridge_units::{Bitrate, EndpointId, SourceId, Timestamp};

use super::candidate::CandidateSource;
use super::config::AllocationConfig;
use super::distribution::{Contender, Distribution, Spending};
use super::last_n::LastN;
use super::outcome::{Allocation, AllocationChange, AllocationReason, SourceAllocation};
use super::priority::{Priority, Ranked};
use super::selection::{self, Choice};
use super::settings::{AllocationSettings, Wishes};
use super::snapshot::AllocationSnapshot;
use crate::layer_index::LayerIndex;
use crate::source_layers::SourceLayers;

/// Decides what one receiver gets, and when to think about it again (JVB: `BandwidthAllocator`).
///
/// Whoever holds it tells it what happens, and calls [`Self::allocate`] when [`Self::poll_timeout`]
/// is reached, which is at once after most events.
#[derive(Debug)]
pub struct BandwidthAllocator {
    receiver: EndpointId,
    config: Arc<AllocationConfig>,
    settings: AllocationSettings,
    wishes: Wishes,
    bridge_last_n: LastN,
    supports_rtx: bool,
    newest_estimate: Option<Bitrate>,
    /// The one that the last run took.
    estimate: Option<Bitrate>,
    first_video: Option<Timestamp>,
    due: Option<AllocationTrigger>,
    last_run: Timestamp,
    last_trigger: Option<AllocationTrigger>,
    runs: u64,
    oversent: Duration,
    current: Allocation,
    previous: Allocation,
    priority: Priority,
    distribution: Distribution,
    choices: Vec<Choice>,
}

/// Why a run was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AllocationTrigger {
    /// The receiver wants something else, or the bridge limits it otherwise.
    Settings,
    /// The estimate has changed by more than the threshold.
    Estimate,
    /// Sources came, went, changed their type or their order.
    Sources,
    /// A source has other layers, or sends on other ones.
    Layering,
    /// Rates change all the time.
    Periodic,
}

impl BandwidthAllocator {
    /// For a receiver that has not said anything yet.
    pub fn new(receiver: EndpointId, config: Arc<AllocationConfig>, now: Timestamp) -> Self {
        let settings = AllocationSettings::new(&config);
        Self {
            wishes: Wishes::new(&settings),
            settings,
            bridge_last_n: config.bridge_last_n,
            receiver,
            config,
            supports_rtx: false,
            newest_estimate: None,
            estimate: None,
            first_video: None,
            due: None,
            last_run: now,
            last_trigger: None,
            runs: 0,
            oversent: Duration::ZERO,
            current: Allocation::default(),
            previous: Allocation::default(),
            priority: Priority::default(),
            distribution: Distribution::default(),
            choices: Vec::new(),
        }
    }

    /// What the receiver wants now; answers whether that is something else.
    pub fn set_settings(&mut self, settings: AllocationSettings) -> bool {
        let is_change = settings != self.settings;
        if is_change {
            self.wishes = Wishes::new(&settings);
            self.settings = settings;
            self.make_due(AllocationTrigger::Settings);
        }
        is_change
    }

    /// The bridge's own limit for all receivers, which depends on its load.
    pub fn set_bridge_last_n(&mut self, last_n: LastN) {
        if last_n != self.bridge_last_n {
            self.bridge_last_n = last_n;
            self.make_due(AllocationTrigger::Settings);
        }
    }

    /// Whether the receiver understands retransmissions. The bridge probes with those, so without
    /// them the estimate does not grow, and is not believed.
    pub fn set_supports_rtx(&mut self, supports_rtx: bool) {
        self.supports_rtx = supports_rtx;
    }

    /// A packet of video was forwarded to the receiver; only the first counts.
    pub fn handle_video_forwarded(&mut self, now: Timestamp) {
        self.first_video.get_or_insert(now);
    }

    /// There is a new estimate.
    ///
    /// Differs from JVB: a change below the threshold causes no run either, but the next run takes
    /// it into account (JVB keeps the estimate of the last reaction). Otherwise an estimate just
    /// above the ideal rate, where probing stops, may stay unused for ever.
    pub fn handle_estimate(&mut self, estimate: Bitrate) {
        self.newest_estimate = Some(estimate);
        let is_change = self.estimate.is_none_or(|old| {
            let difference = old.bps().abs_diff(estimate.bps());
            is_above(difference, self.config.bwe_change_threshold, old)
        });
        if is_change {
            self.make_due(AllocationTrigger::Estimate);
        }
    }

    /// Sources came, went, changed their type, or the order of speakers changed.
    pub fn handle_sources_changed(&mut self) {
        self.make_due(AllocationTrigger::Sources);
    }

    /// A source that the receiver may get has other layers, or sends on other ones.
    pub fn handle_layering_changed(&mut self) {
        self.make_due(AllocationTrigger::Layering);
    }

    /// Allocates among `candidates`, which are in the order of speech. The outcome is in
    /// [`Self::allocation`].
    pub fn allocate(
        &mut self,
        now: Timestamp,
        candidates: &[CandidateSource<'_>],
    ) -> AllocationChange {
        if self.current.is_oversending {
            self.oversent += now.since(self.last_run);
        }
        self.last_trigger = Some(self.due.take().unwrap_or(AllocationTrigger::Periodic));
        self.last_run = now;
        self.runs += 1;
        self.estimate = self.newest_estimate;
        std::mem::swap(&mut self.current, &mut self.previous);
        self.current.clear();
        self.current.budget = self.budget(now);
        self.priority.rank(candidates, &self.receiver, &self.wishes);
        self.priority.limit(self.effective_last_n());
        self.select_layers(candidates);
        self.distribute(candidates);
        self.current.finish();
        self.current.change_since(&self.previous)
    }

    /// When [`Self::allocate`] is to be called: in the past if it is due.
    pub fn poll_timeout(&self) -> Timestamp {
        match self.due {
            Some(_) => Timestamp::ZERO,
            None => self.last_run + self.longest_pause() + TIMER_SLACK,
        }
    }

    /// The outcome of the last run.
    pub fn allocation(&self) -> &Allocation {
        &self.current
    }

    /// What the targets and ideals take now.
    pub fn snapshot<'a>(
        &self,
        layers_of: impl FnMut(SourceId) -> Option<&'a SourceLayers>,
    ) -> AllocationSnapshot {
        AllocationSnapshot::new(&self.current, &self.config, layers_of)
    }

    /// What the receiver wants.
    pub fn settings(&self) -> &AllocationSettings {
        &self.settings
    }

    /// The estimate of the last run.
    pub fn estimate(&self) -> Option<Bitrate> {
        self.estimate
    }

    /// Whether the estimate limits what the receiver gets.
    pub fn trusts_estimate(&self, now: Timestamp) -> bool {
        let time_with_video = self.first_video.map_or(Duration::ZERO, |first| now.since(first));
        self.config.trust_bwe
            && self.supports_rtx
            && self.estimate.is_some()
            && time_with_video >= self.config.initial_ignore_bwe_period
    }

    /// Why the last run was due; `None` before the first.
    pub fn last_trigger(&self) -> Option<AllocationTrigger> {
        self.last_trigger
    }

    /// How often it has run.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// For how long the receiver got more than the budget.
    pub fn oversending_time(&self, now: Timestamp) -> Duration {
        let is_oversending = self.current.is_oversending;
        self.oversent + if is_oversending { now.since(self.last_run) } else { Duration::ZERO }
    }

    /// Differs from JVB, which lets what it suspended wait for the next period, too: the rates for
    /// which there was no room may have been those of a key frame.
    fn longest_pause(&self) -> Duration {
        let period = self.config.max_time_between_calculations;
        if self.current.has_suspended_sources { period.min(SUSPENDED_RETRY) } else { period }
    }

    fn make_due(&mut self, trigger: AllocationTrigger) {
        self.due.get_or_insert(trigger);
    }

    fn budget(&self, now: Timestamp) -> Option<Bitrate> {
        let limit = self.config.assumed_bandwidth_limit;
        let assumed = self.settings.assumed_bandwidth.zip(limit).map(|(said, max)| said.min(max));
        assumed.or_else(|| self.estimate.filter(|_| self.trusts_estimate(now)))
    }

    /// JVB counts sources where the configuration says endpoints; so does this.
    fn effective_last_n(&self) -> LastN {
        let size = self.priority.ranked().len() + 1;
        let by_size = self.config.conference_size_limits.limit(size);
        let own = self.settings.last_n.min(self.bridge_last_n);
        own.min(by_size).min(self.config.ssrc_limit)
    }

    /// Makes an entry of the outcome for each source, and contenders of those that are wanted.
    fn select_layers(&mut self, candidates: &[CandidateSource<'_>]) {
        self.distribution.clear();
        for (place, ranked) in self.priority.ranked().iter().enumerate() {
            let candidate = &candidates[ranked.candidate];
            let is_on_stage = ranked.wish.is_on_stage;
            let marks = selection::select(
                &mut self.choices,
                &self.config,
                candidate.layers,
                candidate.video_type,
                ranked.constraints,
                is_on_stage,
            );
            if !self.choices.is_empty() {
                self.distribution.add(place, is_on_stage, marks, &self.choices);
            }
            self.current.sources.push(SourceAllocation {
                source: candidate.id,
                video_type: candidate.video_type,
                effective_constraints: ranked.constraints,
                is_on_stage,
                target: LayerIndex::SUSPENDED,
                target_bitrate: Bitrate::ZERO,
                ideal: LayerIndex::SUSPENDED,
                ideal_bitrate: Bitrate::ZERO,
                reason: ranked.excluded.unwrap_or(AllocationReason::NoLayers),
            });
        }
    }

    fn distribute(&mut self, candidates: &[CandidateSource<'_>]) {
        let budget = self.current.budget.map_or(UNLIMITED, selection::signed_bps);
        let max_oversend = selection::signed_bps(self.config.max_oversend_bitrate);
        let spending = self.distribution.run(budget, max_oversend);
        self.current.passes = spending.passes;
        self.current.is_oversending = spending.is_oversending;
        for (n, (contender, choices)) in self.distribution.contenders().enumerate() {
            let ranked = &self.priority.ranked()[contender.place];
            let candidate = &candidates[ranked.candidate];
            let is_held_up = spending.held_up_at.is_some_and(|at| n > at);
            let entry = &mut self.current.sources[contender.place];
            entry.reason =
                reason(&self.config, candidate, ranked, contender, choices, spending, is_held_up);
            if let Some(ideal) = choices.last() {
                (entry.ideal, entry.ideal_bitrate) = (ideal.index, ideal.bitrate());
            }
            match contender.target().and_then(|target| choices.get(target)) {
                Some(target) => {
                    (entry.target, entry.target_bitrate) = (target.index, target.bitrate());
                }
                None => {
                    let is_sent = choices.first().is_some_and(|first| first.rate > 0);
                    self.current.has_suspended_sources |= is_sent;
                }
            }
        }
    }
}

fn reason(
    config: &AllocationConfig,
    candidate: &CandidateSource<'_>,
    ranked: &Ranked,
    contender: &Contender,
    choices: &[Choice],
    spending: Spending,
    is_held_up: bool,
) -> AllocationReason {
    let is_ideal = contender.target().is_some_and(|target| target + 1 == choices.len());
    let max_height = ranked.constraints.max_height;
    if !selection::is_active(config, candidate.layers) {
        AllocationReason::NoActiveLayer
    } else if contender.oversends && spending.is_oversending {
        AllocationReason::OversendingOnStage
    } else if is_ideal && selection::exceeds_height(config, candidate.layers, max_height) {
        AllocationReason::LimitedByHeight
    } else if is_ideal {
        AllocationReason::Ideal
    } else if is_held_up {
        AllocationReason::BehindOnStage
    } else if contender.target().is_none() {
        AllocationReason::SuspendedByBandwidth
    } else {
        AllocationReason::LimitedByBandwidth
    }
}

/// Whether `difference` is more than `share` of `whole`.
fn is_above(difference: u64, share: f64, whole: Bitrate) -> bool {
    // Rates are far below 2^53, so the conversions are exact.
    #[expect(clippy::cast_precision_loss, reason = "no rate is that high")]
    let (difference, whole) = (difference as f64, whole.bps() as f64);
    difference > whole * share
}

/// Rates are measured over a second, and told once a second.
const SUSPENDED_RETRY: Duration = Duration::from_secs(1);

/// No budget: more than all layers of a conference together.
const UNLIMITED: i64 = i64::MAX / 2;
/// JVB's timer looks a little after the period, so that it does not come just too early.
const TIMER_SLACK: Duration = Duration::from_millis(5);
