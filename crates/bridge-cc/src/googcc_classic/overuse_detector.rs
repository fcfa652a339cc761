use std::time::Duration;

use crate::googcc2::BandwidthUsage;
use crate::rates::millis;

/// Calls it overuse when the offset of the filter stays above a threshold.
///
/// Answers to JVB's `OveruseDetector`, whose threshold never adapts: both its gains are zero.
#[derive(Clone, Debug)]
pub(crate) struct OveruseDetector {
    threshold: f64,
    min_overuse_millis: f64,
    overusing_millis: Option<f64>,
    overuses: u32,
    previous_offset: f64,
    state: BandwidthUsage,
}

impl OveruseDetector {
    pub(crate) fn new(threshold: f64, min_overuse: Duration) -> Self {
        Self {
            threshold: threshold.clamp(6.0, 600.0),
            min_overuse_millis: millis(min_overuse),
            overusing_millis: None,
            overuses: 0,
            previous_offset: 0.0,
            state: BandwidthUsage::Normal,
        }
    }

    pub(crate) fn update(&mut self, offset: f64, send_millis: f64, deltas: u32) {
        if deltas < MIN_DELTAS {
            return;
        }
        let growth = f64::from(deltas.min(GAIN_DELTAS)) * offset;
        if growth > self.threshold {
            let overusing =
                self.overusing_millis.map_or(send_millis / 2.0, |millis| millis + send_millis);
            self.overusing_millis = Some(overusing);
            self.overuses += 1;
            if overusing > self.min_overuse_millis
                && self.overuses > 1
                && offset >= self.previous_offset
            {
                self.overusing_millis = Some(0.0);
                self.overuses = 0;
                self.state = BandwidthUsage::Overusing;
            }
        } else {
            self.overusing_millis = None;
            self.overuses = 0;
            self.state = if growth < -self.threshold {
                BandwidthUsage::Underusing
            } else {
                BandwidthUsage::Normal
            };
        }
        self.previous_offset = offset;
    }

    pub(crate) fn state(&self) -> BandwidthUsage {
        self.state
    }
}

const MIN_DELTAS: u32 = 2;
const GAIN_DELTAS: u32 = 60;
