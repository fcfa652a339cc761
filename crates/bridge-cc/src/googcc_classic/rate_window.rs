use std::time::Duration;

use bridge_units::{Bitrate, DataSize};

use crate::sent_packets::ReceiveTime;

/// The rate of what arrived within the last second.
#[derive(Clone, Debug)]
pub(crate) struct RateWindow {
    buckets: [u64; BUCKETS],
    first: Option<ReceiveTime>,
    /// The number of the newest bucket.
    newest: i64,
    total: u64,
}

impl RateWindow {
    pub(crate) const fn new() -> Self {
        Self { buckets: [0; BUCKETS], first: None, newest: 0, total: 0 }
    }

    /// Late packets count where they belong, if that is within the window.
    pub(crate) fn update(&mut self, time: ReceiveTime, size: u64) {
        let first = *self.first.get_or_insert(time);
        let bucket = time.micros_since(first) / BUCKET_MICROS;
        self.advance(bucket);
        if self.newest - bucket < BUCKETS as i64 {
            *self.bucket(bucket) += size;
            self.total += size;
        }
    }

    /// `None` without a packet in the window, or with a window that just began.
    pub(crate) fn rate(&self) -> Option<Bitrate> {
        let buckets = (self.newest + 1).min(BUCKETS as i64);
        if self.total == 0 || buckets < 2 {
            return None;
        }
        let micros = u64::try_from(buckets * BUCKET_MICROS).ok()?;
        Some(DataSize::from_bytes(self.total).per(Duration::from_micros(micros)))
    }

    fn advance(&mut self, bucket: i64) {
        if bucket <= self.newest {
            return;
        }
        if bucket - self.newest >= BUCKETS as i64 {
            self.buckets = [0; BUCKETS];
            self.total = 0;
        } else {
            for number in self.newest + 1..=bucket {
                let old = std::mem::take(self.bucket(number));
                self.total -= old;
            }
        }
        self.newest = bucket;
    }

    fn bucket(&mut self, number: i64) -> &mut u64 {
        let index = usize::try_from(number.rem_euclid(BUCKETS as i64)).unwrap_or_default();
        &mut self.buckets[index]
    }
}

const BUCKETS: usize = 100;
const BUCKET_MICROS: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> ReceiveTime {
        ReceiveTime::from_micros(millis * 1_000)
    }

    #[test]
    fn rate_is_that_of_the_last_second() {
        let mut window = RateWindow::new();
        window.update(at(5_000), 1_000);
        assert_eq!(window.rate(), None);
        for millis in 5_001..9_000 {
            window.update(at(millis), if millis < 7_000 { 1_000 } else { 100 });
        }
        // 100 bytes a millisecond
        assert_eq!(window.rate(), Some(Bitrate::from_kbps(800)));
        window.update(at(60_000), 1_250);
        assert_eq!(window.rate(), Some(Bitrate::from_kbps(10)), "one packet in a second");
    }

    #[test]
    fn late_packets_count_where_they_belong() {
        let mut window = RateWindow::new();
        window.update(at(0), 0);
        window.update(at(2_000), 1_000);
        window.update(at(1_500), 1_000);
        window.update(at(500), 1_000_000);
        window.update(at(-3_600_000), 1_000_000);
        assert_eq!(window.rate(), Some(Bitrate::from_kbps(16)));
    }
}
