use super::selection::{Choice, Marks};

/// Sources that compete for a budget (JVB: `BandwidthAllocator.allocate`). Kept between runs for its
/// memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Distribution {
    contenders: Vec<Contender>,
    choices: Vec<Choice>,
}

/// A source that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contender {
    /// Its place among all sources of the outcome.
    pub(super) place: usize,
    pub(super) is_on_stage: bool,
    pub(super) is_first: bool,
    marks: Marks,
    first_choice: usize,
    choice_count: usize,
    /// Its place among its choices; `None` is less than each.
    target: Option<usize>,
    /// Whether its target exceeds the budget.
    pub(super) oversends: bool,
}

/// How the budget was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spending {
    pub(super) is_oversending: bool,
    pub(super) passes: u32,
    /// The contender that kept the rest from those after it.
    pub(super) held_up_at: Option<usize>,
}

impl Distribution {
    pub(super) fn clear(&mut self) {
        self.contenders.clear();
        self.choices.clear();
    }

    /// Adds a source after those that come before it.
    pub(super) fn add(
        &mut self,
        place: usize,
        is_on_stage: bool,
        marks: Marks,
        choices: &[Choice],
    ) {
        self.contenders.push(Contender {
            place,
            is_on_stage,
            is_first: place == 0,
            marks,
            first_choice: self.choices.len(),
            choice_count: choices.len(),
            target: None,
            oversends: false,
        });
        self.choices.extend_from_slice(choices);
    }

    /// Gives the budget out, layer by layer; `max_oversend` is what an on-stage screen in the first
    /// place may take beyond it.
    pub(super) fn run(&mut self, budget: i64, max_oversend: i64) -> Spending {
        let Self { contenders, choices } = self;
        let mut remaining = budget;
        let mut spending = Spending::default();
        loop {
            let before = remaining;
            spending.passes += 1;
            spending.held_up_at = None;
            for (n, contender) in contenders.iter_mut().enumerate() {
                let own = contender.own(choices);
                remaining -= contender.improve(own, remaining, max_oversend);
                spending.is_oversending |= remaining < 0;
                if contender.is_on_stage && contender.target < contender.marks.preferred {
                    spending.held_up_at = Some(n);
                    break;
                }
            }
            // Targets only rise, so this ends: after as many passes as there are choices at most.
            if remaining == before {
                return spending;
            }
        }
    }

    /// The sources with their choices.
    pub(super) fn contenders(&self) -> impl Iterator<Item = (&Contender, &[Choice])> {
        self.contenders.iter().map(|contender| (contender, contender.own(&self.choices)))
    }
}

impl Contender {
    pub(super) fn target(&self) -> Option<usize> {
        self.target
    }

    fn own<'a>(&self, choices: &'a [Choice]) -> &'a [Choice] {
        let choices = choices.get(self.first_choice..).unwrap_or_default();
        choices.get(..self.choice_count).unwrap_or_default()
    }

    /// Takes a better layer if there is enough for one; answers what it costs.
    fn improve(&mut self, choices: &[Choice], remaining: i64, max_oversend: i64) -> i64 {
        let old = self.rate(choices);
        let max = remaining.saturating_add(old);
        match self.marks.preferred {
            Some(preferred) if self.is_on_stage && self.target.is_none() => {
                let up_to_preferred = choices.iter().take(preferred + 1);
                let affordable = up_to_preferred.take_while(|choice| choice.rate <= max).count();
                self.target = affordable.checked_sub(1);
            }
            _ => {
                let next = self.next();
                // Strictly less, other than above: as in JVB.
                if choices.get(next).is_some_and(|choice| choice.rate < max) {
                    self.target = Some(next);
                }
            }
        }
        self.skip_up(choices);
        if self.is_first {
            self.oversend(choices, max.saturating_add(max_oversend));
        }
        self.rate(choices) - old
    }

    /// Goes on to the cheapest better layer as long as it is not more expensive; of equals the lowest
    /// is next.
    ///
    /// Differs from JVB, which takes one such step: where all temporal layers have one rate, since the
    /// codec does not tell them apart (H.264), the step that costs nothing ends its loop, and the
    /// receiver never gets a higher encoding. Layers that carry nothing take one step here, too.
    fn skip_up(&mut self, choices: &[Choice]) {
        while let Some(current) = self.target.and_then(|target| choices.get(target)) {
            let cheapest = choices.get(current.cheapest_above);
            if cheapest.is_none_or(|cheapest| cheapest.rate > current.rate) {
                return;
            }
            self.target = Some(current.cheapest_above);
            if current.rate == 0 {
                return;
            }
        }
    }

    /// Takes the lowest better layer within `max`, up to the mark.
    fn oversend(&mut self, choices: &[Choice], max: i64) {
        let Some(mark) = self.marks.oversend.filter(|mark| self.target < Some(*mark)) else {
            return;
        };
        let mut better = (self.next()..=mark).filter(|place| choices[*place].rate <= max);
        if let Some(place) = better.next() {
            self.target = Some(place);
            self.oversends = true;
        }
    }

    fn next(&self) -> usize {
        self.target.map_or(0, |target| target + 1)
    }

    fn rate(&self, choices: &[Choice]) -> i64 {
        self.target.and_then(|target| choices.get(target)).map_or(0, |choice| choice.rate)
    }
}
