//! What got better and what got worse.

use crate::figures::{Figure, Figures};

/// How a figure moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Movement {
    Better,
    Worse,
    /// By less than what two runs of the same code differ.
    Same,
}

/// Prints how `new` differs from `old`, which `what` names. Figures of another machine are compared
/// only where the machine hardly matters.
pub(crate) fn print(what: &str, old: &Figures, new: &Figures) {
    let is_elsewhere = old.machine != new.machine;
    println!("\n>>> against {what}, measured on {}", old.machine);
    let mut same = 0;
    for (name, figure) in new.iter() {
        let Some(before) = old.get(name).filter(|before| before.unit == figure.unit) else {
            continue;
        };
        if is_elsewhere && !figure.unit.is_comparable_elsewhere() {
            continue;
        }
        let word = match movement(before, figure) {
            Movement::Same => {
                same += 1;
                continue;
            }
            Movement::Better => "better",
            Movement::Worse => "WORSE",
        };
        let change = change(before, figure).map_or_else(
            || "from nothing".to_owned(),
            |change| format!("{:+.0} %", change * 100.0),
        );
        println!("{word:<8} {name:<44} {before} -> {figure}, {change}");
    }
    println!("the same within noise: {same} figures");
}

/// How a figure moved from `old` to `new`.
pub(crate) fn movement(old: &Figure, new: &Figure) -> Movement {
    let noise = [old, new].map(half_spread).into_iter().fold(LEAST_NOISE, f64::max);
    let is_large = change(old, new).map_or(new.value != old.value, |change| change.abs() > noise);
    match (is_large, (new.value > old.value) == new.unit.is_better_high()) {
        (false, _) => Movement::Same,
        (true, true) => Movement::Better,
        (true, false) => Movement::Worse,
    }
}

/// Relative to the old value, if that is something.
fn change(old: &Figure, new: &Figure) -> Option<f64> {
    (old.value != 0.0).then(|| new.value / old.value - 1.0)
}

/// How far the samples of a run lie apart, relative to the value.
fn half_spread(figure: &Figure) -> f64 {
    match figure.spread {
        Some((low, high)) if figure.value > 0.0 => (high - low) / figure.value,
        _ => 0.0,
    }
}

/// Two runs of the same code on an idle machine differ by about as much.
const LEAST_NOISE: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Unit;

    fn figure(unit: Unit, value: f64) -> Figure {
        Figure { unit, value, spread: None }
    }

    #[test]
    fn less_time_is_better_and_more_packets_are() {
        for (unit, old, new, expected) in [
            (Unit::Nanoseconds, 100.0, 80.0, Movement::Better),
            (Unit::Nanoseconds, 100.0, 120.0, Movement::Worse),
            (Unit::Nanoseconds, 100.0, 103.0, Movement::Same),
            (Unit::PacketsPerSecond, 100.0, 120.0, Movement::Better),
            (Unit::PacketsPerSecond, 100.0, 80.0, Movement::Worse),
            (Unit::Allocations, 0.0, 0.1, Movement::Worse),
            (Unit::Allocations, 0.0, 0.0, Movement::Same),
            (Unit::Allocations, 0.1, 0.0, Movement::Better),
        ] {
            let moved = movement(&figure(unit, old), &figure(unit, new));
            assert_eq!(moved, expected, "{unit:?} {old} -> {new}");
        }
    }

    #[test]
    fn noise_is_no_change() {
        let noisy = Figure { spread: Some((80.0, 130.0)), ..figure(Unit::Nanoseconds, 100.0) };
        assert_eq!(movement(&noisy, &figure(Unit::Nanoseconds, 140.0)), Movement::Same);
        assert_eq!(movement(&noisy, &figure(Unit::Nanoseconds, 160.0)), Movement::Worse);
    }
}
