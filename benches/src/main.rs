//! What a forwarded packet costs: micro benchmarks, the packet path in memory, a floor forwarder and
//! the whole bridge on loopback; and budgets that a change must keep.
//!
//! `cargo xtask bench` builds and runs it; benches/README.md says what the figures mean.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "this program talks to the person who runs it")]

mod allocator;
mod arguments;
mod clock;
mod comparison;
mod cores;
mod figures;
mod floor;
mod gates;
mod micro;
mod packet_path;
mod path;
mod sampling;
mod whole_bridge;

use anyhow::Result;
use arguments::Arguments;
use figures::Figures;
use gates::Purpose;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    if arguments.help {
        println!("{}", arguments::HELP);
        return Ok(());
    }
    if arguments.counted {
        return gates::counted();
    }
    if arguments.measures() {
        cores::pin(cores::MEASURED);
        measure(arguments)?;
    }
    if arguments.gates {
        let purpose = if arguments.renew { Purpose::Renew } else { Purpose::Check };
        gates::run(purpose, &results_folder()?, &benches_folder().join("budgets.json"))?;
    }
    Ok(())
}

fn measure(arguments: Arguments) -> Result<()> {
    let mut figures = Figures::here();
    println!("on {}", figures.machine);
    if arguments.micro {
        micro::run(&mut figures)?;
    }
    if arguments.path {
        packet_path::run(&mut figures)?;
    }
    if arguments.bridge {
        whole_bridge::run(&mut figures)?;
    }
    let latest = results_folder()?.join("latest.json");
    let baseline = benches_folder().join("baseline.json");
    if let Some(committed) = Figures::read(&baseline)? {
        comparison::print("the committed baseline", &committed, &figures);
    }
    if arguments.baseline {
        figures.write(&baseline)?;
    }
    if let Some(previous) = Figures::read(&latest)? {
        comparison::print("the previous run", &previous, &figures);
        figures.keep(&previous);
    }
    figures.write(&latest)?;
    println!("\nwritten to {}", latest.display());
    Ok(())
}

/// `bench` in cargo's target folder: this program is in that folder's `release` or `debug`.
fn results_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).unwrap_or(Path::new("target"));
    Ok(target.join("bench"))
}

/// Where budgets and the baseline are committed.
fn benches_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
