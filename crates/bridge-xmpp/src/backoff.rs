use std::time::Duration;

/// Growing pauses between attempts, with jitter so that many bridges do not come back in step.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses that double from `first` to `longest`.
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The pause before the next attempt: between half and all of the current length. `random` is
    /// any number, evenly distributed.
    pub(crate) fn next_pause(&mut self, random: u64) -> Duration {
        let length = self.next;
        self.next = (length * 2).min(self.longest);
        let half = length / 2;
        let jitter_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_millis(random % jitter_ms)
    }

    /// Starts over with the shortest pause.
    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let pauses: Vec<_> = (0..5).map(|_| backoff.next_pause(0).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 2500, 2500]);
        backoff.reset();
        assert_eq!(backoff.next_pause(0).as_millis(), 500);
    }

    #[test]
    fn jitter_stays_below_the_full_length() {
        for random in [0, 1, 499, 500, 501, u64::MAX] {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));
            let pause = backoff.next_pause(random);
            assert!((500..1000).contains(&pause.as_millis()), "{random}: {pause:?}");
        }
    }
}
