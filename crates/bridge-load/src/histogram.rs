use std::time::Duration;

/// Durations in buckets of about 3 % width, from a nanosecond to minutes.
#[derive(Clone)]
pub(crate) struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; BUCKETS].into_boxed_slice(), count: 0 }
    }

    pub(crate) fn record(&mut self, value: Duration) {
        let nanos = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(nanos).min(BUCKETS - 1)) {
            *bucket += 1;
            self.count += 1;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (to, from) in self.buckets.iter_mut().zip(&other.buckets) {
            *to += from;
        }
        self.count += other.count;
    }

    pub(crate) fn clear(&mut self) {
        self.buckets.fill(0);
        self.count = 0;
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The middle of the bucket that holds the value with this rank (0.5: the median); `None` while
    /// empty.
    pub(crate) fn quantile(&self, rank: f64) -> Option<Duration> {
        let wanted = ((self.count as f64 * rank).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|in_bucket| {
            seen += in_bucket;
            seen >= wanted
        })?;
        Some(Duration::from_nanos(middle_of(bucket)))
    }
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < LINEAR {
        return nanos as usize;
    }
    let exponent = nanos.ilog2() - LINEAR.ilog2();
    let mantissa = (nanos >> exponent) - LINEAR;
    (LINEAR + u64::from(exponent) * LINEAR + mantissa) as usize
}

fn middle_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < LINEAR {
        return bucket;
    }
    let exponent = (bucket - LINEAR) / LINEAR;
    let mantissa = (bucket - LINEAR) % LINEAR + LINEAR;
    (mantissa << exponent) + ((1 << exponent) >> 1)
}

/// Buckets for each doubling.
const LINEAR: u64 = 32;
/// Up to 2^38 ns, more than four minutes.
const BUCKETS: usize = 34 * LINEAR as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_the_width_of_a_bucket() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), None);
        for micros in 1..=1_000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (rank, micros) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (0.0, 1.0)] {
            let found = histogram.quantile(rank).unwrap().as_nanos() as f64 / 1_000.0;
            assert!((found / micros - 1.0).abs() < 0.035, "{rank}: {found}");
        }
        let mut twice = histogram.clone();
        twice.add(&histogram);
        assert_eq!((twice.count(), twice.quantile(0.5)), (2_000, histogram.quantile(0.5)));
        histogram.clear();
        assert_eq!((histogram.count(), histogram.quantile(0.9)), (0, None));
    }

    #[test]
    fn buckets_are_contiguous_and_hold_their_middle() {
        let mut last = 0;
        for nanos in 0..100_000 {
            let bucket = bucket_of(nanos);
            assert!(bucket == last || bucket == last + 1, "{nanos}");
            assert_eq!(bucket_of(middle_of(bucket)), bucket);
            last = bucket;
        }
        let mut histogram = Histogram::new();
        histogram.record(Duration::MAX);
        assert!(histogram.quantile(1.0).unwrap() > Duration::from_secs(200));
    }
}
