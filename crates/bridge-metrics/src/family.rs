//! The three output formats of `/metrics` (jicoco: `MetricsContainer`).

use prometheus::proto;
use prometheus::{Encoder, TextEncoder};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The prefix of all names.
const NAMESPACE: &str = "jitsi_jvb";

/// The kinds of metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A text, as the value of a label.
    Info(String),
}

/// One metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    kind: Kind,
    name: String,
    help: String,
    value: f64,
}

impl Family {
    /// A number. Counters are named without `_total`.
    pub fn new(kind: Kind, name: &str, help: &str, value: f64) -> Self {
        Self { kind, name: name.to_owned(), help: help.to_owned(), value }
    }

    /// A text.
    pub fn info(name: &str, help: &str, value: &str) -> Self {
        Self::new(Kind::Info(value.to_owned()), name, help, 1.0)
    }

    /// The name with which a sample is written, without prefix.
    fn sample_name(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge => self.name.clone(),
            Kind::Info(_) => format!("{}_info", self.name),
        }
    }

    fn to_proto(&self) -> proto::MetricFamily {
        let mut metric = proto::Metric::default();
        let mut family = proto::MetricFamily::default();
        family.set_name(format!("{NAMESPACE}_{}", self.sample_name()));
        family.set_help(self.help.clone());
        if self.kind == Kind::Counter {
            family.set_field_type(proto::MetricType::COUNTER);
            let mut counter = proto::Counter::default();
            counter.set_value(self.value);
            metric.set_counter(counter);
        } else {
            family.set_field_type(proto::MetricType::GAUGE);
            let mut gauge = proto::Gauge::default();
            gauge.set_value(self.value);
            metric.set_gauge(gauge);
        }
        if let Kind::Info(value) = &self.kind {
            let mut label = proto::LabelPair::default();
            label.set_name(self.name.clone());
            label.set_value(value.clone());
            metric.set_label(vec![label]);
        }
        family.set_metric(vec![metric]);
        family
    }
}

/// Prometheus text 0.0.4.
pub fn prometheus_text(families: &[Family]) -> String {
    let families: Vec<_> = families.iter().map(Family::to_proto).collect();
    let mut bytes = Vec::new();
    // Writing into memory fails only for a family without metrics, and each has one.
    let _ = TextEncoder::new().encode(&families, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// OpenMetrics 1.0.0: TYPE before HELP, family names without `_total`, `# EOF` at the end.
pub fn open_metrics(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families {
        let name = format!("{NAMESPACE}_{}", family.name);
        let sample = format!("{NAMESPACE}_{}", family.sample_name());
        let (kind, labels) = match &family.kind {
            Kind::Counter => ("counter", String::new()),
            Kind::Gauge => ("gauge", String::new()),
            Kind::Info(value) => ("info", format!("{{{}=\"{}\"}}", family.name, escape(value))),
        };
        // Writing into a String cannot fail.
        let _ = writeln!(out, "# TYPE {name} {kind}");
        let _ = writeln!(out, "# HELP {name} {}", escape(&family.help));
        let _ = writeln!(out, "{sample}{labels} {:?}", family.value);
    }
    out.push_str("# EOF\n");
    out
}

/// One JSON object, names without prefix.
pub fn json(families: &[Family]) -> String {
    let members: Map<String, Value> = families
        .iter()
        .map(|family| match &family.kind {
            Kind::Counter => (family.sample_name(), json!(family.value as u64)),
            Kind::Gauge => (family.name.clone(), json!(family.value)),
            Kind::Info(value) => (family.name.clone(), json!(value)),
        })
        .collect();
    Value::Object(members).to_string()
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        vec![
            Family::new(Kind::Counter, "conferences_created", "Conferences created.", 3.0),
            Family::new(Kind::Gauge, "stress", "Current stress.", 0.12),
            Family::info("region", "Region.", "eu \"west\""),
        ]
    }

    #[test]
    fn open_metrics_names_the_family_without_total() {
        assert_eq!(
            open_metrics(&families()),
            "# TYPE jitsi_jvb_conferences_created counter\n\
             # HELP jitsi_jvb_conferences_created Conferences created.\n\
             jitsi_jvb_conferences_created_total 3.0\n\
             # TYPE jitsi_jvb_stress gauge\n\
             # HELP jitsi_jvb_stress Current stress.\n\
             jitsi_jvb_stress 0.12\n\
             # TYPE jitsi_jvb_region info\n\
             # HELP jitsi_jvb_region Region.\n\
             jitsi_jvb_region_info{region=\"eu \\\"west\\\"\"} 1.0\n\
             # EOF\n"
        );
    }

    #[test]
    fn prometheus_text_names_the_family_as_its_sample() {
        let text = prometheus_text(&families());
        assert!(text.contains("# TYPE jitsi_jvb_conferences_created_total counter"), "{text}");
        assert!(text.contains("jitsi_jvb_conferences_created_total 3"), "{text}");
        assert!(text.contains("jitsi_jvb_region_info{region=\"eu \\\"west\\\"\"} 1"), "{text}");
    }

    #[test]
    fn json_has_counts_as_integers() {
        assert_eq!(
            json(&families()),
            r#"{"conferences_created_total":3,"region":"eu \"west\"","stress":0.12}"#
        );
    }
}
