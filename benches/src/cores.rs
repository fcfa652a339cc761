//! Who runs on which core: what is measured has one of its own.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::path::Path;
use std::process::Command;

/// The core of what is measured.
pub(crate) const MEASURED: usize = 1;
/// The core of whoever sends and receives.
pub(crate) const GENERATOR: usize = 0;

/// Keeps this thread, and those that it starts, on one core.
pub(crate) fn pin(core: usize) {
    let mut set = CpuSet::new();
    let is_pinned = set.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).is_ok();
    // Figures are noisier then, no more.
    if !is_pinned {
        println!("warning: cannot use core {core} alone");
    }
}

/// A command that runs on one core only, if there is such a core.
pub(crate) fn command_on(core: usize, program: &Path) -> Command {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // This thread is pinned, so the standard library would count one.
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    if core >= count {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program);
    command
}
