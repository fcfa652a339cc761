//! A run's result for machines. Its names are an interface.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::overload::Overload;
use crate::report::{Point, Quantiles, Report, Step};

impl Report {
    /// All figures, times in the unit that a name ends with.
    pub fn to_json(&self) -> Value {
        let mut result = Map::new();
        for part in [self.bridge_to_json(), self.generator_to_json(), self.details_to_json()] {
            if let Value::Object(part) = part {
                result.extend(part);
            }
        }
        Value::Object(result)
    }

    fn bridge_to_json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "bridge": self.bridge,
            "endpoints": self.endpoints,
            "measured_s": self.measured.as_secs_f64(),
            "packets_in": self.packets_in,
            "packets_out": self.packets_out,
            "packets_in_per_second": self.per_second(self.packets_in),
            "packets_out_per_second": self.per_second(self.packets_out),
            "bytes_out": self.bytes_out,
            "loss_ratio": self.loss_ratio,
            "loss_before_repair_ratio": self.loss_before_repair_ratio,
            "delivered_ratio": self.delivered_ratio,
            "bridge_cpu_us_per_packet_out": self.bridge_cpu_us_per_packet_out,
            "bridge_cpu_ms_per_join": self.bridge_cpu_ms_per_join,
            "bridge_cpu_ratio": self.bridge_cpu_ratio,
            "bridge_thread_ratios": self.bridge_thread_ratios,
            "bridge_rss_bytes": self.bridge_rss_bytes,
            "bridge_rss_bytes_per_endpoint": self.bridge_rss_bytes_per_endpoint,
            "bridge_rss_bytes_per_hour": self.bridge_rss_bytes_per_hour,
            "delay_us": {
                "first": self.delay_first.to_json(1e6),
                "last": self.delay_last.to_json(1e6),
                "any": self.delay_any.to_json(1e6),
            },
            "join_ms": self.join.to_json(1e3),
            "first_media_ms": self.first_media.to_json(1e3),
        })
    }

    fn generator_to_json(&self) -> Value {
        json!({
            "generator_cpu_ratio": self.generator_cpu_ratio,
            "generator_busiest_thread_ratio": self.generator_busiest_thread_ratio,
            "other_cpu_ratio": self.other_cpu_ratio,
            "generator_late": self.generator_late,
            "generator_is_bottleneck": self.is_generator_bottleneck(),
            "packets_opened": self.packets_opened,
            "packets_lost": self.packets_lost,
            "packets_recovered": self.packets_recovered,
            "packets_late": self.packets_late,
            "retransmissions": self.retransmissions,
            "padding": self.padding,
            "packets_asked": self.packets_asked,
            "feedback_sent": self.feedback_sent,
            "channel_messages": self.channel_messages,
        })
    }

    fn details_to_json(&self) -> Value {
        let kinds: Map<String, Value> = self
            .error_kinds
            .iter()
            .map(|(name, count)| ((*name).into(), (*count).into()))
            .collect();
        json!({
            "warnings": self.warnings(),
            "errors": self.errors(),
            "error_kinds": kinds,
            "highest_good_step": self.highest_good().copied().map(Step::to_json),
            "steps": self.steps.iter().copied().map(Step::to_json).collect::<Vec<_>>(),
            "overload": self.overload.map(Overload::to_json),
            "series": self.series.iter().copied().map(Point::to_json).collect::<Vec<_>>(),
            "passed": self.passed(),
        })
    }
}

impl Quantiles {
    /// In units of which a second has `units`.
    fn to_json(self, units: f64) -> Value {
        let number = |value: Option<Duration>| value.map(|value| value.as_secs_f64() * units);
        json!({ "p50": number(self.p50), "p99": number(self.p99), "p999": number(self.p999) })
    }
}

impl Point {
    fn to_json(self) -> Value {
        json!({
            "at_s": self.at,
            "packets_in_per_second": self.packets_in,
            "packets_out_per_second": self.packets_out,
            "loss_ratio": self.loss_ratio,
            "delay_p99_us": self.delay_p99_us,
            "bridge_cpu_ratio": self.bridge_cpu_ratio,
            "bridge_rss_bytes": self.bridge_rss_bytes,
            "generator_cpu_ratio": self.generator_cpu_ratio,
        })
    }
}

impl Step {
    fn to_json(self) -> Value {
        json!({
            "rate": self.rate,
            "reached_per_second": self.reached,
            "loss_ratio": self.loss_ratio,
            "delivered_ratio": self.delivered_ratio,
            "p99_us": self.p99.map(|p99| p99.as_secs_f64() * 1e6),
            "bridge_cpu_us_per_packet_out": self.bridge_cpu_us_per_packet_out,
            "good": self.is_good,
        })
    }
}
