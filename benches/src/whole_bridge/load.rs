//! The load generator's runs and what they found.

use super::bridge_process::{BridgeProcess, sibling};
use crate::cores;
use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A run of the load generator.
pub(super) struct Load {
    pub(super) name: &'static str,
    /// Beside those that all runs have.
    pub(super) arguments: &'static [&'static str],
}

/// What the generator found.
pub(super) struct LoadResult {
    pub(super) micros_per_packet: f64,
    pub(super) packets_per_second: f64,
    pub(super) loss_ratio: f64,
    pub(super) bytes_per_endpoint: Option<f64>,
    pub(super) delay_first_p50: Option<f64>,
    pub(super) delay_last_p50: Option<f64>,
    pub(super) delay_last_p99: Option<f64>,
    pub(super) warnings: Vec<String>,
}

impl Load {
    /// One sender, a hundred receivers. An error if a packet was wrong.
    pub(super) fn run(&self, bridge: &BridgeProcess) -> Result<LoadResult> {
        let name = format!("videobridge-bench-{}-{}.json", self.name, std::process::id());
        let json = std::env::temp_dir().join(name);
        let mut command = cores::command_on(cores::GENERATOR, &sibling("videobridge-load")?);
        command
            .args(["--bridge", &bridge.url(), "--pid", &bridge.id().to_string()])
            .args(["--scenario", "one-to-many", "--receivers", "100"])
            .args(["--duration", &format!("{SECONDS}s"), "--warm-up", "3s"])
            .args(self.arguments)
            .arg("--json")
            .arg(&json);
        let ran = command.output().context("cannot start the load generator")?;
        let text = std::fs::read_to_string(&json).unwrap_or_default();
        let _ = std::fs::remove_file(&json);
        let found: Value = serde_json::from_str(&text).unwrap_or_default();
        if !ran.status.success() {
            let said = String::from_utf8_lossy(&ran.stderr);
            let last = said.lines().last().unwrap_or_default();
            bail!("the load generator failed ({}): {} {last}", ran.status, found["error_kinds"]);
        }
        LoadResult::read(&found)
    }
}

impl LoadResult {
    fn read(found: &Value) -> Result<Self> {
        let number = |value: &Value| value.as_f64();
        let delay = |place: &str, quantile: &str| number(&found["delay_us"][place][quantile]);
        let packets = number(&found["packets_out"]).context("no packets in the result")?;
        let warnings = found["warnings"].as_array().into_iter().flatten();
        Ok(Self {
            micros_per_packet: number(&found["bridge_cpu_us_per_packet_out"])
                .context("no CPU time in the result")?,
            packets_per_second: packets / SECONDS as f64,
            loss_ratio: number(&found["loss_ratio"]).unwrap_or_default(),
            bytes_per_endpoint: number(&found["bridge_rss_bytes_per_endpoint"]),
            delay_first_p50: delay("first", "p50"),
            delay_last_p50: delay("last", "p50"),
            delay_last_p99: delay("last", "p99"),
            warnings: warnings.filter_map(|text| Some(text.as_str()?.to_owned())).collect(),
        })
    }
}

/// How long each run measures.
const SECONDS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read() {
        let found = serde_json::json!({
            "packets_out": 1_000_000,
            "bridge_cpu_us_per_packet_out": 2.5,
            "delay_us": { "first": { "p50": 100.0 }, "last": { "p50": 200.0, "p99": null } },
            "warnings": ["the generator is the bottleneck"],
        });
        let result = LoadResult::read(&found).unwrap();
        assert_eq!((result.micros_per_packet, result.packets_per_second), (2.5, 100_000.0));
        assert_eq!((result.delay_last_p50, result.delay_last_p99), (Some(200.0), None));
        assert_eq!(result.warnings.len(), 1);
        assert!(LoadResult::read(&serde_json::json!({ "packets_out": 1 })).is_err());
    }
}
