use std::collections::VecDeque;
use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use crate::rates::time_for;

/// Names a probe among those to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeClusterId(pub u32);

/// A short burst of packets at a rate that nobody knows to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeCluster {
    /// Its name.
    pub id: ProbeClusterId,
    /// How fast to send it.
    pub rate: Bitrate,
    /// What it needs at least.
    pub min_size: DataSize,
    /// How many packets it needs at least.
    pub min_packets: u32,
    /// When it was asked for.
    pub requested: Timestamp,
}

/// What is to be sent at once for a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeRun {
    /// The probe.
    pub cluster: ProbeClusterId,
    /// About how much: two milliseconds of the probe's rate.
    pub size: DataSize,
}

/// Sends probes in small runs, each when the rate of the probe says.
///
/// Answers to JVB's `BitrateProber`.
#[derive(Clone, Debug)]
pub(crate) struct Prober {
    clusters: VecDeque<Pending>,
    is_active: bool,
    next_run: Timestamp,
    discarded: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    plan: ProbeCluster,
    started: Option<Timestamp>,
    sent_size: u64,
    sent_runs: u32,
}

impl Prober {
    pub(crate) fn new() -> Self {
        Self {
            clusters: VecDeque::new(),
            is_active: false,
            next_run: Timestamp::FAR_FUTURE,
            discarded: 0,
        }
    }

    /// Takes a probe; it starts with the next packet that is large enough.
    pub(crate) fn add(&mut self, plan: ProbeCluster) {
        let now = plan.requested;
        while self.clusters.front().is_some_and(|first| {
            now - first.plan.requested > CLUSTER_TIMEOUT || self.clusters.len() >= MAX_CLUSTERS
        }) {
            self.clusters.pop_front();
            self.discarded += 1;
        }
        self.clusters.push_back(Pending { plan, started: None, sent_size: 0, sent_runs: 0 });
    }

    /// Media is sent: there is something to measure with.
    pub(crate) fn on_packet_sent(&mut self, now: Timestamp, size: DataSize) {
        let Some(first) = self.clusters.front().filter(|_| !self.is_active) else { return };
        if size >= first.run_size().min(MIN_PACKET_SIZE) {
            self.is_active = true;
            self.next_run = now;
        }
    }

    /// What to send `now`. Tell what was sent with [`Self::on_run_sent`], or that it cannot be sent.
    pub(crate) fn poll(&mut self, now: Timestamp) -> Option<ProbeRun> {
        if !self.is_active || now < self.next_run {
            return None;
        }
        if now - self.next_run > MAX_DELAY {
            // Packets that come this late measure the delay of this machine.
            self.drop_first(now);
            self.discarded += 1;
        }
        let first = self.clusters.front()?;
        Some(ProbeRun { cluster: first.plan.id, size: first.run_size() })
    }

    /// What was sent for a run. Nothing at all gives the probe up: there is nothing to send it with.
    pub(crate) fn on_run_sent(&mut self, now: Timestamp, size: DataSize) {
        if !self.is_active {
            return;
        }
        let Some(first) = self.clusters.front_mut() else { return };
        if size == DataSize::ZERO {
            self.is_active = false;
            self.clusters.clear();
            self.discarded += 1;
            return;
        }
        let started = *first.started.get_or_insert(now);
        first.sent_size += size.bytes();
        first.sent_runs += 1;
        self.next_run = started + time_for(DataSize::from_bytes(first.sent_size), first.plan.rate);
        if first.sent_size >= first.plan.min_size.bytes()
            && first.sent_runs >= first.plan.min_packets
        {
            self.drop_first(self.next_run);
        }
    }

    /// When to poll.
    pub(crate) fn poll_timeout(&self) -> Timestamp {
        if self.is_active && !self.clusters.is_empty() {
            self.next_run
        } else {
            Timestamp::FAR_FUTURE
        }
    }

    /// Probes that were not sent, or not to the end.
    pub(crate) fn discarded(&self) -> u64 {
        self.discarded
    }

    fn drop_first(&mut self, next: Timestamp) {
        self.clusters.pop_front();
        self.next_run = next;
        self.is_active = !self.clusters.is_empty();
    }
}

impl Pending {
    fn run_size(&self) -> DataSize {
        self.plan.rate.over(MIN_DELTA).max(DataSize::from_bytes(1))
    }
}

const MAX_CLUSTERS: usize = 5;
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(5);
const MIN_PACKET_SIZE: DataSize = DataSize::from_bytes(200);
const MAX_DELAY: Duration = Duration::from_millis(20);
const MIN_DELTA: Duration = Duration::from_millis(2);
