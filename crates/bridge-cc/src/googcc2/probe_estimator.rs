use std::collections::VecDeque;
use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use super::prober::{ProbeCluster, ProbeClusterId};
use crate::rates::{RateMath, micros_between};
use crate::sent_packets::{PacketResult, ReceiveTime};

/// The rate at which the packets of a probe came through.
///
/// Answers to JVB's `ProbeBitrateEstimator`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProbeEstimator {
    clusters: VecDeque<Measured>,
    result: Option<Bitrate>,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    plan: ProbeCluster,
    first_sent: Timestamp,
    last_sent: Timestamp,
    last_sent_size: u64,
    first_received: ReceiveTime,
    first_received_size: u64,
    last_received: ReceiveTime,
    size: u64,
    count: u32,
}

impl ProbeEstimator {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Expects packets of a probe.
    pub(crate) fn begin(&mut self, plan: ProbeCluster) {
        if self.clusters.len() >= MAX_CLUSTERS {
            self.clusters.pop_front();
        }
        self.clusters.push_back(Measured::new(plan));
    }

    /// Takes a packet of a probe that arrived.
    pub(crate) fn on_arrival(&mut self, result: &PacketResult) {
        let (Some(id), Some(received)) = (result.packet.probe, result.received) else { return };
        self.expire(id, received);
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.plan.id == id) else {
            return;
        };
        cluster.add(result.packet.sent, received, result.packet.size.bytes());
        if let Some(rate) = cluster.rate() {
            self.result = Some(rate);
        }
    }

    /// The last result, once.
    pub(crate) fn take(&mut self) -> Option<Bitrate> {
        self.result.take()
    }

    fn expire(&mut self, id: ProbeClusterId, now: ReceiveTime) {
        self.clusters.retain(|cluster| {
            cluster.plan.id == id
                || cluster.count == 0
                || now.micros_since(cluster.last_received) < CLUSTER_LIFETIME_MICROS
        });
    }
}

impl Measured {
    fn new(plan: ProbeCluster) -> Self {
        Self {
            plan,
            first_sent: Timestamp::FAR_FUTURE,
            last_sent: Timestamp::ZERO,
            last_sent_size: 0,
            first_received: ReceiveTime::from_micros(i64::MAX),
            first_received_size: 0,
            last_received: ReceiveTime::from_micros(i64::MIN),
            size: 0,
            count: 0,
        }
    }

    fn add(&mut self, sent: Timestamp, received: ReceiveTime, size: u64) {
        self.first_sent = self.first_sent.min(sent);
        if sent >= self.last_sent {
            self.last_sent = sent;
            self.last_sent_size = size;
        }
        if received < self.first_received {
            self.first_received = received;
            self.first_received_size = size;
        }
        self.last_received = self.last_received.max(received);
        self.size += size;
        self.count += 1;
    }

    /// `None` if too little arrived, or nonsense.
    fn rate(&self) -> Option<Bitrate> {
        let min_count = f64::from(self.plan.min_packets) * MIN_RECEIVED_RATIO;
        let min_size = self.plan.min_size.bytes() as f64 * MIN_RECEIVED_RATIO;
        if f64::from(self.count) < min_count || (self.size as f64) < min_size {
            return None;
        }
        let send_span = span(micros_between(self.first_sent, self.last_sent))?;
        let receive_span = span(self.last_received.micros_since(self.first_received))?;
        let send_rate = DataSize::from_bytes(self.size - self.last_sent_size).per(send_span);
        let receive_rate =
            DataSize::from_bytes(self.size - self.first_received_size).per(receive_span);
        if receive_rate > send_rate.scaled(MAX_RATIO) {
            return None;
        }
        if receive_rate < send_rate.scaled(SATURATED_RATIO) {
            return Some(receive_rate.scaled(SATURATED_UTILISATION));
        }
        Some(send_rate.min(receive_rate))
    }
}

/// Above nothing and up to a second.
fn span(micros: i64) -> Option<Duration> {
    let span = Duration::from_micros(u64::try_from(micros).ok()?);
    (span > Duration::ZERO && span <= MAX_SPAN).then_some(span)
}

