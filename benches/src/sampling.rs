//! Medians of many short batches: what an interruption spoils is one batch and not the figure.

use crate::clock;
use std::time::Duration;

/// The distribution of a figure over its batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampled {
    /// Half of the batches were better.
    pub(crate) median: f64,
    /// A quarter were better.
    pub(crate) low: f64,
    /// A quarter were worse.
    pub(crate) high: f64,
}

impl Sampled {
    /// Of these values; zero without any.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let last = values.len().saturating_sub(1);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        Self { median: at(last / 2), low: at(last / 4), high: at(last - last / 4) }
    }
}

/// Nanoseconds of one call of `work`.
pub(crate) fn nanoseconds(mut work: impl FnMut()) -> Sampled {
    let mut calls = 1_usize;
    while time(|| (0..calls).for_each(|_| work())) < LEAST_BATCH && calls < MAX_CALLS {
        calls *= 2;
    }
    sample(calls, || time(|| (0..calls).for_each(|_| work())))
}

/// Nanoseconds of each of the `calls` that `work` makes with what `prepare` made for it.
pub(crate) fn prepared_nanoseconds<T>(
    calls: usize,
    mut prepare: impl FnMut() -> T,
    mut work: impl FnMut(&mut T),
) -> Sampled {
    sample(calls, || {
        let mut prepared = prepare();
        time(|| work(&mut prepared))
    })
}

fn sample(calls: usize, mut batch: impl FnMut() -> Duration) -> Sampled {
    let begin = clock::wall();
    // Fills caches and teaches branches.
    batch();
    let mut values = Vec::with_capacity(MAX_BATCHES);
    while values.len() < MAX_BATCHES && (values.len() < LEAST_BATCHES || begin.elapsed() < TIME) {
        values.push(batch().as_nanos() as f64 / calls as f64);
    }
    Sampled::of(values)
}

fn time(work: impl FnOnce()) -> Duration {
    let begin = clock::thread_cpu();
    work();
    clock::thread_cpu() - begin
}

/// Long against the clock's resolution, short against a scheduler's time slice.
const LEAST_BATCH: Duration = Duration::from_micros(200);
const MAX_CALLS: usize = 1 << 22;
const LEAST_BATCHES: usize = 11;
const MAX_BATCHES: usize = 1_000;
/// Of all batches of a figure.
const TIME: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_move_the_median() {
        let sampled = Sampled::of(vec![10.0, 9.0, 11.0, 500.0, 10.0]);
        assert_eq!(sampled, Sampled { median: 10.0, low: 10.0, high: 11.0 });
        assert_eq!(Sampled::of(Vec::new()).median, 0.0);
        let few = Sampled::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(few, Sampled { median: 2.0, low: 1.0, high: 3.0 });
    }

    #[test]
    fn a_call_has_its_share_of_the_batch() {
        let mut calls = 0_u64;
        let sampled = nanoseconds(|| {
            calls += 1;
            std::hint::black_box((0..100).fold(0_u64, |sum, n| sum ^ std::hint::black_box(n)));
        });
        assert!(calls > 1_000 && sampled.median > 1.0 && sampled.median < 100_000.0);
        assert!(sampled.low <= sampled.median && sampled.median <= sampled.high);
    }
}
