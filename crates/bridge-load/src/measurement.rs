//! What the threads and processes say, once a second and between two moments.

use std::time::Duration;

use bridge_io::Clock;
use bridge_units::Timestamp;

use crate::command::{Durations, SenderSnapshot};
use crate::error::LoadError;
use crate::join::Joiner;
use crate::process_usage::{MachineUsage, ProcessUsage};
use crate::reception::{ReceptionCounts, WrongCounts};
use crate::sender::SenderThread;

/// Everything that is known at one moment, counted from the start of the run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) sent: SenderSnapshot,
    pub(crate) received: ReceptionCounts,
    pub(crate) endpoints: usize,
    pub(crate) connected: usize,
    pub(crate) silent: usize,
    pub(crate) without_channel: usize,
    pub(crate) without_video: usize,
    pub(crate) disconnected: usize,
    pub(crate) oldest_consent: Duration,
    pub(crate) bridge: Option<ProcessUsage>,
    pub(crate) generator: ProcessUsage,
    pub(crate) machine: MachineUsage,
}

/// What happened between two samples.
#[derive(Clone)]
pub(crate) struct Window {
    pub(crate) begin: Sample,
    pub(crate) end: Sample,
    pub(crate) durations: Durations,
}

/// Reads samples.
pub(crate) struct Meter {
    clock: Clock,
    pid: Option<u32>,
}

impl Meter {
    pub(crate) fn new(clock: Clock, pid: Option<u32>) -> Result<Self, LoadError> {
        match pid {
            Some(pid) if ProcessUsage::of(pid).is_none() => Err(LoadError::NoProcess(pid)),
            pid => Ok(Self { clock, pid }),
        }
    }

    /// The state now, and the durations since the last sample.
    pub(crate) fn sample(
        &self,
        sender: &SenderThread,
        joiner: &Joiner,
    ) -> Result<(Sample, Durations), LoadError> {
        let mut sample = Sample {
            bridge: self.pid.and_then(ProcessUsage::of),
            generator: ProcessUsage::of_self().unwrap_or_default(),
            machine: MachineUsage::read().unwrap_or_default(),
            sent: sender.snapshot()?,
            at: self.clock.now(),
            ..Sample::default()
        };
        let mut durations = Durations::new();
        for snapshot in joiner.snapshots()? {
            sample.received.add(&snapshot.counts);
            sample.endpoints += snapshot.endpoints;
            sample.connected += snapshot.connected;
            sample.silent += snapshot.silent;
            sample.without_channel += snapshot.without_channel;
            sample.without_video += snapshot.without_video;
            sample.disconnected += snapshot.disconnected;
            sample.oldest_consent = sample.oldest_consent.max(snapshot.oldest_consent);
            durations.add(&snapshot.durations);
        }
        Ok((sample, durations))
    }
}

impl Window {
    pub(crate) fn length(&self) -> Duration {
        self.end.at.since(self.begin.at)
    }

    pub(crate) fn packets_in(&self) -> u64 {
        self.end.sent.packets - self.begin.sent.packets
    }

    pub(crate) fn packets_out(&self) -> u64 {
        self.end.received.packets - self.begin.received.packets
    }

    pub(crate) fn bytes_out(&self) -> u64 {
        self.end.received.bytes - self.begin.received.bytes
    }

    /// Sequence numbers that are missing for good, of those that should have come. What a bridge
    /// leaves out on purpose has none.
    pub(crate) fn loss_ratio(&self) -> f64 {
        let missing = |counts: &ReceptionCounts| counts.lost.saturating_sub(counts.recovered);
        // Late packets may fill holes of before.
        let lost = missing(&self.end.received).saturating_sub(missing(&self.begin.received));
        self.loss(lost)
    }

    /// Sequence numbers that were missing at first, repaired or not.
    pub(crate) fn loss_before_repair_ratio(&self) -> f64 {
        self.loss(self.end.received.lost.saturating_sub(self.begin.received.lost))
    }

    /// The same of sound alone.
    pub(crate) fn audio_loss_ratio(&self) -> f64 {
        let (begin, end) = (&self.begin.received, &self.end.received);
        let lost = end.audio_lost.saturating_sub(begin.audio_lost);
        loss(lost, end.audio_packets - begin.audio_packets)
    }

    /// The same of pictures alone.
    pub(crate) fn video_loss_ratio(&self) -> f64 {
        let lost = |counts: &ReceptionCounts| counts.lost.saturating_sub(counts.audio_lost);
        let came = |counts: &ReceptionCounts| counts.packets - counts.audio_packets;
        let (begin, end) = (&self.begin.received, &self.end.received);
        loss(lost(end).saturating_sub(lost(begin)), came(end) - came(begin))
    }

    fn loss(&self, lost: u64) -> f64 {
        loss(lost, self.packets_out())
    }

    /// Of a second: packets that left the bridge.
    pub(crate) fn packets_out_per_second(&self) -> f64 {
        ratio(self.packets_out() as f64, self.length().as_secs_f64()).unwrap_or(0.0)
    }

    pub(crate) fn packets_in_per_second(&self) -> f64 {
        ratio(self.packets_in() as f64, self.length().as_secs_f64()).unwrap_or(0.0)
    }

    /// CPU time of the bridge.
    pub(crate) fn bridge_cpu(&self) -> Option<Duration> {
        Some(self.end.bridge?.cpu.saturating_sub(self.begin.bridge?.cpu))
    }

    pub(crate) fn bridge_cpu_micros_per_packet_out(&self) -> Option<f64> {
        ratio(self.bridge_cpu()?.as_secs_f64() * 1e6, self.packets_out() as f64)
    }

