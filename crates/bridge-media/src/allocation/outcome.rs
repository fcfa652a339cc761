use std::fmt;

use bridge_units::{Bitrate, SourceId};
use rustc_hash::FxHashMap;

use super::constraints::{MaxHeight, VideoConstraints};
use crate::layer_index::LayerIndex;
use crate::source::VideoType;

/// What one receiver gets (JVB: `BandwidthAllocation`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allocation {
    /// All sources but the receiver's own, most wanted first.
    pub sources: Vec<SourceAllocation>,
    /// What there was to give; `None` for no limit.
    pub budget: Option<Bitrate>,
    /// What the targets take.
    pub target_bitrate: Bitrate,
    /// What the ideal layers would take.
    pub ideal_bitrate: Bitrate,
    /// Whether the targets exceed the budget, for a screen on stage.
    pub is_oversending: bool,
    /// Whether something that is sent and wanted gets nothing.
    pub has_suspended_sources: bool,
    /// Rounds of distribution; a measure of the work.
    pub passes: u32,
    places: FxHashMap<SourceId, u32>,
}

/// What one receiver gets of one source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceAllocation {
    /// Which one.
    pub source: SourceId,
    /// What it showed at the time.
    pub video_type: VideoType,
    /// What is wanted of it, after last-n.
    pub effective_constraints: VideoConstraints,
    /// Whether the receiver has it on stage.
    pub is_on_stage: bool,
    /// The layer to forward; suspended if none.
    pub target: LayerIndex,
    /// What that layer took at the time.
    pub target_bitrate: Bitrate,
    /// The layer with an unlimited budget; suspended if none.
    pub ideal: LayerIndex,
    /// What that layer took at the time.
    pub ideal_bitrate: Bitrate,
    /// Why it is this target.
    pub reason: AllocationReason,
}

/// Why a source has its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AllocationReason {
    /// The best layer that is sent.
    Ideal,
    /// The best layer within the wanted height; higher ones are sent.
    LimitedByHeight,
    /// The budget does not reach for the next layer.
    LimitedByBandwidth,
    /// The budget does not reach for any layer.
    SuspendedByBandwidth,
    /// A source on stage before it is not yet as good as is preferred, and takes all.
    BehindOnStage,
    /// A screen on stage, beyond the budget.
    OversendingOnStage,
    /// Its sender has turned it off.
    VideoDisabled,
    /// Too many come before it.
    NotInLastN,
    /// The receiver does not want it.
    DisabledByConstraint,
    /// Nothing is known of its layers.
    NoLayers,
    /// Nothing is sent now; the target is a guess for the time it begins.
    NoActiveLayer,
}

/// What a run changed, and thus what is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocationChange {
    /// Targets differ: projections are to be told.
    pub targets: bool,
    /// The set of forwarded sources differs: the receiver is to be told (`ForwardedSources`).
    pub forwarded_sources: bool,
    /// The effective constraints differ: [`super::SenderConstraints`] is to be told.
    pub effective_constraints: bool,
}

impl Allocation {
    /// What the receiver gets of a source; `None` if the source was not there.
    pub fn source(&self, id: SourceId) -> Option<&SourceAllocation> {
        let place = *self.places.get(&id)?;
        self.sources.get(usize::try_from(place).ok()?)
    }

    /// The sources with a target, most wanted first.
    pub fn forwarded_sources(&self) -> impl Iterator<Item = SourceId> + '_ {
        self.sources.iter().filter(|source| source.is_forwarded()).map(|source| source.source)
    }

    /// How much the receiver wants of each source, for [`super::SenderConstraints`].
    pub fn effective_heights(&self) -> impl Iterator<Item = (SourceId, MaxHeight)> + '_ {
        let height = |source: &SourceAllocation| source.effective_constraints.max_height;
        self.sources.iter().map(move |source| (source.source, height(source)))
    }

    /// Whether some source has a better layer than its target.
    pub fn has_non_ideal_layer(&self) -> bool {
        self.sources
            .iter()
            .any(|source| !source.ideal.is_suspended() && source.ideal != source.target)
    }

    pub(super) fn clear(&mut self) {
        let Self { mut sources, mut places, .. } = std::mem::take(self);
        sources.clear();
        places.clear();
        *self = Self { sources, places, ..Self::default() };
    }

    /// Sums up, once all sources have their targets.
    pub(super) fn finish(&mut self) {
        let sum = |rate: fn(&SourceAllocation) -> Bitrate| {
            let sum = self.sources.iter().fold(0, |sum: u64, s| sum.saturating_add(rate(s).bps()));
            Bitrate::from_bps(sum)
        };
        self.target_bitrate = sum(|source| source.target_bitrate);
        self.ideal_bitrate = sum(|source| source.ideal_bitrate);
        for (place, source) in (0..).zip(&self.sources) {
            self.places.insert(source.source, place);
        }
    }

    pub(super) fn change_since(&self, old: &Self) -> AllocationChange {
        let mut change = AllocationChange::default();
        let is_same_size = self.sources.len() == old.sources.len();
        change.targets = !is_same_size || self.is_oversending != old.is_oversending;
        change.effective_constraints = !is_same_size;
        let is_same_count = self.forwarded_sources().count() == old.forwarded_sources().count();
        change.forwarded_sources = !is_same_count;
        for source in &self.sources {
            let before = old.source(source.source);
            let has_same_target = before.is_some_and(|before| {
                (before.target, before.video_type) == (source.target, source.video_type)
            });
            change.targets |= !has_same_target;
            let was_forwarded = before.is_some_and(SourceAllocation::is_forwarded);
            change.forwarded_sources |= source.is_forwarded() != was_forwarded;
            let constraints = before.map(|before| before.effective_constraints);
            change.effective_constraints |= constraints != Some(source.effective_constraints);
        }
        change
    }
}

impl SourceAllocation {
    /// Whether anything of it is forwarded.
    pub fn is_forwarded(&self) -> bool {
        !self.target.is_suspended()
    }
}

impl AllocationChange {
    /// Whether there is anything to do.
    pub fn is_any(self) -> bool {
        self != Self::default()
    }
}

impl AllocationReason {
    /// A short name for the debug state.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ideal => "ideal",
            Self::LimitedByHeight => "limited_by_height",
            Self::LimitedByBandwidth => "limited_by_bandwidth",
            Self::SuspendedByBandwidth => "suspended_by_bandwidth",
            Self::BehindOnStage => "behind_on_stage",
            Self::OversendingOnStage => "oversending_on_stage",
            Self::VideoDisabled => "video_disabled",
            Self::NotInLastN => "not_in_last_n",
            Self::DisabledByConstraint => "disabled_by_constraint",
            Self::NoLayers => "no_layers",
            Self::NoActiveLayer => "no_active_layer",
        }
    }
}

impl fmt::Display for AllocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
