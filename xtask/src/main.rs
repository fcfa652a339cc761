//! The one door to every chore of this workspace: `cargo xtask test`, `cargo xtask lint`.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "this program talks to the person who runs it")]

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

  test          install what the tests need (Debian packages, as root) and run every test
  test --fast   run what needs no browser, no Prosody and no network
  fuzz          run every fuzz target for 5 seconds
  fuzz --seconds N
                the same for N seconds each
  bench --media simulate conferences and write target/media/media.html and .json
  lint          formatting, clippy with warnings as errors, and the documentation";

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
        ["fuzz"] => fuzz::run(fuzz::DEFAULT_SECONDS),
        ["fuzz", "--seconds", seconds] => fuzz::run(seconds.parse().context("--seconds")?),
        ["bench", "--media"] => bench_media::run(),
        ["lint"] => lint::run(),
        ["--help" | "help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("no such chore\n{USAGE}"),
    }
}
