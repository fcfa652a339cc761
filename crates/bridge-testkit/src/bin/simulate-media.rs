//! Runs the scenarios of the media plane and writes what came of them: `simulate-media FOLDER`, or
//! `simulate-media FOLDER NAME SEED` for those with that in their names, and other chances.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "this program talks to the person who runs it")]

use bridge_testkit::simulation::{Scenario, html_page};
use serde_json::Value;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        println!("usage: simulate-media FOLDER [NAME [SEED]]");
        return ExitCode::FAILURE;
    };
    let wanted = std::env::args().nth(2).unwrap_or_default();
    let seed = std::env::args().nth(3).and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    match run(std::path::Path::new(&folder), &wanted, seed) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything is as it must be.
fn run(
    folder: &std::path::Path,
    wanted: &str,
    seed: u64,
) -> Result<bool, Box<dyn std::error::Error>> {
    let mut reports = Vec::new();
    let is_wanted = |scenario: &Scenario| format!("{scenario:?}").contains(wanted);
    for scenario in Scenario::ALL.into_iter().filter(is_wanted) {
        let report = scenario.run(seed)?;
        let failures = report.failures();
        println!("{}: {}", report.name, if failures.is_empty() { "good" } else { "not good" });
        for failure in failures {
            println!("  {failure}");
        }
        reports.push(report);
    }
    std::fs::create_dir_all(folder)?;
    let json: Vec<Value> = reports.iter().map(|report| report.to_json()).collect();
    std::fs::write(folder.join("media.json"), serde_json::to_vec_pretty(&json)?)?;
    std::fs::write(folder.join("media.html"), html_page(&reports))?;
    println!("written: {}", folder.join("media.html").display());
    Ok(reports.iter().all(|report| report.failures().is_empty()))
}

const SEED: u64 = 1;
