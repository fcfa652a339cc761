//! Runs the tests and counts them over all of cargo's runs.

use crate::command::{announce, cargo, run as run_command, target_directory};
use crate::packages;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Which tests to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that need no browser, no Prosody and no network.
    Fast,
    /// All but [`WANT_CORES`].
    Everything,
    /// All.
    All,
}

/// Browsers that encode these codecs in software want more cores than a small machine has; VP8 shows
/// the same promises there. What a slow link does to a browser depends on the encoder's pace even more.
const WANT_CORES: [&str; 4] =
    ["with_h264_simulcast", "with_vp9_svc", "with_av1_svc", "beside_a_slow_one"];

/// Tests that measure or record and promise nothing: to be run by hand.
const BY_HAND: [&str; 2] = ["burst_measurement", "capture_of"];

/// What cargo's closing lines said, added up.
#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

pub(crate) fn run(extent: Extent) -> Result<()> {
    let mut counts = Counts::default();
    let mut broken = Vec::new();
    if extent != Extent::Fast {
        packages::install_missing(packages::FOR_TESTS)?;
    }
    let fast = ["test", "--workspace", "--locked", "--no-fail-fast"];
    count(&mut cargo(&fast), "the fast tests", &mut counts, &mut broken)?;
    if extent != Extent::Fast {
        // What the fast run ignored runs now and is counted now.
        counts.ignored = 0;
        run_command(&mut cargo(&["build", "--release", "--locked", "--bin", "videobridge"]))?;
        // Documentation has no ignored tests.
        let slow = "test --workspace --tests --locked --no-fail-fast -- --ignored --test-threads=1";
        let mut slow: Vec<&str> = slow.split(' ').collect();
        slow.extend(BY_HAND.iter().flat_map(|name| ["--skip", name]));
        if extent == Extent::Everything {
            println!(">>> left to `cargo xtask test --all`: {}", WANT_CORES.join(", "));
            slow.extend(WANT_CORES.iter().flat_map(|name| ["--skip", name]));
        }
        let mut slow = cargo(&slow);
        slow.env("VIDEOBRIDGE_BIN", target_directory().join("release/videobridge"));
        count(&mut slow, "the end-to-end tests", &mut counts, &mut broken)?;
    }
    println!("\n{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.ignored);
    if !broken.is_empty() {
        bail!("failed: {}", broken.join(" and "));
    }
    Ok(())
}

/// Runs a `cargo test`, passes its output on and adds up its closing lines.
fn count(
    command: &mut Command,
    what: &str,
    counts: &mut Counts,
    broken: &mut Vec<String>,
) -> Result<()> {
    announce(command);
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        counts.add_closing_line(&line);
    }
    if !child.wait()?.success() {
        broken.push(what.to_owned());
    }
    Ok(())
}

impl Counts {
    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; ...`; other lines count nothing.
    fn add_closing_line(&mut self, line: &str) {
        let Some(result) = line.trim().strip_prefix("test result: ") else { return };
        let Some((_, numbers)) = result.split_once(". ") else { return };
        for part in numbers.split(';') {
            let Some((number, name)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match name {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn closing_lines_add_up() {
        let mut counts = Counts::default();
        counts.add_closing_line("running 4 tests");
        counts.add_closing_line(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.1s",
        );
        counts.add_closing_line("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured");
        assert_eq!((counts.passed, counts.failed, counts.ignored), (4, 2, 1));
    }
}
