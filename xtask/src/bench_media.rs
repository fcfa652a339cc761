//! The scenarios of the media plane, as a page to look at.

use crate::command::{cargo, root, run as run_command};
use anyhow::Result;

/// Simulates every scenario and writes figures and plots; fails if a figure is out of its limits.
pub(crate) fn run() -> Result<()> {
    let folder = root().join("target/media");
    let mut command = cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--package",
        "bridge-testkit",
        "--bin",
        "simulate-media",
    ]);
    run_command(command.arg("--").arg(&folder))
}
