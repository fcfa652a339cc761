//! Gathers what the bridge measures (JVB: `VideobridgeMetrics`, `VideobridgePeriodicMetrics`).

use crate::health::Health;
use crate::load::Load;
use crate::version::VERSION;
use crate::videobridge::Videobridge;
use crate::wall_clock;
use bridge_http::MetricsFormat;
use bridge_metrics::{Rates, ShardCounters, Snapshot};
use bridge_units::{DataSize, Timestamp};
use bridge_xmpp::XmppConnections;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Below this time between two measurements rates would be noise.
const MIN_RATE_INTERVAL: Duration = Duration::from_millis(500);

/// What the configuration says about the bridge's identity and load.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) release: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) relay_id: Option<String>,
    pub(crate) average_participant_stress: f64,
}

/// Gathers a [`Snapshot`] whenever somebody asks.
pub(crate) struct Statistics {
    bridge: Arc<Videobridge>,
    health: Arc<Health>,
    identity: Identity,
    pub(crate) load: Arc<Load>,
    /// Set once the connections exist.
    pub(crate) xmpp: OnceLock<Arc<XmppConnections>>,
    startup_time_ms: u64,
    measured: Mutex<Measured>,
}

/// What needs two moments to be measured.
#[derive(Clone, Copy, Default)]
struct Measured {
    at: Timestamp,
    counters: ShardCounters,
    rates: Rates,
}

impl Statistics {
    pub(crate) fn new(
        bridge: Arc<Videobridge>,
        health: Arc<Health>,
        identity: Identity,
        load: Arc<Load>,
    ) -> Self {
        Self {
            bridge,
            health,
            identity,
            load,
            xmpp: OnceLock::new(),
            startup_time_ms: wall_clock::now_millis(),
            measured: Mutex::default(),
        }
    }

    /// Measures rates since the last time; to be called every second.
    pub(crate) fn measure(&self) {
        let now = self.bridge.now();
        let counters = self.shard_counters();
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let interval = now - measured.at;
        if interval < MIN_RATE_INTERVAL {
            return;
        }
        measured.rates = rates(&measured.counters, &counters, interval);
        (measured.at, measured.counters) = (now, counters);
    }

    pub(crate) fn colibri_stats(&self) -> Map<String, Value> {
        self.snapshot().colibri_stats()
    }

    pub(crate) fn presence(&self) -> Vec<(String, String)> {
        self.snapshot().presence()
    }

    pub(crate) fn metrics(&self, format: MetricsFormat) -> String {
        let families = self.snapshot().families();
        match format {
            MetricsFormat::OpenMetrics => bridge_metrics::open_metrics(&families),
            MetricsFormat::PrometheusText => bridge_metrics::prometheus_text(&families),
            MetricsFormat::Json => bridge_metrics::json(&families),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let totals = &self.bridge.totals;
        let counters = totals.conference_counters();
        let measured = *self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let shards = self.shard_counters();
        let mut snapshot = Snapshot {
            conferences_created: totals.conferences_created.value(),
            conferences_completed: totals.conferences_completed.value(),
            endpoints_created: counters.endpoints_created,
            ice_succeeded: counters.ice_succeeded,
            ice_succeeded_relayed: counters.ice_succeeded_relayed,
            ice_failed: counters.ice_failed,
            dtls_failed: counters.dtls_failed,
            no_message_transport_after_delay: counters.no_message_transport_after_delay,
            dominant_speaker_changes: counters.dominant_speaker_changes,
            preemptive_keyframes_sent: counters.preemptive_keyframes_sent,
            preemptive_keyframes_suppressed: counters.preemptive_keyframes_suppressed,
            endpoints_disconnected: counters.endpoints_disconnected,
            endpoints_reconnected: counters.endpoints_reconnected,
            channel_messages_received: counters.messages_received,
            channel_messages_sent: counters.messages_sent,
            requests: totals.requests.value(),
            requests_refused: totals.requests_refused.value(),
            control_dropped: totals.events_dropped.value()
                + totals.commands_dropped.value()
                + shards.dropped_events,
            panics: totals.panics.value() + shards.panics,
            shards,
            rates: measured.rates,
            stress: self.load.stress(),
            cpu_steal: self.load.steal(),
            healthy: self.health.result(self.bridge.now()).is_ok(),
            average_participant_stress: self.identity.average_participant_stress,
            threads: thread_count(),
            startup_time_ms: self.startup_time_ms,
            current_timestamp: wall_clock::timestamp(),
            version: VERSION.to_owned(),
            release: self.identity.release.clone(),
            region: self.identity.region.clone(),
            relay_id: self.identity.relay_id.clone(),
            ..Snapshot::default()
        };
        self.add_state(&mut snapshot);
        self.add_xmpp(&mut snapshot);
        snapshot
    }

    fn add_state(&self, snapshot: &mut Snapshot) {
        let index = self.bridge.index();
        snapshot.conferences = index.len() as u64;
        snapshot.endpoints = index.local_endpoints() as u64;
        snapshot.largest_conference = index.conference_sizes().max().unwrap_or_default() as u64;
        snapshot.drain = index.is_draining();
        snapshot.graceful_shutdown = index.shutdown().is_graceful();
        snapshot.shutting_down = index.shutdown().is_shutting_down();
    }

    fn add_xmpp(&self, snapshot: &mut Snapshot) {
        let Some(xmpp) = self.xmpp.get() else { return };
        for status in xmpp.status() {
            snapshot.muc_clients_configured += 1;
            snapshot.muc_clients_connected += u64::from(status.connected);
            snapshot.mucs_configured += status.mucs_configured as u64;
            snapshot.mucs_joined += status.mucs_joined as u64;
            snapshot.xmpp_disconnects += status.disconnects;
        }
    }

    fn shard_counters(&self) -> ShardCounters {
        let mut sum = ShardCounters::default();
        for counters in self.bridge.group().counters() {
            sum.add(&counters);
        }
        sum
    }
}

fn rates(before: &ShardCounters, after: &ShardCounters, interval: Duration) -> Rates {
    let per_second = |before: u64, after: u64| {
        DataSize::from_bytes(after.saturating_sub(before)).per(interval).bps()
    };
    Rates {
        incoming_bps: per_second(before.bytes_in, after.bytes_in),
        outgoing_bps: per_second(before.bytes_out, after.bytes_out),
        incoming_pps: per_second(before.datagrams_in, after.datagrams_in) / 8,
        outgoing_pps: per_second(before.datagrams_out, after.datagrams_out) / 8,
    }
}

fn thread_count() -> u64 {
    std::fs::read_dir("/proc/self/task").map_or(0, |threads| threads.count() as u64)
}
