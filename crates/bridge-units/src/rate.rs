use std::time::Duration;

/// A rate in bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bitrate(u64);

impl Bitrate {
    /// No traffic.
    pub const ZERO: Self = Self(0);

    /// From bits per second.
    pub const fn from_bps(bps: u64) -> Self {
        Self(bps)
    }

    /// From kilobits (1,000 bits) per second.
    pub const fn from_kbps(kbps: u64) -> Self {
        Self(kbps.saturating_mul(1_000))
    }

    /// Bits per second.
    pub const fn bps(self) -> u64 {
        self.0
    }

    /// Whole kilobits per second.
    pub const fn kbps(self) -> u64 {
        self.0 / 1_000
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of it beside `other`; zero at least.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// What this rate carries in `time`.
    pub fn over(self, time: Duration) -> DataSize {
        let bits = u128::from(self.0) * time.as_nanos() / 1_000_000_000;
        DataSize::from_bytes(u64::try_from(bits / 8).unwrap_or(u64::MAX))
    }
}

/// An amount of data in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataSize(u64);

impl DataSize {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of it beside `other`; zero at least.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The rate that carries this much in `time`; zero when `time` is zero.
    pub fn per(self, time: Duration) -> Bitrate {
        let nanos = time.as_nanos();
        if nanos == 0 {
            return Bitrate::ZERO;
        }
        // Up to 2 GB without division of 128 bits, which costs many times as much.
        if let (Some(scaled), Ok(nanos)) = (self.0.checked_mul(8_000_000_000), u64::try_from(nanos))
        {
            return Bitrate::from_bps(scaled / nanos);
        }
        let bps = u128::from(self.0) * 8 * 1_000_000_000 / nanos;
        Bitrate::from_bps(u64::try_from(bps).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_size_convert_both_ways() {
        let size = Bitrate::from_kbps(800).over(Duration::from_millis(10));
        assert_eq!(size, DataSize::from_bytes(1_000));
        assert_eq!(size.per(Duration::from_millis(10)), Bitrate::from_kbps(800));
        assert_eq!(size.per(Duration::ZERO), Bitrate::ZERO);
    }
}
