//! The one door to every chore of this workspace: `cargo xtask test`, `cargo xtask lint`,
//! `cargo xtask bench`.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "this program talks to the person who runs it")]

mod bench;
mod bench_media;
mod command;
mod fuzz;
mod lint;
mod packages;
mod tests;

use anyhow::{Context, Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <chore>

  test          install what the tests need (Debian packages, as root) and run them
  test --all    with the browser tests that want more than two cores
  test --fast   run what needs no browser, no Prosody and no network
  lint          formatting, clippy with warnings as errors, and the documentation
  fuzz          run every fuzz target for 5 seconds
  fuzz --seconds N
                the same for N seconds each
  bench         what a forwarded packet costs, in parts and against a floor forwarder
  bench --gates instructions and allocations against benches/budgets.json (bench --help: more)
  bench --media simulate conferences and write target/media/media.html and .json";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => tests::run(tests::Extent::Everything),
        ["test", "--fast"] => tests::run(tests::Extent::Fast),
        ["test", "--all"] => tests::run(tests::Extent::All),
        ["fuzz"] => fuzz::run(fuzz::DEFAULT_SECONDS),
        ["fuzz", "--seconds", seconds] => fuzz::run(seconds.parse().context("--seconds")?),
        ["lint"] => lint::run(),
        ["bench", "--media"] => bench_media::run(),
        ["bench", ..] => bench::run(&arguments[1..]),
        ["--help" | "help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("no such chore\n{USAGE}"),
    }
}
