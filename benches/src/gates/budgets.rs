//! The file of budgets.

use crate::figures::{Figures, Unit};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The most that each figure may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Budgets(BTreeMap<String, f64>);

impl Budgets {
    /// What was measured and a tenth.
    pub(super) fn from_measured(measured: &Figures) -> Self {
        let budget = |unit: Unit, value: f64| match unit {
            Unit::Allocations => (value * HEADROOM * STEPS).ceil().max(1.0) / STEPS,
            _ => (value * HEADROOM).ceil(),
        };
        let budgets = measured.iter();
        Self(
            budgets
                .map(|(name, figure)| (name.to_owned(), budget(figure.unit, figure.value)))
                .collect(),
        )
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let json: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        let entries = json["budgets"].as_object().context("there are no budgets in the file")?;
        let budgets: Option<_> =
            entries.iter().map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect();
        let budgets: BTreeMap<String, f64> = budgets.context("a budget is not a number")?;
        ensure!(!budgets.is_empty(), "{} has no budget", path.display());
        Ok(Self(budgets))
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let budgets: Map<String, Value> =
            self.0.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let file = json!({ "about": ABOUT, "budgets": budgets });
        std::fs::write(path, serde_json::to_string_pretty(&file)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// What is over its budget, has none or was not measured, each as a sentence.
    pub(super) fn broken(&self, measured: &Figures) -> Vec<String> {
        let mut broken = Vec::new();
        for (name, budget) in &self.0 {
            match measured.value(name) {
                None => broken.push(format!("{name} has a budget but is not measured")),
                Some(value) if value > *budget => broken.push(format!(
                    "{name} is {value:.4} for each forwarded packet, {} over its budget of {budget:.4}",
                    excess(value, *budget)
                )),
                Some(_) => {}
            }
        }
        let without = measured.iter().filter(|(name, _)| !self.0.contains_key(*name));
        broken.extend(without.map(|(name, _)| format!("{name} has no budget")));
        broken
    }
}

fn excess(value: f64, budget: f64) -> String {
    format!("{:.4} ({:.1} %)", value - budget, (value / budget - 1.0) * 100.0)
}

/// What other compilers and C libraries make of the same code differs by less.
const HEADROOM: f64 = 1.10;
/// Of so many packets one may allocate, however few did: a buffer that grows late breaks nothing.
const STEPS: f64 = 10_000.0;
const ABOUT: &str = "The most that a forwarded packet may cost on the packet path in memory; benches/README.md. \
                     Renewed with `cargo xtask bench --gates --renew`.";

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(instructions: f64, allocations: f64) -> Figures {
        let mut figures = Figures::default();
        figures.add("instructions", Unit::Instructions, instructions);
        figures.add("allocations", Unit::Allocations, allocations);
        figures
    }

    #[test]
    fn a_tenth_more_is_kept_and_what_is_above_is_told() {
        let budgets = Budgets::from_measured(&measured(1_000.0, 0.0));
        assert_eq!(budgets.broken(&measured(1_100.0, 0.0)), Vec::<String>::new());
        let broken = budgets.broken(&measured(1_210.0, 0.0));
        assert_eq!(broken.len(), 1);
        assert!(broken[0].contains("instructions is 1210"), "{broken:?}");
        assert!(broken[0].contains("10.0 %"), "{broken:?}");
        assert_eq!(budgets.broken(&measured(1_000.0, 0.001)).len(), 1);
    }

    #[test]
    fn nothing_escapes_by_having_no_budget_or_no_measurement() {
        let budgets = Budgets::from_measured(&measured(1.0, 0.0));
        assert_eq!(budgets.broken(&Figures::default()).len(), 2);
        let mut more = measured(1.0, 0.0);
        more.add("new", Unit::Instructions, 1.0);
        assert_eq!(budgets.broken(&more), ["new has no budget"]);
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budgets.json");
        let budgets = Budgets::from_measured(&measured(1_234.5, 0.0));
        budgets.write(&path).unwrap();
        assert_eq!(Budgets::read(&path).unwrap(), budgets);
        std::fs::write(&path, "{}").unwrap();
        assert!(Budgets::read(&path).is_err());
    }
}
