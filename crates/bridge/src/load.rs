//! Measures the bridge's load, and limits what receivers get when it is too much (JVB:
//! `JvbLoadManager`).

use crate::cpu_times::CpuTimes;
use crate::videobridge::Videobridge;
use bridge_conference::{BridgeLoad, LoadConfig};
use bridge_metrics::ShardCounters;
use bridge_units::Timestamp;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the load is measured.
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);

/// What the load is and what is done about it: `videobridge.load-management`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LoadSettings {
    pub(crate) measurement: Measurement,
    pub(crate) config: LoadConfig,
}

/// `load-measurements.load-measurement`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measurement {
    /// RTP and RTCP packets received and sent a second.
    PacketRate,
    /// The share of the processors' time.
    CpuUsage {
        /// `cpu-usage.detect-cpu-steal`: together with what the host took.
        with_steal: bool,
    },
}

/// The load of this process's bridge.
pub(crate) struct Load {
    bridge: Arc<Videobridge>,
    measurement: Measurement,
    state: Mutex<State>,
}

struct State {
    load: BridgeLoad,
    steal: f64,
    before: Option<Sample>,
}

/// What two of tell a load.
#[derive(Clone, Copy)]
struct Sample {
    at: Timestamp,
    packets: u64,
    /// Of all threads of this process.
    process: Duration,
    system: Option<CpuTimes>,
}

impl Load {
    pub(crate) fn new(bridge: Arc<Videobridge>, settings: &LoadSettings) -> Self {
        let load = BridgeLoad::new(settings.config, bridge.last_n());
        let state = Mutex::new(State { load, steal: 0.0, before: None });
        Self { bridge, measurement: settings.measurement, state }
    }

    /// Measures, and sets the bridge's last-n if it is to be another; to be called every
    /// [`SAMPLE_INTERVAL`].
    pub(crate) async fn sample(&self) {
        let now = self.bridge.now();
        let load = self.measure(now);
        let reduces = self.state().load.reduces_at(now, load);
        let most = if reduces { self.bridge.most_forwarded_sources().await } else { None };
        let most = most.map(|most| u32::try_from(most).unwrap_or(u32::MAX));
        if let Some(last_n) = self.state().load.handle_load(now, load, most) {
            tracing::info!(%last_n, load, "last-n of all receivers follows the load");
            self.bridge.set_last_n(last_n);
        }
    }

    /// The load as last measured: 1 at the configured threshold.
    pub(crate) fn stress(&self) -> f64 {
        self.state().load.stress()
    }

    /// The share of time that the host took, if that is looked at.
    pub(crate) fn steal(&self) -> Option<f64> {
        let is_measured = self.measurement == Measurement::CpuUsage { with_steal: true };
        is_measured.then(|| self.state().steal)
    }

    /// For the debug state.
    pub(crate) fn to_json(&self) -> Value {
        self.state().load.to_json()
    }

