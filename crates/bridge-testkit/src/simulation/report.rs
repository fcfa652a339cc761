use serde_json::{Value, json};
use std::time::Duration;

/// What came of a scenario: figures with their limits, curves, and promises that were broken.
#[derive(Clone, Debug, Default)]
pub struct ScenarioReport {
    /// Of the scenario.
    pub name: &'static str,
    /// What happens in it.
    pub description: &'static str,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// How it went.
    pub charts: Vec<Chart>,
    /// What no receiver should have seen.
    pub violations: Vec<String>,
}

/// One number and what it may be.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// Its value; `None` if what was to be measured did not happen.
    pub value: Option<f64>,
    /// Of the value.
    pub unit: &'static str,
    /// The least that is accepted.
    pub at_least: f64,
    /// The most that is accepted.
    pub at_most: f64,
}

/// Curves that share a vertical axis.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// Of the vertical axis.
    pub unit: &'static str,
    /// Its curves.
    pub curves: Vec<Curve>,
}

/// Points in the order of time.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What it is.
    pub name: String,
    /// Seconds since the scenario began, and values.
    pub points: Vec<(f64, f64)>,
    /// A value holds until the next one.
    pub is_stepped: bool,
}

impl ScenarioReport {
    pub(crate) fn new(name: &'static str, description: &'static str) -> Self {
        Self { name, description, ..Self::default() }
    }

    /// Adds a figure that must not exceed a limit.
    pub(crate) fn at_most(&mut self, name: &str, value: f64, limit: f64, unit: &'static str) {
        self.figure(name, Some(value), (f64::NEG_INFINITY, limit), unit);
    }

    /// Adds a figure that must reach a limit.
    pub(crate) fn at_least(&mut self, name: &str, value: f64, limit: f64, unit: &'static str) {
        self.figure(name, Some(value), (limit, f64::INFINITY), unit);
    }

    /// Adds a time within which something must have happened.
    pub(crate) fn within(&mut self, name: &str, value: Option<Duration>, limit: Duration) {
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        self.figure(name, value.map(millis), (f64::NEG_INFINITY, millis(limit)), "ms");
    }

    /// Adds a figure that tells, and is not judged.
    pub(crate) fn tell(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figure(name, Some(value), (f64::NEG_INFINITY, f64::INFINITY), unit);
    }

    /// What is not as it must be; empty if all is well.
    pub fn failures(&self) -> Vec<String> {
        let figures = self.figures.iter().filter(|figure| !figure.is_good());
        let figures = figures.map(|f| match f.value {
            Some(value) => {
                format!("{}: {value:.1} {} not in {}..={}", f.name, f.unit, f.at_least, f.at_most)
            }
            None => format!("{}: did not happen", f.name),
        });
        figures.chain(self.violations.iter().cloned()).collect()
    }

    /// For machines.
    pub fn to_json(&self) -> Value {
        let finite = |limit: f64| limit.is_finite().then_some(limit);
        let figure = |figure: &Figure| {
            json!({
                "name": figure.name,
                "value": figure.value,
                "unit": figure.unit,
                "at_least": finite(figure.at_least),
                "at_most": finite(figure.at_most),
                "good": figure.is_good(),
            })
        };
        let curve = |curve: &Curve| json!({ "name": curve.name, "points": curve.points });
        let chart = |chart: &Chart| {
            let curves: Vec<Value> = chart.curves.iter().map(curve).collect();
            json!({ "title": chart.title, "unit": chart.unit, "curves": curves })
        };
        json!({
            "name": self.name,
            "description": self.description,
            "figures": self.figures.iter().map(figure).collect::<Vec<_>>(),
            "charts": self.charts.iter().map(chart).collect::<Vec<_>>(),
            "violations": self.violations,
        })
    }

    fn figure(&mut self, name: &str, value: Option<f64>, limits: (f64, f64), unit: &'static str) {
        let (at_least, at_most) = limits;
        self.figures.push(Figure { name: name.to_owned(), value, unit, at_least, at_most });
    }
}

impl Figure {
    /// Whether it is within its limits.
    pub fn is_good(&self) -> bool {
        self.value.is_some_and(|value| (self.at_least..=self.at_most).contains(&value))
    }
}
