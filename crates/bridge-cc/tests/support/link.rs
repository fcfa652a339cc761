use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

/// xorshift64*: good enough for loss, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    None,
    /// Each packet with this probability.
    Random(f64),
    /// On average `ratio` of the packets, in bursts of `mean_burst` packets on average.
    Burst {
        ratio: f64,
        mean_burst: f64,
    },
}

/// One way of a network: loss, then a drop-tail queue in front of a rate limit, then delay and jitter.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub rate: Bitrate,
    pub queue: Duration,
    pub delay: Duration,
    pub jitter: Duration,
    pub loss: Loss,
    random: Random,
    is_in_burst: bool,
    busy_until: Timestamp,
    last_arrival: Timestamp,
    pub lost: u64,
    pub dropped: u64,
    pub delivered: DataSize,
}

impl Link {
    pub(crate) fn new(seed: u64, rate: Bitrate, delay: Duration) -> Self {
        Self {
            rate,
            queue: Duration::from_millis(300),
            delay,
            jitter: Duration::ZERO,
            loss: Loss::None,
            random: Random::new(seed),
            is_in_burst: false,
            busy_until: Timestamp::ZERO,
            last_arrival: Timestamp::ZERO,
            lost: 0,
            dropped: 0,
            delivered: DataSize::ZERO,
        }
    }

    /// When the packet arrives, if it does.
    pub(crate) fn send(&mut self, now: Timestamp, size: DataSize) -> Option<Timestamp> {
        if self.is_lost() {
            self.lost += 1;
            return None;
        }
        if self.busy_until - now > self.queue {
            self.dropped += 1;
            return None;
        }
        let nanos = size.bytes() * 8 * 1_000_000_000 / self.rate.bps();
        self.busy_until = self.busy_until.max(now) + Duration::from_nanos(nanos);
        self.delivered = DataSize::from_bytes(self.delivered.bytes() + size.bytes());
        let jitter = self.jitter.mul_f64(self.random.unit());
        // Jitter does not reorder.
        self.last_arrival = self.last_arrival.max(self.busy_until + self.delay + jitter);
        Some(self.last_arrival)
    }

    /// How long a packet would wait.
    pub(crate) fn backlog(&self, now: Timestamp) -> Duration {
        self.busy_until - now
    }

    fn is_lost(&mut self) -> bool {
        match self.loss {
            Loss::None => false,
            Loss::Random(ratio) => self.random.unit() < ratio,
            Loss::Burst { ratio, mean_burst } => {
                let leave = 1.0 / mean_burst;
                let enter = leave * ratio / (1.0 - ratio);
                let chance = self.random.unit();
                self.is_in_burst = if self.is_in_burst { chance >= leave } else { chance < enter };
                self.is_in_burst
            }
        }
    }
}
