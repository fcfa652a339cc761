//! Builds and runs the measurements of benches/.

use crate::command::{cargo, run as run_command, target_directory};
use crate::packages;
use anyhow::Result;
use std::process::Command;

/// Runs the parts that `arguments` name; the program itself explains them with `--help`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let is_asked = |option: &str| arguments.iter().any(|argument| argument == option);
    let parts = ["--micro", "--path", "--gates", "--help", "-h"];
    let needs_bridge = is_asked("--bridge") || !parts.into_iter().any(is_asked);
    if is_asked("--gates") {
        packages::install_missing(packages::FOR_GATES)?;
    }
    let mut build = cargo(&["build", "--release", "--locked", "-p", "bridge-benches"]);
    if needs_bridge {
        build.args(["-p", "bridge", "-p", "bridge-load"]);
    }
    run_command(&mut build)?;
    let program = target_directory().join("release/videobridge-bench");
    run_command(Command::new(program).args(arguments))
}
