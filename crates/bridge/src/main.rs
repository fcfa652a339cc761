//! The `videobridge` binary.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    bridge::main_with(std::env::args().skip(1))
}
