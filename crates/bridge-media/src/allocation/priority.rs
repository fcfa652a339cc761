use bridge_units::EndpointId;

use super::candidate::CandidateSource;
use super::constraints::VideoConstraints;
use super::last_n::LastN;
use super::outcome::AllocationReason;
use super::settings::{Wish, Wishes};

/// The sources in the order in which a receiver wants them (JVB: `prioritize`), with what is wanted
/// of each (JVB: `getEffectiveConstraints`). Kept between runs for its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Priority {
    ranked: Vec<Ranked>,
}

/// A source in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranked {
    /// Its place among the candidates.
    pub(super) candidate: usize,
    pub(super) wish: Wish,
    /// What is wanted of it after last-n.
    pub(super) constraints: VideoConstraints,
    /// Why nothing is, if so.
    pub(super) excluded: Option<AllocationReason>,
    rank: Rank,
}

/// Selected ones in the order of selection, then the rest in the order of speech, then those that
/// are off: selected or not, they never precede another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Selected(usize),
    Enabled,
    Disabled,
}

impl Priority {
    /// Orders all but the sources of `receiver`.
    pub(super) fn rank(
        &mut self,
        candidates: &[CandidateSource<'_>],
        receiver: &EndpointId,
        wishes: &Wishes,
    ) {
        self.ranked.clear();
        let others = candidates.iter().enumerate().filter(|(_, source)| source.owner != receiver);
        self.ranked.extend(others.map(|(candidate, source)| {
            let wish = wishes.of(source.name);
            let rank = match wish.selected {
                _ if !source.video_type.is_enabled() => Rank::Disabled,
                Some(place) => Rank::Selected(place),
                None => Rank::Enabled,
            };
            let constraints = wish.constraints;
            Ranked { candidate, wish, constraints, excluded: None, rank }
        }));
        self.ranked.sort_unstable_by_key(|ranked| (ranked.rank, ranked.candidate));
    }

    /// Takes away what last-n does not allow. Sources that are not wanted use none of it up.
    pub(super) fn limit(&mut self, last_n: LastN) {
        let mut count = 0;
        for ranked in &mut self.ranked {
            ranked.excluded = if ranked.rank == Rank::Disabled {
                Some(AllocationReason::VideoDisabled)
            } else if !last_n.allows_after(count) {
                Some(AllocationReason::NotInLastN)
            } else if ranked.constraints.is_disabled() {
                // What the receiver said stays, also if only its frame rate is zero.
                ranked.excluded = Some(AllocationReason::DisabledByConstraint);
                continue;
            } else {
                count += 1;
                None
            };
            if ranked.excluded.is_some() {
                ranked.constraints = VideoConstraints::NOTHING;
            }
        }
    }

    pub(super) fn ranked(&self) -> &[Ranked] {
        &self.ranked
    }
}
