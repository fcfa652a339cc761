use bridge_units::{Bitrate, Timestamp};
use std::time::Duration;

/// What a link carries over time: constant between steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateProfile {
    /// From this time on, this rate; `None` for no limit. In order of time.
    steps: Vec<(Duration, Option<Bitrate>)>,
}

impl RateProfile {
    /// Everything is carried at once.
    pub const fn unlimited() -> Self {
        Self { steps: Vec::new() }
    }

    /// Always the same.
    pub fn constant(rate: Bitrate) -> Self {
        Self { steps: vec![(Duration::ZERO, Some(rate))] }
    }

    /// This rate from that time on. Steps are given in order of time.
    #[must_use]
    pub fn then(mut self, from: Duration, rate: Bitrate) -> Self {
        self.steps.push((from, Some(rate)));
        self
    }

    /// The rate at a time since the profile's start.
    pub fn at(&self, time: Duration) -> Option<Bitrate> {
        self.steps.iter().rev().find(|(from, _)| *from <= time).and_then(|(_, rate)| *rate)
    }

    /// When bits are through that begin to be sent at `start`, in a link whose profile starts at
    /// `origin`.
    pub fn finish(&self, origin: Timestamp, start: Timestamp, bits: f64) -> Timestamp {
        let mut left = bits;
        let mut time = start.since(origin);
        loop {
            let next = self.steps.iter().map(|(from, _)| *from).find(|from| *from > time);
            let Some(rate) = self.at(time) else { return origin + time };
            let per_second = (rate.bps() as f64).max(1.0);
            let needed = Duration::from_secs_f64(left / per_second);
            match next {
                Some(next) if time + needed > next => {
                    left -= (next - time).as_secs_f64() * per_second;
                    time = next;
                }
                _ => return origin + (time + needed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_that_span_a_step_take_both_rates() {
        let profile = RateProfile::constant(Bitrate::from_kbps(1_000))
            .then(Duration::from_secs(1), Bitrate::from_kbps(100));
        let origin = Timestamp::from_millis(5_000);
        let start = Timestamp::from_millis(5_990);
        // 10 ms at 1 Mbps are 10,000 bits; the other 10,000 take 100 ms at 100 kbps.
        let end = profile.finish(origin, start, 20_000.0);
        assert_eq!(end.as_micros(), 6_100_000);
        assert_eq!(profile.at(Duration::from_millis(999)), Some(Bitrate::from_kbps(1_000)));
        assert_eq!(profile.at(Duration::from_secs(1)), Some(Bitrate::from_kbps(100)));
    }

    #[test]
    fn without_a_limit_everything_is_through_at_once() {
        let start = Timestamp::from_millis(7);
        assert_eq!(RateProfile::unlimited().finish(Timestamp::ZERO, start, 1e9), start);
    }
}