    /// The load since the last measurement; none at first.
    fn measure(&self, now: Timestamp) -> f64 {
        let sample = Sample::take(&self.bridge, now);
        let mut state = self.state();
        let Some(before) = state.before.replace(sample) else { return 0.0 };
        match self.measurement {
            Measurement::PacketRate => sample.packet_rate(&before),
            Measurement::CpuUsage { with_steal } => {
                state.steal = if with_steal { sample.steal(&before) } else { 0.0 };
                sample.cpu_usage(&before) + state.steal
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sample {
    fn take(bridge: &Videobridge, now: Timestamp) -> Self {
        let mut sum = ShardCounters::default();
        bridge.group().counters().for_each(|counters| sum.add(&counters));
        let system = std::fs::read_to_string("/proc/stat").ok();
        Self {
            at: now,
            packets: sum.rtp_in + sum.rtcp_in + sum.rtp_out + sum.rtcp_out,
            process: process_cpu_time(),
            system: system.and_then(|text| CpuTimes::parse(&text)),
        }
    }

    fn packet_rate(&self, before: &Self) -> f64 {
        per_second(self.packets.saturating_sub(before.packets) as f64, self.at - before.at)
    }

    /// Of the system; where the process may use a part of it only, as in a container, of that part,
    /// which it is taken to have for itself.
    fn cpu_usage(&self, before: &Self) -> f64 {
        let own = std::thread::available_parallelism().map_or(1, usize::from);
        match self.system.zip(before.system) {
            Some((system, before)) if system.processors <= own => system.used_since(&before),
            _ => {
                let spent = self.process.saturating_sub(before.process).as_secs_f64();
                per_second(spent, self.at - before.at) / own as f64
            }
        }
    }

    fn steal(&self, before: &Self) -> f64 {
        self.system.zip(before.system).map_or(0.0, |(system, before)| system.stolen_since(&before))
    }
}

fn per_second(amount: f64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { amount / time.as_secs_f64() }
}

/// CPU time of all threads since the start.
fn process_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_conference::{
        ConferenceEnvironment, ConferenceSettings, CurrentCertificate, LastN, LastNReduction,
        LocalAddresses, Placement, SessionIds, ShutdownTimes,
    };
    use bridge_dtls::{Certificate, DtlsContext, DtlsSettings};
    use bridge_io::Clock;
    use bridge_shard::{MediaSettings, SessionEvent, ShardGroup, ShardSettings};
    use bridge_signaling::colibri2::ConferenceModify;
    use bridge_transport::{IceSettings, TransportContext};
    use std::num::NonZeroU16;

    fn sample(seconds: u64, packets: u64, process: u64, system: Option<&str>) -> Sample {
        Sample {
            at: Timestamp::from_millis(seconds * 1_000),
            packets,
            process: Duration::from_millis(process),
            system: system.and_then(CpuTimes::parse),
        }
    }

    #[test]
    fn packets_count_by_the_second() {
        let (before, after) = (sample(10, 5_000, 0, None), sample(20, 605_000, 0, None));
        assert_eq!(after.packet_rate(&before), 60_000.0);
        assert_eq!(after.packet_rate(&after), 0.0);
    }

    #[test]
    fn the_system_counts_unless_the_process_has_a_part_of_it_only() {
        let own = std::thread::available_parallelism().map_or(1, usize::from);
        let text = |ticks: &str, processors: usize| {
            (0..processors).fold(format!("cpu  {ticks}\n"), |text, n| format!("{text}cpu{n} 1\n"))
        };
        let (idle, used) = ("0 0 0 0 0 0 0 0", "45 0 0 50 0 0 0 5");
        let of = |processors| {
            let before = sample(0, 0, 0, Some(&text(idle, processors)));
            let after = sample(10, 0, 1_000 * own as u64, Some(&text(used, processors)));
            (after.cpu_usage(&before), after.steal(&before))
        };
        assert_eq!(of(own), (0.45, 0.05));
        assert_eq!(of(own + 1), (0.1, 0.05));
        let unknown = sample(10, 0, 2_000 * own as u64, None);
        assert_eq!(unknown.cpu_usage(&sample(0, 0, 0, None)), 0.2);
    }

    struct NoEvents;

    impl bridge_shard::EventSink for NoEvents {
        fn event(&self, event: SessionEvent) -> Result<(), SessionEvent> {
            Err(event)
        }
    }

    fn bridge() -> Arc<Videobridge> {
        let clock = Clock::start();
        let dtls = DtlsContext::new(DtlsSettings::default(), clock.origin()).unwrap();
        let shards = ShardSettings {
            local_addresses: Arc::new([]),
            context: TransportContext::new(dtls, IceSettings::default(), clock.origin()),
            media: MediaSettings::default(),
        };
        let group = Arc::new(ShardGroup::new(shards, Vec::new(), Arc::new(NoEvents)));
        let certificate = Certificate::generate(crate::wall_clock::now()).unwrap();
        let environment = ConferenceEnvironment {
            shards: NonZeroU16::MIN,
            placement: Placement::RoundRobin,
            certificate: CurrentCertificate::new(Arc::new(certificate)),
            addresses: LocalAddresses::new([], Vec::new(), true),
            settings: ConferenceSettings::default(),
            session_ids: SessionIds::default(),
        };
        let times = ShutdownTimes {
            graceful_max: Duration::from_secs(1),
            graceful_min_participants: 0,
            shutting_down_delay: Duration::from_secs(1),
        };
        Videobridge::new(environment, group, clock, times, false)
    }

    async fn create_endpoint(bridge: &Arc<Videobridge>) {
        let text = r#"{"meeting-id":"m-1","create":true,"endpoints":[{"id":"a1b2c3d4","create":true,
            "transport":{"ice-controlling":true},"capabilities":["source-names"]}]}"#;
        let request = ConferenceModify::from_json(&serde_json::from_str(text).unwrap()).unwrap();
        let (sender, answer) = tokio::sync::oneshot::channel();
        let reply = Box::new(move |answer: Result<_, _>| sender.send(answer.map(drop)).unwrap());
        bridge.conference_modify(request, reply);
        assert_eq!(answer.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn an_overloaded_bridge_asks_its_conferences_and_limits_them() {
        let bridge = bridge();
        assert_eq!(bridge.most_forwarded_sources().await, None);
        create_endpoint(&bridge).await;
        assert_eq!(bridge.most_forwarded_sources().await, Some(0));
        let reducer = LastNReduction {
            reduction_scale: 0.75,
            recover_scale: 1.25,
            impact_time: Duration::from_secs(60),
            minimum: 3,
            maximum_enforced: 40,
        };
        let settings = LoadSettings {
            measurement: Measurement::CpuUsage { with_steal: false },
            config: LoadConfig {
                load_threshold: 1e-9,
                recovery_threshold: 1e-10,
                reducer: Some(reducer),
            },
        };
        let load = Load::new(Arc::clone(&bridge), &settings);
        let mut changes = bridge.last_n_changes();
        load.sample().await;
        assert_eq!(
            (load.stress(), bridge.last_n()),
            (0.0, LastN::UNLIMITED),
            "nothing measured yet"
        );
        let mut samples = 0;
        while load.stress() == 0.0 && samples < 100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            load.sample().await;
            samples += 1;
        }
        assert!(load.stress() > 1.0, "a test costs something");
        assert_eq!(bridge.last_n(), LastN::new(3));
        assert!(changes.has_changed().unwrap(), "conferences are told");
        assert_eq!(*changes.borrow_and_update(), LastN::new(3));
        assert_eq!(load.to_json()["reducer"]["jvbLastN"], 3);
        assert_eq!(load.steal(), None);
    }
}
