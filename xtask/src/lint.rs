use crate::command::{cargo, run as run_command};
use anyhow::Result;

/// Formatting, clippy and documentation, warnings as errors.
pub(crate) fn run() -> Result<()> {
    run_command(&mut cargo(&["fmt", "--all", "--check"]))?;
    run_command(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    let mut doc =
        cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"]);
    run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
}