    /// Cores that the bridge used.
    pub(crate) fn bridge_cpu_ratio(&self) -> Option<f64> {
        ratio(self.bridge_cpu()?.as_secs_f64(), self.length().as_secs_f64())
    }

    /// CPU time of the bridge for each endpoint that joined.
    pub(crate) fn bridge_cpu_millis_per_join(&self) -> Option<f64> {
        let joins = self.end.connected.saturating_sub(self.begin.connected);
        ratio(self.bridge_cpu()?.as_secs_f64() * 1e3, joins as f64)
    }

    /// Cores that each of the bridge's threads used, the busiest first, those that did little left
    /// out: whether its load is spread evenly.
    pub(crate) fn bridge_thread_ratios(&self) -> Vec<f64> {
        let (Some(begin), Some(end)) = (self.begin.bridge, self.end.bridge) else {
            return Vec::new();
        };
        let mut shares: Vec<f64> = end.threads_since(&begin).map(|time| self.share(time)).collect();
        shares.retain(|share| *share >= LEAST_SHARE);
        shares.sort_by(|one, other| other.total_cmp(one));
        shares
    }

    /// Cores that the generator used, all of them and the busiest thread's.
    pub(crate) fn generator_cpu_ratios(&self) -> (f64, f64) {
        let (begin, end) = (&self.begin.generator, &self.end.generator);
        let all = end.cpu.saturating_sub(begin.cpu);
        (self.share(all), self.share(end.busiest_since(begin)))
    }

    /// Cores that neither the bridge nor the generator used, or that the host took away. `None` if
    /// the bridge's process is not known.
    pub(crate) fn other_cpu_ratio(&self) -> Option<f64> {
        let (begin, end) = (&self.begin.machine, &self.end.machine);
        let busy = end.busy.saturating_sub(begin.busy) + end.stolen.saturating_sub(begin.stolen);
        let generator = self.end.generator.cpu.saturating_sub(self.begin.generator.cpu);
        Some(self.share(busy.saturating_sub(generator + self.bridge_cpu()?)))
    }

    fn share(&self, time: Duration) -> f64 {
        ratio(time.as_secs_f64(), self.length().as_secs_f64()).unwrap_or(0.0)
    }

    pub(crate) fn wrong(&self) -> WrongCounts {
        self.end.received.wrong
    }
}

/// Of a core. Threads that use less have no part in forwarding.
const LEAST_SHARE: f64 = 0.005;

fn loss(lost: u64, came: u64) -> f64 {
    ratio(lost as f64, (lost + came) as f64).unwrap_or(0.0)
}

/// `None` if there is nothing to divide by.
pub(crate) fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then_some(part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: u64, packets: u64, lost: u64) -> Sample {
        let cpu = Duration::from_millis(200 * seconds);
        let mut usage = ProcessUsage { cpu, resident: 1, ..ProcessUsage::default() };
        usage.threads[3] = (7, cpu / 2);
        let busy = Duration::from_secs(seconds);
        let machine = MachineUsage { busy, stolen: Duration::ZERO };
        Sample {
            at: Timestamp::from_millis(1_000 * seconds),
            received: ReceptionCounts { packets, lost, ..ReceptionCounts::default() },
            bridge: Some(usage),
            generator: usage,
            machine,
            ..Sample::default()
        }
    }

    #[test]
    fn windows_are_differences() {
        let durations = Durations::new();
        let window =
            Window { begin: sample(10, 1_000, 5), end: sample(20, 100_900, 105), durations };
        assert_eq!(window.packets_out(), 99_900);
        assert!((window.loss_ratio() - 0.001).abs() < 1e-9);
        let mut repaired = window.clone();
        repaired.end.received.recovered = 60;
        assert!((repaired.loss_ratio() - 40.0 / 99_940.0).abs() < 1e-9);
        assert!((repaired.loss_before_repair_ratio() - 0.001).abs() < 1e-9);
        assert!((window.packets_out_per_second() - 9_990.0).abs() < 1e-9);
        let cpu = window.bridge_cpu_micros_per_packet_out().unwrap();
        assert!((cpu - 2_000_000.0 / 99_900.0).abs() < 1e-9);
        let (all, busiest) = window.generator_cpu_ratios();
        assert!((all - 0.2).abs() < 1e-9 && (busiest - 0.1).abs() < 1e-9);
        let threads = window.bridge_thread_ratios();
        assert!(threads.len() == 1 && (threads[0] - 0.1).abs() < 1e-9, "{threads:?}");
        // One core was busy, of which bridge and generator had a fifth each.
        assert!((window.other_cpu_ratio().unwrap() - 0.6).abs() < 1e-9);
    }

    #[test]
    fn a_storm_has_a_cost_for_each_join() {
        let (begin, mut end) = (sample(10, 0, 0), sample(20, 0, 0));
        end.connected = 500;
        let window = Window { begin, end, durations: Durations::new() };
        assert!((window.bridge_cpu_millis_per_join().unwrap() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn sound_and_pictures_are_told_apart() {
        let begin = sample(10, 1_000, 5);
        let mut end = sample(20, 2_000, 105);
        (end.received.audio_packets, end.received.audio_lost) = (99, 1);
        let window = Window { begin, end, durations: Durations::new() };
        assert!((window.audio_loss_ratio() - 0.01).abs() < 1e-9);
        assert!((window.video_loss_ratio() - 99.0 / 1_000.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        let window = Window {
            begin: Sample::default(),
            end: Sample::default(),
            durations: Durations::new(),
        };
        assert_eq!(window.loss_ratio(), 0.0);
        assert_eq!(window.bridge_cpu_micros_per_packet_out(), None);
        assert_eq!(window.bridge_cpu_millis_per_join(), None);
        assert!(window.bridge_thread_ratios().is_empty());
    }
}
