//! The clocks that figures are taken from.

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant, SystemTime};

/// Now on the wall: cheap to read, but counts what other threads do on this core too.
#[expect(clippy::disallowed_methods, reason = "measures real time")]
pub(crate) fn wall() -> Instant {
    Instant::now()
}

/// Now on the calendar.
#[expect(clippy::disallowed_methods, reason = "certificates are valid on the calendar")]
pub(crate) fn calendar() -> SystemTime {
    SystemTime::now()
}

/// What this thread has used of a core, in the kernel too: dear to read.
pub(crate) fn thread_cpu() -> Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("no clock of the thread")?;
    Ok(Duration::from(time))
}
