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
        let layers = SourceLayers::of(source, now);
        let active = ActiveLayers::of(&layers);
        let sends = active != ActiveLayers::NONE;
        self.next = if sends { now + CHECK_INTERVAL } else { Timestamp::FAR_FUTURE };
        let is_due = sends && self.last.is_none_or(|last| now - last >= REPORT_INTERVAL);
        if !self.changed && !is_due && active == self.active {
            return None;
        }
        self.changed = false;
        self.active = active;
        self.last = Some(now);
        Some(layers)
    }
}

/// A bit for each layer in the order of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ActiveLayers([u64; MAX_ENCODINGS]);

impl ActiveLayers {
    const NONE: Self = Self([0; MAX_ENCODINGS]);

    fn of(layers: &SourceLayers) -> Self {
        let mut active = Self::NONE;
        for (words, layers) in active.0.iter_mut().zip(layers.layers.chunks(MAX_LAYERS)) {
            for (place, layer) in layers.iter().enumerate() {
                *words |= u64::from(layer.bitrate > Bitrate::ZERO) << place;
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
