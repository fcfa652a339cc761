//! Arithmetic that the estimators share: scaled rates and signed time differences.

use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// No limit.
pub(crate) const UNLIMITED: Bitrate = Bitrate::from_bps(u64::MAX);
/// What GoogCC never goes below, whatever is configured.
pub(crate) const CONGESTION_CONTROLLER_MIN: Bitrate = Bitrate::from_kbps(5);

/// Saturating arithmetic on rates; a rate is never negative.
pub(crate) trait RateMath: Sized {
    fn scaled(self, factor: f64) -> Self;
    fn bps_f64(self) -> f64;
    fn kbps_f64(self) -> f64;
    fn has_limit(self) -> bool;
}

impl RateMath for Bitrate {
    fn scaled(self, factor: f64) -> Self {
        // A float conversion saturates, and sends NaN to zero.
        Self::from_bps((self.bps() as f64 * factor) as u64)
    }

    fn bps_f64(self) -> f64 {
        self.bps() as f64
    }

    fn kbps_f64(self) -> f64 {
        self.bps() as f64 / 1_000.0
    }

    fn has_limit(self) -> bool {
        self < UNLIMITED
    }
}

/// From bits per second; negative and NaN are zero.
pub(crate) fn rate_of(bps: f64) -> Bitrate {
    Bitrate::from_bps(bps as u64)
}

/// How long `rate` takes for `size`; [`Duration::MAX`] if it never ends.
pub(crate) fn time_for(size: DataSize, rate: Bitrate) -> Duration {
    if rate == Bitrate::ZERO {
        return Duration::MAX;
    }
    // Up to 2 GB without division of 128 bits, which costs many times as much.
    if let Some(scaled) = size.bytes().checked_mul(8 * NANOS_PER_SECOND) {
        return Duration::from_nanos(scaled / rate.bps());
    }
    let nanos =
        u128::from(size.bytes()) * u128::from(8 * NANOS_PER_SECOND) / u128::from(rate.bps());
    u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
}

/// `later - earlier` in microseconds, negative if it is the other way round.
pub(crate) fn micros_between(earlier: Timestamp, later: Timestamp) -> i64 {
    let (earlier, later) = (earlier.as_nanos(), later.as_nanos());
    let magnitude = i64::try_from(later.abs_diff(earlier) / 1_000).unwrap_or(i64::MAX);
    if later >= earlier { magnitude } else { -magnitude }
}

/// In milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_saturate() {
        assert_eq!(Bitrate::from_kbps(1).scaled(-1.0), Bitrate::ZERO);
        assert_eq!(Bitrate::from_kbps(1).scaled(f64::NAN), Bitrate::ZERO);
        assert_eq!(UNLIMITED.scaled(2.0), UNLIMITED);
        assert_eq!(Bitrate::ZERO.minus(Bitrate::from_bps(1)), Bitrate::ZERO);
        assert_eq!(UNLIMITED.plus(UNLIMITED), UNLIMITED);
    }

    #[test]
    fn differences_are_signed() {
        let (early, late) = (Timestamp::from_millis(1), Timestamp::from_millis(3));
        assert_eq!(micros_between(early, late), 2_000);
        assert_eq!(micros_between(late, early), -2_000);
    }

    #[test]
    fn a_rate_takes_its_time() {
        let size = DataSize::from_bytes(1_000);
        assert_eq!(time_for(size, Bitrate::from_kbps(800)), Duration::from_millis(10));
        assert_eq!(time_for(size, Bitrate::ZERO), Duration::MAX);
        assert_eq!(time_for(size, UNLIMITED), Duration::ZERO);
    }
}