/// The prober has at most five, and two more may be on the way.
const MAX_CLUSTERS: usize = 8;
const MIN_RECEIVED_RATIO: f64 = 0.8;
const MAX_RATIO: f64 = 2.0;
/// Below this the link was full.
const SATURATED_RATIO: f64 = 0.9;
const SATURATED_UTILISATION: f64 = 0.95;
const MAX_SPAN: Duration = Duration::from_secs(1);
const CLUSTER_LIFETIME_MICROS: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sent_packets::SentPacket;

    fn estimator(clusters: &[(u32, u64)]) -> ProbeEstimator {
        let mut estimator = ProbeEstimator::new();
        for &(id, min_size) in clusters {
            estimator.begin(ProbeCluster {
                id: ProbeClusterId(id),
                rate: Bitrate::from_kbps(800),
                min_size: DataSize::from_bytes(min_size),
                min_packets: 5,
                requested: Timestamp::ZERO,
            });
        }
        estimator
    }

    fn add(estimator: &mut ProbeEstimator, id: u32, size: u64, times: &[(u64, i64)]) {
        for &(sent, received) in times {
            estimator.on_arrival(&PacketResult {
                packet: SentPacket {
                    sequence: 0,
                    size: DataSize::from_bytes(size),
                    sent: Timestamp::from_millis(sent),
                    probe: Some(ProbeClusterId(id)),
                },
                received: Some(ReceiveTime::from_micros(received * 1_000)),
                was_lost: false,
            });
        }
    }

    #[test]
    fn facts_of_the_reference() {
        let spread = [(0, 10), (10, 20), (20, 30), (30, 40)];
        let small: Vec<(u64, i64)> = (0..6).map(|n| (n * 10, 10 + n as i64 * 10)).collect();
        for (size, min_size, times, expected) in [
            (1_000, 4_000, &spread[..], Some(800_000)),
            (1_000, 4_000, &spread[..3], None),
            (800, 6_000, &spread[..], None),
            (150, 600, &small[..], Some(120_000)),
            // faster and slower at the receiver
            (1_000, 4_000, &[(0, 15), (10, 30), (20, 35), (30, 40)], Some(800_000)),
            (1_000, 4_000, &[(0, 19), (10, 22), (20, 25), (30, 27)], None),
            (1_000, 4_000, &[(0, 10), (10, 40), (20, 70), (30, 85)], Some(304_000)),
            // at once
            (1_000, 4_000, &[(0, 50), (10, 50), (20, 50), (30, 50)], None),
            (1_000, 4_000, &[(10, 20), (10, 30), (10, 40), (10, 50)], None),
        ] {
            let mut estimator = estimator(&[(1, min_size)]);
            add(&mut estimator, 1, size, times);
            let result = estimator.take().map(Bitrate::bps);
            assert_eq!(result, expected, "{size} bytes, {times:?}");
            assert_eq!(estimator.take(), None, "a result is told once");
        }
    }

    #[test]
    fn clusters_are_independent() {
        let mut estimator = estimator(&[(1, 4_000), (2, 4_000)]);
        for n in 0..4 {
            add(&mut estimator, 1, 1_000, &[(n * 10, 10 + n as i64 * 10)]);
            add(&mut estimator, 2, 1_000, &[(n * 10, 10 + n as i64 * 20)]);
        }
        // The second, 95 % of 400 kbit/s, came last.
        assert_eq!(estimator.take(), Some(Bitrate::from_kbps(380)));
    }

    #[test]
    fn an_old_cluster_gives_nothing() {
        let mut estimator = estimator(&[(1, 4_000)]);
        add(&mut estimator, 1, 1_000, &[(0, 10), (10, 20), (20, 30), (6_000, 6_010)]);
        assert_eq!(estimator.take(), None);
    }

    #[test]
    fn unknown_probes_are_not_measured() {
        let mut estimator = estimator(&[]);
        add(&mut estimator, 9, 1_000, &[(0, 10), (10, 20), (20, 30), (30, 40), (40, 50)]);
        assert_eq!(estimator.take(), None);
        (0..100).for_each(|id| {
            estimator.begin(ProbeCluster {
                id: ProbeClusterId(id),
                rate: Bitrate::ZERO,
                min_size: DataSize::ZERO,
                min_packets: 0,
                requested: Timestamp::ZERO,
            });
        });
        assert_eq!(estimator.clusters.len(), MAX_CLUSTERS);
    }
}
