//! Conditions that several keys share.

use std::time::Duration;

use bridge_units::{Bitrate, DataSize};

use crate::reader::Check;

/// For timers: a period of zero would spin.
pub(crate) const PERIOD: Check<Duration> =
    Check { expected: "a duration longer than zero", holds: |period| !period.is_zero() };

/// For lengths and counts of which none makes no sense.
pub(crate) const AT_LEAST_ONE: Check<u32> =
    Check { expected: "a whole number, 1 or more", holds: |&count| count > 0 };

/// For queues.
pub(crate) const QUEUE_LEN: Check<usize> = Check {
    expected: "a whole number from 1 to 1048576",
    holds: |len| (1..=1 << 20).contains(len),
};

/// For probabilities and loss rates.
pub(crate) const FRACTION: Check<f64> =
    Check { expected: "a number from 0 to 1", holds: |fraction| (0.0..=1.0).contains(fraction) };

/// For thresholds and scales.
pub(crate) const POSITIVE: Check<f64> =
    Check { expected: "a number above 0", holds: |&number| number > 0.0 };

/// For limits of which none is -1.
pub(crate) const LIMIT: Check<i32> =
    Check { expected: "a whole number, -1 (no limit) or more", holds: |&limit| limit >= -1 };

/// For rates that something must be able to pass.
pub(crate) const RATE: Check<Bitrate> =
    Check { expected: "a bit rate above 0", holds: |&rate| rate > Bitrate::ZERO };

/// For socket buffers: the kernel takes a 32-bit signed number.
pub(crate) const BUFFER: Check<DataSize> = Check {
    expected: "a number of bytes from 1 to 2147483647",
    holds: |size| (1..=i32::MAX as u64).contains(&size.bytes()),
};
