use std::collections::VecDeque;
use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use crate::rates::time_for;

/// Names a probe among those to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeClusterId(pub u32);

/// A short burst of packets at a rate that nobody knows to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeCluster {
    /// Its name.
    pub(crate) id: ProbeClusterId,
    /// How fast to send it.
    pub(crate) rate: Bitrate,
    /// What it needs at least.
    pub(crate) min_size: DataSize,
    /// How many packets it needs at least.
    pub(crate) min_packets: u32,
    /// When it was asked for.
    pub(crate) requested: Timestamp,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(id: u32, kbps: u64, requested: Timestamp) -> ProbeCluster {
        let rate = Bitrate::from_kbps(kbps);
        let min_size = rate.over(Duration::from_millis(15));
        ProbeCluster { id: ProbeClusterId(id), rate, min_size, min_packets: 5, requested }
    }

    const PACKET: DataSize = DataSize::from_bytes(1_000);

    #[test]
    fn media_starts_a_probe() {
        let mut prober = Prober::new();
        let now = Timestamp::from_millis(100);
        prober.add(cluster(1, 900, now));
        assert_eq!(prober.poll(now), None);
        // 2 ms of 900 kbit/s are 225 bytes, so that 200 count.
        prober.on_packet_sent(now, DataSize::from_bytes(199));
        assert_eq!(prober.poll_timeout(), Timestamp::FAR_FUTURE);
        prober.on_packet_sent(now, DataSize::from_bytes(200));
        let run = ProbeRun { cluster: ProbeClusterId(1), size: DataSize::from_bytes(225) };
        assert_eq!((prober.poll_timeout(), prober.poll(now)), (now, Some(run)));
    }

    #[test]
    fn a_slow_probe_starts_with_small_packets() {
        let mut prober = Prober::new();
        prober.add(cluster(1, 400, Timestamp::ZERO));
        prober.on_packet_sent(Timestamp::ZERO, DataSize::from_bytes(100));
        assert!(prober.poll(Timestamp::ZERO).is_some());
    }

    #[test]
    fn runs_are_spaced_by_the_rate() {
        let mut prober = Prober::new();
        let start = Timestamp::from_millis(50);
        prober.add(cluster(1, 900, start));
        prober.add(cluster(2, 1_800, start));
        prober.on_packet_sent(start, PACKET);
        let mut now = start;
        let mut sent = 0;
        while let Some(run) = prober.poll(now).filter(|run| run.cluster == ProbeClusterId(1)) {
            assert_eq!(prober.poll(now), Some(run), "until it is sent");
            prober.on_run_sent(now, PACKET);
            sent += 1_000;
            let elapsed = (prober.poll_timeout() - start).as_secs_f64();
            let rate = f64::from(sent) * 8.0 / elapsed;
            assert!((rate - 900_000.0).abs() < 100.0, "{rate}");
            assert!(prober.poll(now).is_none());
            now = prober.poll_timeout();
        }
        // 15 ms are 1687 bytes, but five runs are needed.
        assert_eq!(sent, 5_000);
        let second = prober.poll(now).unwrap();
        assert_eq!((second.cluster, second.size.bytes()), (ProbeClusterId(2), 450));
        for _ in 0..5 {
            prober.on_run_sent(now, PACKET);
            now = prober.poll_timeout();
        }
        assert_eq!(prober.poll_timeout(), Timestamp::FAR_FUTURE);
        assert_eq!(prober.discarded(), 0);
    }

    #[test]
    fn large_probes_end_with_enough_bytes() {
        let mut prober = Prober::new();
        prober.add(cluster(1, 10_000, Timestamp::ZERO));
        prober.on_packet_sent(Timestamp::ZERO, PACKET);
        let mut sent = 0;
        while prober.poll(prober.poll_timeout()).is_some() {
            prober.on_run_sent(prober.poll_timeout(), PACKET);
            sent += 1_000;
        }
        assert_eq!(sent, 19_000, "18,750 bytes in 15 ms");
    }

    #[test]
    fn a_late_run_ends_the_probe() {
        let mut prober = Prober::new();
        prober.add(cluster(1, 900, Timestamp::ZERO));
        prober.on_packet_sent(Timestamp::ZERO, PACKET);
        prober.on_run_sent(Timestamp::ZERO, PACKET);
        let due = prober.poll_timeout();
        assert!(prober.clone().poll(due + MAX_DELAY).is_some());
        assert_eq!(prober.poll(due + MAX_DELAY + Duration::from_millis(1)), None);
        assert_eq!((prober.discarded(), prober.poll_timeout()), (1, Timestamp::FAR_FUTURE));
    }

    #[test]
    fn nothing_to_send_ends_the_probes() {
        let mut prober = Prober::new();
        prober.add(cluster(1, 900, Timestamp::ZERO));
        prober.on_packet_sent(Timestamp::ZERO, PACKET);
        prober.on_run_sent(Timestamp::ZERO, DataSize::ZERO);
        assert_eq!(prober.poll(Timestamp::ZERO), None);
    }

    #[test]
    fn pending_probes_are_bounded_and_time_out() {
        let mut prober = Prober::new();
        (0..20).for_each(|id| prober.add(cluster(id, 900, Timestamp::ZERO)));
        assert_eq!((prober.clusters.len(), prober.discarded()), (5, 15));
        let late = Timestamp::ZERO + CLUSTER_TIMEOUT + Duration::from_millis(1);
        prober.add(cluster(20, 900, late));
        assert_eq!(prober.clusters.len(), 1);
    }
}
