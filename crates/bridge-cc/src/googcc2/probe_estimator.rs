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
