use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use super::delay_estimator::DelayEstimator;
use super::loss_estimator::LossEstimator;
use crate::googcc2::BandwidthUsage;
use crate::sent_packets::PacketResult;

/// The settings of the classic estimator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoogCcClassicConfig {
    /// Where it starts.
    pub initial: Bitrate,
    /// What it never goes below; at least 10 kbit/s.
    pub min: Bitrate,
    /// What it never exceeds.
    pub max: Bitrate,
    /// Up to this part of lost packets the rate grows.
    pub low_loss: f64,
    /// Above this part of lost packets the rate falls.
    pub high_loss: f64,
    /// Below this rate loss is not looked at.
    pub bitrate_threshold: Bitrate,
    /// From which offset on the detector sees overuse.
    pub overuse_threshold: f64,
    /// For how long it must do so.
    pub min_overuse: Duration,
}

/// The classic estimator: only feedback drives it, and it does not probe.
///
/// Answers to JVB's `ClassicTransportCcEngine` and `GoogleCcEstimator`.
#[derive(Clone, Debug)]
pub struct GoogCcClassic {
    delay: DelayEstimator,
    loss: LossEstimator,
    is_heard: bool,
}

impl GoogCcClassicConfig {
    /// JVB's settings with these bounds.
    pub const fn new(initial: Bitrate, min: Bitrate, max: Bitrate) -> Self {
        Self {
            initial,
            min,
            max,
            low_loss: 0.02,
            high_loss: 0.1,
            bitrate_threshold: Bitrate::from_kbps(100),
            overuse_threshold: DEFAULT_OVERUSE_THRESHOLD,
            min_overuse: DEFAULT_MIN_OVERUSE,
        }
    }
}

impl GoogCcClassic {
    /// Starts at the initial rate.
    pub fn new(config: GoogCcClassicConfig) -> Self {
        let min = config.min.max(MIN);
        let config = GoogCcClassicConfig { min, max: config.max.max(min), ..config };
        Self {
            delay: DelayEstimator::new(config.overuse_threshold, config.min_overuse),
            loss: LossEstimator::new(config),
            is_heard: false,
        }
    }

    /// Takes what a feedback that came `now` told.
    pub fn on_feedback(&mut self, now: Timestamp, results: &[PacketResult]) {
        if results.is_empty() {
            return;
        }
        self.is_heard = true;
        for result in results {
            let packet = &result.packet;
            match result.received {
                Some(received) => {
                    self.delay.on_packet(now, packet.sent, received, packet.size.bytes());
                    self.loss.set_delay_limit(self.delay.estimate(now));
                    self.loss.on_received(now, result.was_lost);
                }
                None => self.loss.on_lost(now),
            }
        }
        self.loss.update(now);
    }

    /// Takes a round trip time of RTCP.
    pub fn on_rtt(&mut self, rtt: Duration) {
        self.delay.set_rtt(rtt);
        self.loss.set_rtt(rtt);
    }

    /// The estimate.
    pub fn target(&self) -> Bitrate {
        self.loss.estimate()
    }

    /// The estimate, once the peer was heard of.
    pub fn estimate(&self) -> Option<Bitrate> {
        self.is_heard.then(|| self.target())
    }

    /// What the delay detector says.
    pub fn usage(&self) -> BandwidthUsage {
        self.delay.usage()
    }

    /// Of the last twenty packets or more, in 1/256.
    pub fn fraction_lost(&self) -> u8 {
        self.loss.fraction_lost()
    }
}

/// JVB's `overuse-detector.initial-threshold`.
pub(super) const DEFAULT_OVERUSE_THRESHOLD: f64 = 25.0;
/// JVB's `overuse-detector.overusing-time-threshold`.
pub(super) const DEFAULT_MIN_OVERUSE: Duration = Duration::from_millis(100);
const MIN: Bitrate = Bitrate::from_kbps(10);
