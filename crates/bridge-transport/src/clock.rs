use std::time::{Duration, Instant};

use bridge_units::Timestamp;

/// Turns `Timestamp`s into the `Instant`s that the ICE and SCTP libraries take, and back. Only
/// differences ever matter to them, so everything stays a function of the `Timestamp`s passed in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// `origin` is the instant of `Timestamp::ZERO`.
    pub(crate) const fn new(origin: Instant) -> Self {
        Self { origin }
    }

    pub(crate) fn instant(self, at: Timestamp) -> Instant {
        self.origin.checked_add(Duration::from_nanos(at.as_nanos())).unwrap_or(self.origin)
    }

    pub(crate) fn timestamp(self, at: Instant) -> Timestamp {
        Timestamp::ZERO + at.saturating_duration_since(self.origin)
    }
}
