use bridge_units::Timestamp;
use std::time::Instant;

/// The process's monotonic clock, with its origin at start-up.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now; one per process, copied to whoever drives an engine.
    #[expect(clippy::disallowed_methods, reason = "this is the driver that reads the clock")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The instant of [`Timestamp::ZERO`].
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// The time since the start.
    #[expect(clippy::disallowed_methods, reason = "this is the driver that reads the clock")]
    pub fn now(&self) -> Timestamp {
        Timestamp::ZERO + Instant::now().duration_since(self.origin)
    }
}
