use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use crate::source::{LayeringChange, MAX_ENCODINGS, MAX_LAYERS, MediaSource};
use crate::source_layers::SourceLayers;

/// When the control plane is to hear what a source sends.
#[derive(Debug)]
pub(super) struct LayersReport {
    next: Timestamp,
    last: Option<Timestamp>,
    changed: bool,
    /// The layers that carried something when last reported.
    active: ActiveLayers,
}

impl LayersReport {
    pub(super) const fn new() -> Self {
        Self { next: Timestamp::FAR_FUTURE, last: None, changed: false, active: ActiveLayers::NONE }
    }

    /// Of a source whose layers were others until now.
    pub(super) const fn due() -> Self {
        Self { next: Timestamp::ZERO, changed: true, ..Self::new() }
    }

    /// Notes a packet of the source.
    pub(super) fn handle_packet(&mut self, now: Timestamp, change: LayeringChange) {
        if change.layering || change.became_active {
            self.changed = true;
            let earliest = self.last.map_or(now, |last| (last + MIN_INTERVAL).max(now));
            self.next = self.next.min(earliest);
        } else if self.next == Timestamp::FAR_FUTURE {
            self.next = now + CHECK_INTERVAL;
        }
    }

    pub(super) const fn poll_timeout(&self) -> Timestamp {
        self.next
    }

    /// What `source` sends, if that is to be told now.
    pub(super) fn poll(&mut self, now: Timestamp, source: &MediaSource) -> Option<SourceLayers> {
        if now < self.next {
            return None;
        }
        let active = ActiveLayers::of(source, now);
        let sends = active != ActiveLayers::NONE;
        self.next = if sends { now + CHECK_INTERVAL } else { Timestamp::FAR_FUTURE };
        let is_due = sends && self.last.is_none_or(|last| now - last >= REPORT_INTERVAL);
        if !self.changed && !is_due && active == self.active {
            return None;
        }
        self.changed = false;
        self.active = active;
        self.last = Some(now);
        Some(SourceLayers::of(source, now))
    }

    /// Whether something is to be told now that packets have changed, not only the time.
    pub(super) fn is_urgent(&self, now: Timestamp) -> bool {
        self.changed && self.next <= now
    }
}

/// A bit for each layer in the order of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ActiveLayers([u64; MAX_ENCODINGS]);

impl ActiveLayers {
    const NONE: Self = Self([0; MAX_ENCODINGS]);

    fn of(source: &MediaSource, now: Timestamp) -> Self {
        let mut active = Self::NONE;
        for (n, layer) in source.layers().enumerate() {
            let is_active = source.layer_bitrate(layer.index, now) > Bitrate::ZERO;
            if let Some(word) = active.0.get_mut(n / MAX_LAYERS) {
                *word |= u64::from(is_active) << (n % MAX_LAYERS);
            }
        }
        active
    }
}

/// Rates while nothing else changes.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// How soon it is seen that a layer went silent.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Between reports whatever happens, so that a sender that changes its layers with every packet
/// cannot flood the control plane.
const MIN_INTERVAL: Duration = Duration::from_millis(20);

// A layer is a bit of a word of its own.
const _: () = assert!(MAX_LAYERS <= 64);
