//! Runs every fuzz target for a while under libFuzzer. A stable toolchain and a C++ compiler will do.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::command::{announce, cargo, root, run as run_command, target_directory};

/// Seconds for each target unless told otherwise.
pub(crate) const DEFAULT_SECONDS: u64 = 5;

/// How one target ended.
enum Outcome {
    Survived { inputs: String },
    Failed { input: Option<PathBuf>, log: PathBuf },
}

/// Builds all targets, then runs each for `seconds`, as many at a time as there are processors.
pub(crate) fn run(seconds: u64) -> Result<()> {
    let folder = target_directory().join("fuzz");
    let names = write_seeds(&folder)?;
    build(&names)?;
    println!("\n>>> {} targets, {seconds} s each; corpora in {}", names.len(), folder.display());
    let waiting = Mutex::new(names.iter().collect::<VecDeque<_>>());
    let failed = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(name) = waiting.lock().ok().and_then(|mut names| names.pop_front()) {
                    let message = report(name, &fuzz(name, seconds, &folder));
                    if let (Some(message), Ok(mut failed)) = (message, failed.lock()) {
                        failed.push(message);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    if !failed.is_empty() {
        bail!("fuzzing found a fault\n{}", failed.join("\n"));
    }
    Ok(())
}

/// Writes the inputs to start from; answers the names of the targets.
fn write_seeds(folder: &Path) -> Result<Vec<String>> {
    let mut command =
        cargo(&["run", "--quiet", "--locked", "-p", "bridge-fuzz", "--bin", "write-seeds", "--"]);
    command.arg(folder).stderr(Stdio::inherit());
    announce(&command);
    let output = command.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the seeds cannot be written: {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Only the crates of this workspace are instrumented; all else is that of the release build.
fn build(names: &[String]) -> Result<()> {
    let mut command = cargo(&["build", "--release", "--locked", "-p", "bridge-fuzz"]);
    command.args(["--features", "libfuzzer"]);
    names.iter().for_each(|name| {
        command.args(["--bin", name]);
    });
    run_command(command.env("RUSTC_WORKSPACE_WRAPPER", root().join("fuzz/instrumented-rustc")))
}

fn fuzz(name: &str, seconds: u64, folder: &Path) -> Result<Outcome> {
    let folder = folder.join(name);
    let corpus = folder.join("corpus");
    fs::create_dir_all(&corpus)?;
    let log = folder.join("log");
    let output = File::create(&log)?;
    let status = Command::new(target_directory().join("release").join(name))
        .args([&corpus, &folder.join("seeds")])
        .args(Some(root().join("fuzz/regressions").join(name)).filter(|found| found.is_dir()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=4096", "-print_final_stats=1"])
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("cannot start {name}"))?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if status.success() {
        let inputs = after(&text, "stat::number_of_executed_units:").unwrap_or("?").to_owned();
        return Ok(Outcome::Survived { inputs });
    }
    Ok(Outcome::Failed { input: after(&text, "Test unit written to ").map(PathBuf::from), log })
}

/// Prints how a target ended; answers what to say in the end if it failed.
fn report(name: &str, outcome: &Result<Outcome>) -> Option<String> {
    let message = match outcome {
        Ok(Outcome::Survived { inputs }) => {
            println!("fuzz {name}: {inputs} inputs survived");
            return None;
        }
        Ok(Outcome::Failed { input: Some(input), log }) => format!(
            "{name}: what failed is in {}, what it said in {};\n  once it is fixed, keep the input \
             in fuzz/regressions/{name}",
            input.display(),
            log.display()
        ),
        Ok(Outcome::Failed { input: None, log }) => format!("{name}: see {}", log.display()),
        Err(error) => format!("{name}: {error:#}"),
    };
    println!("fuzz {message}");
    Some(message)
}

/// The rest of the last line with `label`.
fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| Some(line.split_once(label)?.1.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crashing_input_is_found_in_the_log() {
        let log =
            "INFO: seed\nartifact_prefix='/x/'; Test unit written to /x/crash-1\nBase64: AA==";
        assert_eq!(after(log, "Test unit written to "), Some("/x/crash-1"));
        assert_eq!(after("stat::number_of_executed_units: 17\n", "units:"), Some("17"));
        assert_eq!(after(log, "stat::"), None);
    }
}
