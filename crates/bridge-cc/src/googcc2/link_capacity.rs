use bridge_units::Bitrate;

use crate::rates::{UNLIMITED, rate_of};

/// The capacity that overuse showed: a slow mean of the throughputs at which it happened, and how far
/// they scatter.
///
/// Answers to JVB's `LinkCapacityEstimator`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkCapacity {
    estimate_kbps: Option<f64>,
    /// Normalised by the estimate.
    variance: f64,
}

impl LinkCapacity {
    pub(crate) const fn new() -> Self {
        Self { estimate_kbps: None, variance: MIN_VARIANCE }
    }

    pub(crate) fn on_overuse(&mut self, throughput: Bitrate) {
        let sample = throughput.kbps() as f64;
        let estimate =
            self.estimate_kbps.map_or(sample, |estimate| (1.0 - ALPHA) * estimate + ALPHA * sample);
        let error = estimate - sample;
        self.variance = (1.0 - ALPHA) * self.variance + ALPHA * error * error / estimate.max(1.0);
        self.variance = self.variance.clamp(MIN_VARIANCE, MAX_VARIANCE);
        self.estimate_kbps = Some(estimate);
    }

    pub(crate) fn reset(&mut self) {
        self.estimate_kbps = None;
    }

    pub(crate) fn estimate(&self) -> Option<Bitrate> {
        self.estimate_kbps.map(|kbps| rate_of(kbps * 1_000.0))
    }

    /// Zero without an estimate.
    pub(crate) fn lower_bound(&self) -> Bitrate {
        self.estimate_kbps
            .map_or(Bitrate::ZERO, |kbps| rate_of((kbps - self.three_sigma(kbps)) * 1_000.0))
    }

    /// Unlimited without an estimate.
    pub(crate) fn upper_bound(&self) -> Bitrate {
        self.estimate_kbps
            .map_or(UNLIMITED, |kbps| rate_of((kbps + self.three_sigma(kbps)) * 1_000.0))
    }

    fn three_sigma(&self, kbps: f64) -> f64 {
        3.0 * (self.variance * kbps).sqrt()
    }
}

const ALPHA: f64 = 0.05;
const MIN_VARIANCE: f64 = 0.4;
const MAX_VARIANCE: f64 = 2.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_overuse_sets_the_estimate() {
        let mut capacity = LinkCapacity::new();
        assert_eq!((capacity.lower_bound(), capacity.upper_bound()), (Bitrate::ZERO, UNLIMITED));
        capacity.on_overuse(Bitrate::from_kbps(1_000));
        assert_eq!(capacity.estimate(), Some(Bitrate::from_kbps(1_000)));
        // 3 * sqrt(0.4 * 1000) = 60
        assert_eq!(capacity.lower_bound().kbps(), 940);
        assert_eq!(capacity.upper_bound().kbps(), 1_060);
        capacity.on_overuse(Bitrate::from_kbps(800));
        assert_eq!(capacity.estimate(), Some(Bitrate::from_kbps(990)));
        capacity.reset();
        assert_eq!(capacity.estimate(), None);
    }
}
