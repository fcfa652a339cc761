use std::collections::BTreeMap;
use std::time::Duration;

use hocon::HoconValue;

use crate::error::ConfigError;
use crate::reader::{Check, FromConfig, Reader};
use crate::section::checks::{PERIOD, POSITIVE};
use crate::value::{text, whole};

section! {
    /// Load, stress, and what is done about them.
    LoadConfig {
        /// Whether something is done.
        reducer_enabled: bool = "reducer-enabled",
        /// What the stress is computed from.
        measurement: LoadMeasurement = "load-measurements.load-measurement",
        /// Packets per second at which the bridge is full, and is not any more.
        packet_rate: LoadThresholds = "load-measurements.packet-rate",
        /// The same as a fraction of all cores.
        cpu_usage: LoadThresholds = "load-measurements.cpu-usage",
        /// Whether time that the host took counts as used.
        detect_cpu_steal: bool = "load-measurements.cpu-usage.detect-cpu-steal",
        /// Reduction of last-n.
        last_n: LastNReducerConfig = "load-reducers.last-n",
        /// Largest last-n by conference size: an entry counts from its size on.
        conference_last_n_limits: BTreeMap<u32, u32> = "conference-last-n-limits",
        /// Stress that one participant is expected to add.
        average_participant_stress: f64 = "average-participant-stress" where POSITIVE,
    }
}

section! {
    /// When a bridge is full, and when it is not any more.
    LoadThresholds {
        /// Full at or above it.
        load: f64 = "load-threshold" where POSITIVE,
        /// Recovered below it.
        recovery: f64 = "recovery-threshold" where POSITIVE,
    }
}

section! {
    /// Reduction of last-n under load.
    LastNReducerConfig {
        /// Factor of each reduction.
        reduction_scale: f64 = "reduction-scale" where REDUCTION,
        /// Factor of each recovery.
        recover_scale: f64 = "recover-scale" where RECOVERY,
        /// Between two steps.
        impact_time: Duration = "impact-time",
        /// It goes no lower.
        minimum_last_n: u32 = "minimum-last-n-value",
        /// Above it there is no limit.
        maximum_enforced_last_n: u32 = "maximum-enforced-last-n-value",
    }
}

section! {
    /// Collection of statistics.
    StatsConfig {
        /// How often.
        interval: Duration = "interval" where PERIOD,
        /// How long packets stay in the bridge.
        transit_time: TransitTimeConfig = "transit-time",
        /// `jvm.enabled`: without a meaning here.
        jvm_enabled: bool = "jvm.enabled",
    }
}

section! {
    /// Statistics of how long packets stay in the bridge.
    TransitTimeConfig {
        /// Whether they are collected.
        enable_json: bool = "enable-json",
        /// Whether they are metrics, too.
        enable_prometheus: bool = "enable-prometheus",
        /// Whether their variation is collected.
        enable_jitter: bool = "enable-jitter",
    }
}

section! {
    /// ConnectionStats messages to clients.
    ConnectionStatsConfig {
        /// Whether they are sent.
        enabled: bool = "enabled",
        /// How often.
        interval: Duration = "interval" where PERIOD,
    }
}

section! {
    /// SSRC rewriting: most SSRCs towards one receiver.
    SsrcLimitConfig {
        /// Of video.
        video: u32 = "video",
        /// Of audio.
        audio: u32 = "audio",
    }
}

named_values! {
    /// What the stress of a bridge is computed from.
    LoadMeasurement, expected "cpu-usage or packet-rate" {
        /// The processor's use.
        CpuUsage = "cpu-usage",
        /// Packets per second.
        PacketRate = "packet-rate",
    }
}

impl FromConfig for BTreeMap<u32, u32> {
    fn read(reader: &Reader<'_>, path: &str) -> Result<Self, ConfigError> {
        let refuse = || reader.refuse(path, "a section of conference size = last-n");
        let Some(HoconValue::Object(fields)) = reader.value(path) else { return Err(refuse()) };
        let number = |text: &str| u32::try_from(whole(text)?).ok();
        let entry = |(size, value)| Some((number(size)?, number(text(value)?)?));
        fields
            .iter()
            .map(|(size, value)| entry((size.as_str(), value)))
            .collect::<Option<_>>()
            .ok_or_else(refuse)
    }
}

const REDUCTION: Check<f64> =
    Check { expected: "a number between 0 and 1", holds: |&scale| scale > 0.0 && scale < 1.0 };

const RECOVERY: Check<f64> = Check { expected: "a number above 1", holds: |&scale| scale > 1.0 };
