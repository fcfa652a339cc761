use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

/// Time over which a rate is measured (JVB: 1 s in steps of 20 ms).
const WINDOW: Duration = Duration::from_secs(1);
const BUCKETS: usize = 50;
const BUCKET: Duration = Duration::from_millis(20);

/// Bytes of the last second.
#[derive(Clone, Copy, Debug)]
pub struct BitrateWindow {
    buckets: [u32; BUCKETS],
    /// The number of the bucket being filled, since the origin of time.
    newest: u64,
    total: u64,
}

impl BitrateWindow {
    /// Nothing measured.
    pub const fn new() -> Self {
        Self { buckets: [0; BUCKETS], newest: 0, total: 0 }
    }

    /// Adds a packet; answers whether nothing arrived within the second before. A time before the
    /// window's counts as now.
    pub fn add(&mut self, now: Timestamp, size: DataSize) -> bool {
        self.move_to(now);
        let was_empty = self.total == 0;
        let bytes = u32::try_from(size.bytes()).unwrap_or(u32::MAX);
        if let Some(bucket) = self.buckets.get_mut(slot(self.newest)) {
            let before = *bucket;
            *bucket = bucket.saturating_add(bytes);
            self.total += u64::from(*bucket - before);
        }
        was_empty
    }

    /// The rate over the last second.
    pub fn rate(&self, now: Timestamp) -> Bitrate {
        let passed = bucket_of(now).saturating_sub(self.newest).min(BUCKETS as u64);
        let old = (1..=passed).map(|n| self.buckets.get(slot(self.newest + n)).copied());
        let old: u64 = old.map(|bytes| u64::from(bytes.unwrap_or(0))).sum();
        DataSize::from_bytes(self.total - old).per(WINDOW)
    }

    /// Whether nothing arrived within the last second.
    pub fn is_empty(&self, now: Timestamp) -> bool {
        self.rate(now) == Bitrate::ZERO
    }

    fn move_to(&mut self, now: Timestamp) {
        let target = bucket_of(now);
        if target <= self.newest {
            return;
        }
        if target - self.newest >= BUCKETS as u64 {
            self.buckets = [0; BUCKETS];
            self.total = 0;
        } else {
            for bucket in self.newest + 1..=target {
                if let Some(old) = self.buckets.get_mut(slot(bucket)) {
                    self.total -= u64::from(std::mem::take(old));
                }
            }
        }
        self.newest = target;
    }
}

impl Default for BitrateWindow {
    fn default() -> Self {
        Self::new()
    }
}

/// What each layer of an encoding carries, by the layer's position in its encoding.
#[derive(Clone, Debug, Default)]
pub struct LayerBitrates {
    windows: Vec<BitrateWindow>,
}

impl LayerBitrates {
    /// Of as many layers, keeping what was measured for those there were.
    pub fn resize(&mut self, layers: usize) {
        self.windows.resize(layers, BitrateWindow::new());
    }

    /// Adds a packet to a layer; answers whether the layer carried nothing before.
    pub fn add(&mut self, layer: usize, now: Timestamp, size: DataSize) -> bool {
        self.windows.get_mut(layer).is_some_and(|window| window.add(now, size))
    }

    /// Takes over what `other` measured for its layer.
    pub fn copy_from(&mut self, layer: usize, other: &Self, others_layer: usize) {
        if let (Some(own), Some(window)) =
            (self.windows.get_mut(layer), other.windows.get(others_layer))
        {
            *own = *window;
        }
    }

    /// The rate of one layer alone.
    pub fn rate(&self, layer: usize, now: Timestamp) -> Bitrate {
        self.windows.get(layer).map_or(Bitrate::ZERO, |window| window.rate(now))
    }
}

fn bucket_of(now: Timestamp) -> u64 {
    now.as_nanos() / u64::try_from(BUCKET.as_nanos()).unwrap_or(1)
}

fn slot(bucket: u64) -> usize {
    usize::try_from(bucket % BUCKETS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_second() {
        let mut window = BitrateWindow::new();
        for ms in (0..1_000).step_by(10) {
            window.add(Timestamp::from_millis(ms), DataSize::from_bytes(1_250));
        }
        let rate = |ms| window.rate(Timestamp::from_millis(ms)).kbps();
        assert_eq!(rate(999), 1_000);
        assert_eq!(rate(1_499), 500);
        assert_eq!(rate(1_980), 0);
        assert_eq!(rate(999_999), 0);
    }

    #[test]
    fn time_that_goes_back_counts_as_now() {
        let mut window = BitrateWindow::new();
        window.add(Timestamp::from_millis(500), DataSize::from_bytes(100));
        window.add(Timestamp::from_millis(100), DataSize::from_bytes(100));
        assert_eq!(window.rate(Timestamp::from_millis(510)).bps(), 1_600);
    }
}
