//! Sums over all conferences, also those that have ended.

use bridge_conference::ConferenceCounters;
use bridge_units::ConferenceId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Total(AtomicU64);

impl Total {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the control plane counts beside its conferences.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) requests: Total,
    pub(crate) requests_refused: Total,
    pub(crate) conferences_created: Total,
    pub(crate) conferences_completed: Total,
    pub(crate) events_dropped: Total,
    pub(crate) commands_dropped: Total,
    pub(crate) panics: Total,
    conferences: Mutex<PerConference>,
}

/// The counters of running conferences as last seen, and the sum of those that have ended.
#[derive(Debug, Default)]
struct PerConference {
    running: HashMap<ConferenceId, ConferenceCounters>,
    ended: ConferenceCounters,
}

impl Totals {
    pub(crate) fn note_conference(&self, id: ConferenceId, counters: &ConferenceCounters) {
        self.lock().running.insert(id, *counters);
    }

    pub(crate) fn forget_conference(&self, id: ConferenceId) {
        let mut conferences = self.lock();
        if let Some(counters) = conferences.running.remove(&id) {
            conferences.ended += counters;
        }
    }

    /// The sum over all conferences there ever were.
    pub(crate) fn conference_counters(&self) -> ConferenceCounters {
        let conferences = self.lock();
        let mut sum = conferences.ended;
        for counters in conferences.running.values() {
            sum += *counters;
        }
        sum
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PerConference> {
        self.conferences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
