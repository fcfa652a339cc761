//! How long a datagram waited in the socket's buffer, from the kernel's receive timestamps.
//!
//! The kernel stamps with the wall clock (SO_TIMESTAMPNS), which may be set at any time; everything
//! else here runs on the monotonic clock.

use bridge_units::Timestamp;
use std::time::Duration;

/// Reads the wall clock once for each receive call and notices when it was set.
#[derive(Debug, Default)]
pub(crate) struct ArrivalClock {
    /// Wall clock less monotonic clock, in nanoseconds.
    offset: Option<i128>,
}

/// The moment at which one receive call's datagrams were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenAt {
    /// On the wall clock; `None` if that has just been set, so that stamps mean nothing.
    wall: Option<Duration>,
}

impl ArrivalClock {
    /// Both clocks as they are now.
    pub(crate) fn taken_at(&mut self, now: Timestamp) -> TakenAt {
        let wall = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let seconds = u64::try_from(wall.tv_sec).unwrap_or(0);
        self.compare(now, Duration::new(seconds, u32::try_from(wall.tv_nsec).unwrap_or(0)))
    }

    fn compare(&mut self, now: Timestamp, wall: Duration) -> TakenAt {
        let offset = wall.as_nanos().cast_signed() - i128::from(now.as_nanos());
        let set = self.offset.is_some_and(|before| before.abs_diff(offset) > CLOCK_STEP.as_nanos());
        self.offset = Some(offset);
        TakenAt { wall: (!set).then_some(wall) }
    }
}

impl TakenAt {
    /// The age of a datagram with this stamp; zero if it is not known.
    pub(crate) fn age(self, stamp: Option<Duration>) -> Duration {
        let (Some(wall), Some(stamp)) = (self.wall, stamp) else { return Duration::ZERO };
        wall.saturating_sub(stamp).min(MAX_AGE)
    }
}

/// A difference between the clocks that only setting one explains: slewing is 500 ppm at most, and
/// there is a receive call at least once a second if there is any traffic.
const CLOCK_STEP: Duration = Duration::from_millis(100);

/// No buffer holds more; a stamp that says otherwise is from before the clock was set.
const MAX_AGE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Duration = Duration::from_secs(1_800_000_000);
    const NOW: Timestamp = Timestamp::from_millis(60_000);

    #[test]
    fn an_age_is_never_negative_nor_longer_than_ten_seconds() {
        let millis = Duration::from_millis;
        let taken = ArrivalClock::default().compare(NOW, WALL);
        for (stamp, age) in [
            (Some(WALL), Duration::ZERO),
            (Some(WALL - millis(7)), millis(7)),
            (Some(WALL + millis(7)), Duration::ZERO),
            (Some(WALL - Duration::from_secs(3_600)), MAX_AGE),
            (Some(Duration::ZERO), MAX_AGE),
            (Some(Duration::MAX), Duration::ZERO),
            (None, Duration::ZERO),
        ] {
            assert_eq!(taken.age(stamp), age, "{stamp:?}");
        }
    }

    #[test]
    fn stamps_from_before_the_clock_was_set_mean_nothing_and_those_after_it_do() {
        let hour = Duration::from_secs(3_600);
        let tick = Duration::from_millis(20);
        for set in [WALL + hour, WALL - hour, WALL + Duration::from_millis(150)] {
            let mut clock = ArrivalClock::default();
            clock.compare(NOW, WALL);
            let taken = clock.compare(NOW + tick, set + tick);
            assert_eq!(taken.age(Some(WALL + tick)), Duration::ZERO);
            let taken = clock.compare(NOW + tick * 2, set + tick * 2);
            assert_eq!(taken.age(Some(set + tick)), tick);
        }
    }

    #[test]
    fn a_slewed_clock_keeps_telling_ages() {
        let mut clock = ArrivalClock::default();
        let second = Duration::from_secs(1);
        for i in 1..100 {
            let wall = WALL + second * i + Duration::from_micros(500) * i;
            let taken = clock.compare(NOW + second * i, wall);
            assert_eq!(taken.age(Some(wall - second)), second);
        }
    }
}
