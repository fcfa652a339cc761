//! The time of day, as certificates and sender reports tell it.

use std::time::{Duration, SystemTime};

use bridge_io::Clock;
use bridge_units::Timestamp;

/// The time of day of every [`Timestamp`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    /// Since 1900, at [`Timestamp::ZERO`].
    origin: Duration,
}

impl WallClock {
    /// Read once, so that it neither jumps nor drifts against `clock`.
    pub(crate) fn start(clock: Clock) -> Self {
        let since_1970 = wall_clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let elapsed = clock.now().since(Timestamp::ZERO);
        Self { origin: (since_1970 + SECONDS_1900_TO_1970).saturating_sub(elapsed) }
    }

    /// The NTP timestamp: seconds since 1900 and their fraction, 32 bits each (RFC 3550, section 4).
    pub(crate) fn ntp(self, at: Timestamp) -> u64 {
        let time = self.origin + at.since(Timestamp::ZERO);
        let fraction = (u64::from(time.subsec_nanos()) << 32) / NANOS_PER_SECOND;
        (time.as_secs() << 32) | fraction
    }
}

#[expect(clippy::disallowed_methods, reason = "the time of day is what this is about")]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

const SECONDS_1900_TO_1970: Duration = Duration::from_secs(2_208_988_800);
const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_counts_from_1900_in_fractions_of_2_to_the_32() {
        let clock = WallClock { origin: SECONDS_1900_TO_1970 };
        assert_eq!(clock.ntp(Timestamp::ZERO), 2_208_988_800 << 32);
        let later = clock.ntp(Timestamp::from_millis(1_500));
        assert_eq!(later, (2_208_988_801 << 32) | 0x8000_0000);
        // 2026 has begun, and the era of 32 bits ends in 2036.
        let now = WallClock::start(Clock::start()).ntp(Timestamp::ZERO) >> 32;
        assert!((3_976_214_400..=u64::from(u32::MAX)).contains(&now), "{now}");
    }
}
