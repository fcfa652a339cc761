//! What was measured, kept from one run to the next.

use crate::sampling::Sampled;
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Time, of which less is better.
    Nanoseconds,
    /// Time, of which less is better.
    Microseconds,
    /// Time, of which less is better.
    Milliseconds,
    /// A multiple of something measured in the same run, of which less is better.
    Ratio,
    /// Allocations on the heap, of which less is better.
    Allocations,
    /// Memory, of which less is better.
    Bytes,
    /// Instructions of the processor, of which less is better.
    Instructions,
    /// Packets in a message to the kernel, of which more is better.
    Packets,
    /// Packets a second, of which more is better.
    PacketsPerSecond,
}

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) unit: Unit,
    pub(crate) value: f64,
    /// Where the middle half of the samples lies.
    pub(crate) spread: Option<(f64, f64)>,
}

/// All figures by name, and where they were measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Processor, cores and kernel.
    pub(crate) machine: String,
    figures: BTreeMap<String, Figure>,
}

impl Figures {
    /// None yet, on this machine.
    pub(crate) fn here() -> Self {
        Self { machine: machine(), figures: BTreeMap::new() }
    }

    /// Reads what [`Self::write`] wrote; `None` if there is no such file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
        };
        let json: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        Ok(Some(Self::from_json(&json)))
    }

    /// Writes the figures for the next run.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(&self.to_json())? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Notes a figure and prints it.
    pub(crate) fn add(&mut self, name: &str, unit: Unit, value: f64) {
        self.insert(name, Figure { unit, value, spread: None });
    }

    /// Notes a figure with its spread and prints it.
    pub(crate) fn add_sampled(&mut self, name: &str, unit: Unit, sampled: Sampled) {
        let spread = Some((sampled.low, sampled.high));
        self.insert(name, Figure { unit, value: sampled.median, spread });
    }

    /// Keeps figures of the same machine that were not measured this time.
    pub(crate) fn keep(&mut self, others: &Self) {
        if others.machine != self.machine {
            return;
        }
        for (name, figure) in &others.figures {
            self.figures.entry(name.clone()).or_insert(*figure);
        }
    }

    /// The value of a figure.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.figures.get(name).map(|figure| figure.value)
    }

    /// Every figure by its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Figure)> {
        self.figures.iter().map(|(name, figure)| (name.as_str(), figure))
    }

    /// The figure of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Figure> {
        self.figures.get(name)
    }

    fn insert(&mut self, name: &str, figure: Figure) {
        println!("{name:<44} {figure}");
        self.figures.insert(name.to_owned(), figure);
    }

    fn to_json(&self) -> Value {
        let figure = |figure: &Figure| {
            let mut fields = Map::new();
            fields.insert("value".into(), json!(figure.value));
            fields.insert("unit".into(), json!(figure.unit.name()));
            if let Some((low, high)) = figure.spread {
                fields.insert("middle_half".into(), json!([low, high]));
            }
            Value::Object(fields)
        };
        let figures: Map<String, Value> =
            self.figures.iter().map(|(name, value)| (name.clone(), figure(value))).collect();
        json!({ "machine": self.machine, "figures": figures })
    }

    /// What cannot be read is left out: an older file has other figures.
    fn from_json(json: &Value) -> Self {
        let figure = |value: &Value| {
            let spread = &value["middle_half"];
            Some(Figure {
                unit: Unit::from_name(value["unit"].as_str()?)?,
                value: value["value"].as_f64()?,
                spread: spread[0].as_f64().zip(spread[1].as_f64()),
            })
        };
        let entries = json["figures"].as_object().into_iter().flatten();
        Self {
            machine: json["machine"].as_str().unwrap_or_default().to_owned(),
            figures: entries
                .filter_map(|(name, value)| Some((name.clone(), figure(value)?)))
                .collect(),
        }
    }
}

impl Unit {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Nanoseconds, "ns"),
        (Self::Microseconds, "us"),
        (Self::Milliseconds, "ms"),
        (Self::Ratio, "x"),
        (Self::Allocations, "allocations"),
        (Self::Bytes, "bytes"),
        (Self::Instructions, "instructions"),
        (Self::Packets, "packets"),
        (Self::PacketsPerSecond, "packets/s"),
    ];

    /// As written in files.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(unit, _)| *unit == self).map_or("", |(_, name)| *name)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(unit, _)| *unit)
    }

    /// Whether a greater value is the better one.
    pub(crate) fn is_better_high(self) -> bool {
        matches!(self, Self::Packets | Self::PacketsPerSecond)
    }

    /// Whether another machine has about the same value.
    pub(crate) fn is_comparable_elsewhere(self) -> bool {
        matches!(self, Self::Ratio | Self::Allocations | Self::Instructions | Self::Packets)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.value.abs() {
            0.0 => 0,
            value if value < 1.0 => 4,
            value if value < 100.0 => 2,
            _ => 0,
        };
        write!(out, "{:>12.digits$} {}", self.value, self.unit.name())?;
        match self.spread {
            Some((low, high)) => write!(out, "   ({low:.digits$} to {high:.digits$})"),
            None => Ok(()),
        }
    }
}

/// What figures depend on beside the code.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let models = processors.lines().filter_map(|line| line.strip_prefix("model name"));
    let models: Vec<&str> = models.map(|model| model.trim_matches([' ', '\t', ':'])).collect();
    let model = models.first().copied().unwrap_or("unknown processor");
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{} x {model}, Linux {}", models.len(), kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench/latest.json");
        assert_eq!(Figures::read(&path).unwrap(), None);
        let mut figures = Figures { machine: "2 x one".into(), ..Figures::default() };
        figures.add("path.time", Unit::Nanoseconds, 412.5);
        let sampled = Sampled { median: 1.5, low: 1.0, high: 2.0 };
        figures.add_sampled("path.ratio", Unit::Ratio, sampled);
        figures.write(&path).unwrap();
        assert_eq!(Figures::read(&path).unwrap(), Some(figures));
    }

    #[test]
    fn what_was_not_measured_is_kept() {
        let mut old = Figures::default();
        old.add("a", Unit::Ratio, 1.0);
        old.add("b", Unit::Ratio, 1.0);
        let mut new = Figures::default();
        new.add("a", Unit::Ratio, 2.0);
        new.keep(&old);
        assert_eq!((new.value("a"), new.value("b")), (Some(2.0), Some(1.0)));
    }

    #[test]
    fn every_unit_has_a_name() {
        for (unit, name) in Unit::ALL {
            assert_eq!(Unit::from_name(unit.name()), Some(unit));
            assert!(!name.is_empty());
        }
    }

    #[test]
    fn a_file_of_others_is_no_reason_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latest.json");
        std::fs::write(&path, r#"{"figures": {"a": {"value": 1, "unit": "furlongs"}}}"#).unwrap();
        assert_eq!(Figures::read(&path).unwrap().unwrap().iter().count(), 0);
        std::fs::write(&path, "no").unwrap();
        assert!(Figures::read(&path).is_err());
    }
}
