//! Everything that is measured of a bridge at one moment, and the names under which it is known.

use crate::ShardCounters;
use crate::family::{Family, Kind};
use serde_json::{Map, Value, json};

/// What the bridge measured, gathered when somebody asks.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Conferences that are running.
    pub conferences: u64,
    /// Conferences ever created.
    pub conferences_created: u64,
    /// Conferences that have ended.
    pub conferences_completed: u64,
    /// Endpoints of the largest conference.
    pub largest_conference: u64,
    /// Endpoints that are there.
    pub endpoints: u64,
    /// Endpoints ever created.
    pub endpoints_created: u64,
    /// Endpoints whose ICE succeeded.
    pub ice_succeeded: u64,
    /// Those of them with a relayed candidate.
    pub ice_succeeded_relayed: u64,
    /// Endpoints whose ICE failed.
    pub ice_failed: u64,
    /// Endpoints whose DTLS failed.
    pub dtls_failed: u64,
    /// Endpoints without bridge channel 30 s after DTLS.
    pub no_message_transport_after_delay: u64,
    /// Changes of the dominant speaker, but not into silence.
    pub dominant_speaker_changes: u64,
    /// Key frames asked of new speakers before they are shown.
    pub preemptive_keyframes_sent: u64,
    /// Changes of speaker for which none was worth it.
    pub preemptive_keyframes_suppressed: u64,
    /// Endpoints of which nothing was heard any more.
    pub endpoints_disconnected: u64,
    /// Endpoints that were heard of again.
    pub endpoints_reconnected: u64,
    /// Bridge-channel messages received over data channels.
    pub channel_messages_received: u64,
    /// Bridge-channel messages sent over data channels.
    pub channel_messages_sent: u64,
    /// Colibri2 requests taken.
    pub requests: u64,
    /// Colibri2 requests refused.
    pub requests_refused: u64,
    /// Commands and events lost between the planes, and messages refused.
    pub control_dropped: u64,
    /// Panics that were contained, in either plane.
    pub panics: u64,
    /// XMPP connections configured.
    pub muc_clients_configured: u64,
    /// XMPP connections that are logged in.
    pub muc_clients_connected: u64,
    /// Rooms configured.
    pub mucs_configured: u64,
    /// Rooms joined.
    pub mucs_joined: u64,
    /// How often an XMPP connection was lost.
    pub xmpp_disconnects: u64,
    /// Sums over all shards.
    pub shards: ShardCounters,
    /// Over the last interval.
    pub rates: Rates,
    /// The last health check's outcome.
    pub healthy: bool,
    /// A graceful shutdown was requested.
    pub graceful_shutdown: bool,
    /// The bridge is about to end.
    pub shutting_down: bool,
    /// Jicofo is asked not to use this bridge.
    pub drain: bool,
    /// Load from 0 to 1, may exceed it.
    pub stress: f64,
    /// The share of time that the host took from the processors, if it is looked at.
    pub cpu_steal: Option<f64>,
    /// What Jicofo adds to the stress for each endpoint that it places here.
    pub average_participant_stress: f64,
    /// Threads of the process.
    pub threads: u64,
    /// When the process started, milliseconds since 1970.
    pub startup_time_ms: u64,
    /// Now, in UTC.
    pub current_timestamp: String,
    /// Our version.
    pub version: String,
    /// The configured release, if any.
    pub release: Option<String>,
    /// The configured region, if any.
    pub region: Option<String>,
    /// The configured relay id, if relays are enabled.
    pub relay_id: Option<String>,
}

/// Traffic per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Bits received.
    pub incoming_bps: u64,
    /// Bits sent.
    pub outgoing_bps: u64,
    /// Packets received.
    pub incoming_pps: u64,
    /// Packets sent.
    pub outgoing_pps: u64,
}

impl Snapshot {
    /// The object of `/colibri/stats`: the values that exist so far, under JVB's names.
    pub fn colibri_stats(&self) -> Map<String, Value> {
        let mut stats = self.object_of_counts();
        for (name, value) in [
            ("stress_level", json!(self.stress)),
            ("average_participant_stress", json!(self.average_participant_stress)),
            ("graceful_shutdown", json!(self.graceful_shutdown)),
            ("shutting_down", json!(self.shutting_down)),
            ("drain", json!(self.drain)),
            ("healthy", json!(self.healthy)),
            ("current_timestamp", json!(self.current_timestamp)),
            ("version", json!(self.version)),
        ] {
            stats.insert(name.to_owned(), value);
        }
        let optional =
            [("release", &self.release), ("region", &self.region), ("relay_id", &self.relay_id)];
        for (name, value) in optional {
            if let Some(value) = value {
                stats.insert(name.to_owned(), json!(value));
            }
        }
        stats
    }

