//! The clocks that figures are taken from.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant, SystemTime};

/// Now on the wall.
#[expect(clippy::disallowed_methods, reason = "measures real time")]
pub(crate) fn wall() -> Instant {
    Instant::now()
}

/// Now on the calendar.
#[expect(clippy::disallowed_methods, reason = "certificates are valid on the calendar")]
pub(crate) fn calendar() -> SystemTime {
    SystemTime::now()
}

/// What this thread has used of a core, in the kernel too: what others do meanwhile does not count.
/// Reading it takes some hundred nanoseconds.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    Duration::from(time.expect("every Linux has a clock of each thread"))
}

/// What [`thread_cpu`] shows between two readings with nothing between.
pub(crate) fn reading_time() -> Duration {
    let mut times: Vec<Duration> = (0..1_001)
        .map(|_| {
            let before = thread_cpu();
            thread_cpu() - before
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}
