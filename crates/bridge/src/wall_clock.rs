//! The only place that reads the time of day.

use std::time::{Duration, SystemTime};

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "the one reader of the time of day")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Milliseconds since 1970.
pub(crate) fn now_millis() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// `yyyy-MM-dd HH:mm:ss.SSS` in UTC, as the statistic `current_timestamp` has it.
pub(crate) fn timestamp() -> String {
    format_utc(since_epoch())
}

fn since_epoch() -> Duration {
    now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn format_utc(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:03}",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60,
        since_epoch.subsec_millis()
    )
}

/// Year, month and day of a day counted from 1970-01-01: eras of 400 years, years that begin in
/// March, so that the leap day comes last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00.007"),
            (951_782_400, "2000-02-29 00:00:00.007"),
            (1_787_220_930, "2026-08-20 10:15:30.007"),
            (4_107_542_399, "2100-02-28 23:59:59.007"),
            (4_107_542_400, "2100-03-01 00:00:00.007"),
        ] {
            assert_eq!(format_utc(Duration::from_millis(seconds * 1_000 + 7)), text);
        }
    }
}