    /// The same values as text, for the presence.
    pub fn presence(&self) -> Vec<(String, String)> {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        self.colibri_stats().into_iter().map(|(name, value)| (name, text(value))).collect()
    }

    /// The metrics, without prefix.
    pub fn families(&self) -> Vec<Family> {
        let mut families = self.counters();
        families.extend(self.gauges());
        families.extend(self.shards.entries().map(|(name, value)| {
            let kind =
                if matches!(name, "sessions" | "entries") { Kind::Gauge } else { Kind::Counter };
            Family::new(kind, &format!("shard_{name}"), SHARD_HELP, value as f64)
        }));
        families
    }

    fn object_of_counts(&self) -> Map<String, Value> {
        [
            ("conferences", self.conferences),
            ("total_conferences_created", self.conferences_created),
            ("total_conferences_completed", self.conferences_completed),
            ("largest_conference", self.largest_conference),
            ("endpoints", self.endpoints),
            ("participants", self.endpoints),
            ("local_endpoints", self.endpoints),
            ("octo_endpoints", 0),
            ("octo_conferences", 0),
            ("total_participants", self.endpoints_created),
            ("total_ice_succeeded", self.ice_succeeded),
            ("total_ice_succeeded_relayed", self.ice_succeeded_relayed),
            ("total_ice_failed", self.ice_failed),
            ("endpoints_ice_failed", self.ice_failed),
            ("dtls_failed_endpoints", self.dtls_failed),
            ("num_eps_no_msg_transport_after_delay", self.no_message_transport_after_delay),
            ("total_data_channel_messages_received", self.channel_messages_received),
            ("total_data_channel_messages_sent", self.channel_messages_sent),
            ("total_dominant_speaker_changes", self.dominant_speaker_changes),
            ("preemptive_kfr_sent", self.preemptive_keyframes_sent),
            ("preemptive_kfr_suppressed", self.preemptive_keyframes_suppressed),
            ("endpoints_disconnected", self.endpoints_disconnected),
            ("endpoints_reconnected", self.endpoints_reconnected),
            ("bit_rate_download", self.rates.incoming_bps / 1_000),
            ("bit_rate_upload", self.rates.outgoing_bps / 1_000),
            ("packet_rate_download", self.rates.incoming_pps),
            ("packet_rate_upload", self.rates.outgoing_pps),
            ("total_bytes_received", self.shards.bytes_in),
            ("total_bytes_sent", self.shards.bytes_out),
            ("total_packets_received", self.shards.datagrams_in),
            ("total_packets_sent", self.shards.datagrams_out),
            ("muc_clients_configured", self.muc_clients_configured),
            ("muc_clients_connected", self.muc_clients_connected),
            ("mucs_configured", self.mucs_configured),
            ("mucs_joined", self.mucs_joined),
            ("threads", self.threads),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect()
    }

    fn counters(&self) -> Vec<Family> {
        [
            ("conferences_created", "Conferences created.", self.conferences_created),
            ("conferences_completed", "Conferences that have ended.", self.conferences_completed),
            ("endpoints", "Endpoints created.", self.endpoints_created),
            ("ice_succeeded", "Endpoints whose ICE succeeded.", self.ice_succeeded),
            (
                "ice_succeeded_relayed",
                "Endpoints whose ICE succeeded through a relay.",
                self.ice_succeeded_relayed,
            ),
            ("ice_failed", "Endpoints whose ICE failed.", self.ice_failed),
            ("endpoints_ice_failed", "Endpoints whose ICE failed.", self.ice_failed),
            ("endpoints_dtls_failed", "Endpoints with ICE but without DTLS.", self.dtls_failed),
            (
                "endpoints_no_message_transport_after_delay",
                "Endpoints without bridge channel 30 s after DTLS.",
                self.no_message_transport_after_delay,
            ),
            (
                "data_channel_messages_received",
                "Messages received over data channels.",
                self.channel_messages_received,
            ),
            (
                "data_channel_messages_sent",
                "Messages sent over data channels.",
                self.channel_messages_sent,
            ),
            (
                "dominant_speaker_changes",
                "Changes of the dominant speaker.",
                self.dominant_speaker_changes,
            ),
            (
                "preemptive_keyframe_requests_sent",
                "Key frames asked of new speakers before they are shown.",
                self.preemptive_keyframes_sent,
            ),
            (
                "preemptive_keyframe_requests_suppressed",
                "Changes of speaker for which no key frame was asked.",
                self.preemptive_keyframes_suppressed,
            ),
            (
                "endpoints_disconnected",
                "Endpoints of which nothing was heard any more.",
                self.endpoints_disconnected,
            ),
            (
                "endpoints_reconnected",
                "Endpoints that were heard of again.",
                self.endpoints_reconnected,
            ),
            ("packets_received", "Datagrams received.", self.shards.datagrams_in),
            ("packets_sent", "Datagrams sent.", self.shards.datagrams_out),
            ("bytes_received", "Bytes received.", self.shards.bytes_in),
            ("bytes_sent", "Bytes sent.", self.shards.bytes_out),
            ("xmpp_disconnects", "XMPP connections lost.", self.xmpp_disconnects),
            ("colibri_requests", "Colibri2 requests taken.", self.requests),
            ("colibri_requests_refused", "Colibri2 requests refused.", self.requests_refused),
            (
                "control_dropped",
                "Commands, events and messages lost at bounded queues.",
                self.control_dropped,
            ),
            ("panics_contained", "Bugs that ended one session or conference.", self.panics),
        ]
        .into_iter()
        .map(|(name, help, value)| Family::new(Kind::Counter, name, help, value as f64))
        .collect()
    }

    fn gauges(&self) -> Vec<Family> {
        let flag = |value: bool| f64::from(u8::from(value));
        let mut gauges: Vec<Family> = [
            ("graceful_shutdown", "Graceful shutdown was requested.", flag(self.graceful_shutdown)),
            ("shutting_down", "The bridge is about to end.", flag(self.shutting_down)),
            ("drain_mode", "Jicofo is asked not to use this bridge.", flag(self.drain)),
            ("healthy", "The last health check's outcome.", flag(self.healthy)),
            ("stress", "Current stress.", self.stress),
            ("conferences", "Conferences running.", self.conferences as f64),
            ("local_endpoints", "Endpoints connected here.", self.endpoints as f64),
            ("current_endpoints", "Endpoints, also of other bridges.", self.endpoints as f64),
            (
                "largest_conference",
                "Endpoints of the largest conference.",
                self.largest_conference as f64,
            ),
            ("startup_time", "Start of the process, ms since 1970.", self.startup_time_ms as f64),
            ("incoming_bitrate", "Bits received a second.", self.rates.incoming_bps as f64),
            ("outgoing_bitrate", "Bits sent a second.", self.rates.outgoing_bps as f64),
            ("incoming_packet_rate", "Packets received a second.", self.rates.incoming_pps as f64),
            ("outgoing_packet_rate", "Packets sent a second.", self.rates.outgoing_pps as f64),
            (
                "muc_clients_configured",
                "XMPP connections configured.",
                self.muc_clients_configured as f64,
            ),
            (
                "muc_clients_connected",
                "XMPP connections logged in.",
                self.muc_clients_connected as f64,
            ),
            // Despite its name the number of rooms configured, as in JVB.
            ("mucs_connected", "Rooms configured.", self.mucs_configured as f64),
            ("mucs_joined", "Rooms joined.", self.mucs_joined as f64),
            ("thread_count", "Threads of the process.", self.threads as f64),
        ]
        .into_iter()
        .map(|(name, help, value)| Family::new(Kind::Gauge, name, help, value))
        .collect();
        if let Some(steal) = self.cpu_steal {
            let help = "CPU steal fraction (from 0 to 1).";
            gauges.push(Family::new(Kind::Gauge, "cpu_steal", help, steal));
        }
        if let Some(region) = &self.region {
            gauges.push(Family::info("region", "Region.", region));
        }
        gauges
    }
}

const SHARD_HELP: &str = "Counted by the shards.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presence_has_what_jicofo_needs() {
        let snapshot = Snapshot {
            version: "2.3.1".into(),
            relay_id: Some("bridge-1".into()),
            ..Snapshot::default()
        };
        let presence = snapshot.presence();
        for name in [
            "stress_level",
            "average_participant_stress",
            "graceful_shutdown",
            "shutting_down",
            "drain",
            "healthy",
            "version",
            "relay_id",
        ] {
            assert!(presence.iter().any(|(key, _)| key == name), "{name}");
        }
        let drain = presence.iter().find(|(key, _)| key == "drain");
        assert_eq!(drain.map(|(_, value)| value.as_str()), Some("false"));
        assert!(!presence.iter().any(|(key, _)| key == "region"));
    }
}
