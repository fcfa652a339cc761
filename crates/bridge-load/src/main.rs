//! The `videobridge-load` binary.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    bridge_load::main_with(std::env::args().skip(1))
}
