//! HOCON values to Rust values. A conversion answers `None` for what it does not take; the reader
//! makes the message, with [`FromValue::EXPECTED`].

use std::time::Duration;

use bridge_units::{Bitrate, DataSize};
use hocon::{HoconValue, ScalarType};

use crate::Secret;
use crate::error::one_line;

/// A type that one HOCON value can be converted to.
pub(crate) trait FromValue: Sized {
    /// What is accepted, as it follows "expected" in a message.
    const EXPECTED: &'static str;

    fn from_value(value: &HoconValue) -> Option<Self>;
}

/// The text of a scalar; `None` for null, lists and objects.
pub(crate) fn text(value: &HoconValue) -> Option<&str> {
    match value {
        HoconValue::Scalar(scalar) if scalar.value_type != ScalarType::Null => Some(&scalar.raw),
        _ => None,
    }
}

/// A short form for messages.
pub(crate) fn show(value: &HoconValue) -> String {
    match value {
        HoconValue::Scalar(scalar) if scalar.raw.is_empty() => "\"\"".to_owned(),
        HoconValue::Scalar(scalar) => one_line(&scalar.raw),
        HoconValue::Array(items) => {
            let items: Vec<_> = items.iter().map(show).collect();
            one_line(&format!("[{}]", items.join(", ")))
        }
        _ => "{ … }".to_owned(),
    }
}

/// An integer; whole numbers written with a fraction or an exponent count.
pub(crate) fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        // 2^53: beyond it, neighbouring integers are the same f64.
        (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
    })
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A finite number; with a percent sign a hundredth of it.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let (digits, factor) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim_end(), 0.01),
        None => (text, 1.0),
    };
    let number: f64 = digits.parse().ok()?;
    number.is_finite().then_some(number * factor)
}

/// Seconds of a HOCON duration, which may be negative; a bare number is milliseconds.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit_start = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (amount, unit) = text.split_at(unit_start);
    let unit = match unit {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1e-9,
        "us" | "micro" | "micros" | "microsecond" | "microseconds" => 1e-6,
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "second" | "seconds" => 1.0,
        "m" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    };
    let amount: f64 = amount.trim_end().parse().ok()?;
    amount.is_finite().then_some(amount * unit)
}

/// A duration that is not negative.
fn duration(text: &str) -> Option<Duration> {
    // To the nanosecond: 0.1 s is not exact in binary, and no operator means less.
    Duration::try_from_secs_f64(seconds(text)?).ok()
}

/// JVB class `Bandwidth`: a whole number and a unit, within its 32-bit integer.
fn bitrate(text: &str) -> Option<Bitrate> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (amount, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim_start() {
        "bps" => 1,
        "kbps" => 1_000,
        "mbps" => 1_000_000,
        _ => return None,
    };
    let bps = amount.parse::<u64>().ok()?.checked_mul(unit)?;
    (bps <= i32::MAX as u64).then(|| Bitrate::from_bps(bps))
}

/// Conversions of scalars by their text.
macro_rules! from_text {
    ($($type:ty, $expected:literal, $convert:expr;)*) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &HoconValue) -> Option<Self> {
                ($convert)(text(value)?)
            }
        }
    )*};
}

from_text! {
    bool, "true or false", boolean;
    u16, "a whole number from 0 to 65535", |t| u16::try_from(whole(t)?).ok();
    u32, "a whole number, 0 or more", |t| u32::try_from(whole(t)?).ok();
    i32, "a whole number", |t| i32::try_from(whole(t)?).ok();
    usize, "a whole number, 0 or more", |t| usize::try_from(whole(t)?).ok();
    f64, "a number or a percentage", number;
    Duration, "a duration such as \"5 seconds\" or \"100 ms\"", duration;
    Bitrate, "a whole number with bps, kbps or mbps, up to 2147 mbps", bitrate;
    DataSize, "a number of bytes", |t| {
        Some(DataSize::from_bytes(u64::try_from(whole(t)?).ok()?))
    };
    String, "a text", |t: &str| Some(t.to_owned());
    Secret, "a text", |t: &str| Some(Secret::new(t));
}

impl<T: FromValue> FromValue for Vec<T> {
    const EXPECTED: &'static str = "a list";

    fn from_value(value: &HoconValue) -> Option<Self> {
        value.as_array()?.iter().map(T::from_value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_all_units() {
        let table: &[(&str, Option<Duration>)] = &[
            ("5 seconds", Some(Duration::from_secs(5))),
            ("5", Some(Duration::from_millis(5))),
            ("15ms", Some(Duration::from_millis(15))),
            ("100 ms", Some(Duration::from_millis(100))),
            ("0.5 s", Some(Duration::from_millis(500))),
            ("1 minute", Some(Duration::from_secs(60))),
            ("24 hours", Some(Duration::from_secs(86_400))),
            ("1d", Some(Duration::from_secs(86_400))),
            ("7 us", Some(Duration::from_micros(7))),
            ("7 nanos", Some(Duration::from_nanos(7))),
            ("-1 s", None),
            ("5 fortnights", None),
            ("seconds", None),
            ("", None),
            ("1e300 d", None),
            ("inf s", None),
        ];
        for (text, expected) in table {
            assert_eq!(duration(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn bit_rates_need_a_unit() {
        let table: &[(&str, Option<u64>)] = &[
            ("500 kbps", Some(500_000)),
            ("20mbps", Some(20_000_000)),
            ("30 KBPS", Some(30_000)),
            ("1 bps", Some(1)),
            ("2147 mbps", Some(2_147_000_000)),
            ("2148 mbps", None),
            ("500", None),
            ("2.5 mbps", None),
            ("5 gbps", None),
            ("kbps", None),
            ("-5 kbps", None),
            ("99999999999999999999 mbps", None),
        ];
        for (text, expected) in table {
            assert_eq!(bitrate(text).map(Bitrate::bps), *expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_and_booleans() {
        for (text, expected) in [
            ("0.15", Some(0.15)),
            ("5%", Some(0.05)),
            ("0 %", Some(0.0)),
            ("-1", Some(-1.0)),
            ("NaN", None),
            ("many", None),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
        for (text, expected) in [
            ("true", Some(true)),
            ("TRUE", Some(true)),
            ("yes", Some(true)),
            ("Off", Some(false)),
            ("1", None),
            ("maybe", None),
        ] {
            assert_eq!(boolean(text), expected, "{text:?}");
        }
        for (text, expected) in
            [("10000", Some(10_000)), ("1e4", Some(10_000)), ("25.0", Some(25)), ("2.5", None)]
        {
            assert_eq!(whole(text), expected, "{text:?}");
        }
    }
}
