use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use crate::rates::{RateMath, rate_of};
use crate::sent_packets::PacketResult;

/// The last stretches of sending and what of them was lost, the newer ones weighing more.
///
/// The first half of JVB's `LossBasedBweV2`.
#[derive(Clone, Debug)]
pub(crate) struct LossObservations {
    /// Ascending by time; a ring would save a copy of 15 entries four times a second.
    window: Vec<Observation>,
    count: u64,
    partial: Partial,
    last_sent: Option<Timestamp>,
    average_loss: f64,
}

/// One stretch of at least [`MIN_DURATION`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observation {
    pub(crate) bytes: f64,
    pub(crate) lost_bytes: f64,
    pub(crate) rate: Bitrate,
}

/// The stretch that goes on.
#[derive(Clone, Debug, Default)]
struct Partial {
    bytes: u64,
    /// Sequence number and size, ascending; a packet that comes late leaves.
    lost: Vec<(i64, u64)>,
    lost_bytes: u64,
}

impl LossObservations {
    pub(crate) fn new() -> Self {
        Self {
            window: Vec::with_capacity(WINDOW + 1),
            count: 0,
            partial: Partial::default(),
            last_sent: None,
            average_loss: 0.0,
        }
    }

    /// Takes what a feedback told; answers whether a stretch ended.
    pub(crate) fn update(&mut self, results: &[PacketResult]) -> bool {
        let sent = || results.iter().map(|result| result.packet.sent);
        let (Some(first), Some(last)) = (sent().min(), sent().max()) else { return false };
        for result in results {
            self.partial.add(result);
        }
        let previous = *self.last_sent.get_or_insert(first);
        let duration = last - previous;
        if duration < MIN_DURATION {
            return false;
        }
        self.last_sent = Some(last);
        self.push(Observation {
            bytes: self.partial.bytes as f64,
            lost_bytes: self.partial.lost_bytes as f64,
            rate: DataSize::from_bytes(self.partial.bytes).per(duration),
        });
        self.partial.clear();
        self.average_loss = self.average();
        true
    }

    /// How many stretches there were in all.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// When the last packet of the last stretch was sent.
    pub(crate) fn last_sent(&self) -> Timestamp {
        self.last_sent.unwrap_or_default()
    }

    /// The part of the bytes that was lost, without the best and the worst stretch.
    pub(crate) fn average_loss(&self) -> f64 {
        self.average_loss
    }

    /// With their weights, the newest first.
    pub(crate) fn weighted(&self) -> impl Iterator<Item = (f64, &Observation)> {
        let weights = std::iter::successors(Some(1.0), |weight| Some(weight * TEMPORAL_WEIGHT));
        weights.zip(self.window.iter().rev())
    }

    fn push(&mut self, observation: Observation) {
        if self.window.len() >= WINDOW {
            self.window.remove(0);
        }
        self.window.push(observation);
        self.count += 1;
    }

    fn average(&self) -> f64 {
        let mut all = Share::default();
        let mut best: Option<(f64, Share)> = None;
        let mut worst: Option<(f64, Share, Bitrate)> = None;
        for (weight, observation) in self.weighted().filter(|(_, it)| it.bytes > 0.0) {
            let share =
                Share { bytes: weight * observation.bytes, lost: weight * observation.lost_bytes };
            let ratio = observation.lost_bytes / observation.bytes;
            all = all.plus(share);
            if self.window.len() <= MIN_FOR_EXCLUSION {
                continue;
            }
            if worst.is_none_or(|(worst, ..)| ratio > worst) {
                worst = Some((ratio, share, observation.rate));
            }
            if best.is_none_or(|(best, _)| ratio < best) {
                best = Some((ratio, share));
            }
        }
        let (Some((_, best)), Some((_, worst, worst_rate))) = (best, worst) else {
            return all.ratio();
        };
        // A burst that we sent ourselves is no spike of the network.
        if worst_rate >= self.median_rate().scaled(MEDIAN_FACTOR) {
            return all.ratio();
        }
        let rest = all.minus(best).minus(worst);
        if rest.bytes <= 0.0 { all.ratio() } else { rest.ratio() }
    }

    fn median_rate(&self) -> Bitrate {
        let mut rates = [0.0; WINDOW];
        let mut count = 0;
        let known = self.window.iter().filter(|it| it.rate > Bitrate::ZERO);
        for (slot, observation) in rates.iter_mut().zip(known) {
            *slot = observation.rate.bps_f64();
            count += 1;
        }
        let rates = rates.get_mut(..count).unwrap_or_default();
        rates.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| rates.get(index).copied().unwrap_or(0.0);
        match count {
            0 => Bitrate::ZERO,
            _ if count % 2 == 1 => rate_of(at(count / 2)),
            _ => rate_of(f64::midpoint(at(count / 2 - 1), at(count / 2))),
        }
    }
}

impl Partial {
    fn add(&mut self, result: &PacketResult) {
        let size = result.packet.size.bytes();
        let sequence = result.packet.sequence;
        let place = self.lost.binary_search_by_key(&sequence, |&(sequence, _)| sequence);
        match (place, result.received) {
            (Ok(index), Some(_)) => {
                let (_, size) = self.lost.remove(index);
                self.lost_bytes -= size;
                // It was counted when it was missing.
                return;
            }
            (Err(index), None) if self.lost.len() < MAX_LOST => {
                self.lost.insert(index, (sequence, size));
                self.lost_bytes += size;
            }
            _ => {}
        }
        self.bytes += size;
    }

    fn clear(&mut self) {
        self.bytes = 0;
        self.lost_bytes = 0;
        self.lost.clear();
    }
}

/// Weighted bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    bytes: f64,
    lost: f64,
}

impl Share {
    fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, lost: self.lost + other.lost }
    }

    fn minus(self, other: Self) -> Self {
        Self { bytes: self.bytes - other.bytes, lost: self.lost - other.lost }
    }

    fn ratio(self) -> f64 {
        if self.bytes > 0.0 { (self.lost / self.bytes).max(0.0) } else { 0.0 }
    }
}

const MIN_DURATION: Duration = Duration::from_millis(250);
const WINDOW: usize = 15;
const TEMPORAL_WEIGHT: f64 = 0.9;
/// With so few, each one counts.
const MIN_FOR_EXCLUSION: usize = 3;
const MEDIAN_FACTOR: f64 = 2.0;
/// A stretch ends with the feedback that makes it long enough, so that only a flood gets here.
const MAX_LOST: usize = 1 << 15;
