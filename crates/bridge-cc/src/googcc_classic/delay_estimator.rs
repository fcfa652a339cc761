use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use super::kalman::Kalman;
use super::overuse_detector::OveruseDetector;
use super::rate_control::RateControl;
use super::rate_window::RateWindow;
use crate::googcc2::{BandwidthUsage, InterArrival};
use crate::sent_packets::ReceiveTime;

/// The rate that the delay allows, packet by packet.
///
/// Answers to JVB's `RemoteBitrateEstimatorAbsSendTime`. Differs from JVB: a burst of more than
/// 100 ms ends, as in GoogleCc2.
#[derive(Clone, Debug)]
pub(crate) struct DelayEstimator {
    inter_arrival: InterArrival,
    kalman: Kalman,
    detector: OveruseDetector,
    rate_control: RateControl,
    incoming: RateWindow,
    threshold: f64,
    min_overuse: Duration,
    last_packet: Option<Timestamp>,
    last_update: Option<Timestamp>,
}

impl DelayEstimator {
    pub(crate) fn new(threshold: f64, min_overuse: Duration) -> Self {
        Self {
            inter_arrival: InterArrival::new(),
            kalman: Kalman::new(),
            detector: OveruseDetector::new(threshold, min_overuse),
            rate_control: RateControl::new(),
            incoming: RateWindow::new(),
            threshold,
            min_overuse,
            last_packet: None,
            last_update: None,
        }
    }

    pub(crate) fn set_rtt(&mut self, rtt: Duration) {
        self.rate_control.set_rtt(rtt);
    }

    /// Takes a packet of which we learn `now`.
    pub(crate) fn on_packet(
        &mut self,
        now: Timestamp,
        sent: Timestamp,
        received: ReceiveTime,
        size: u64,
    ) {
        if self.last_packet.is_some_and(|last| now - last > STREAM_TIMEOUT) {
            self.inter_arrival = InterArrival::new();
            self.kalman = Kalman::new();
            self.detector = OveruseDetector::new(self.threshold, self.min_overuse);
        }
        self.last_packet = Some(now);
        self.incoming.update(received, size);
        if let Some(delta) = self.inter_arrival.update(now, sent, received, size) {
            let send_millis = delta.send_micros as f64 / 1_000.0;
            let arrival_millis = delta.arrival_micros as f64 / 1_000.0;
            let usage = self.detector.state();
            self.kalman.update(arrival_millis, send_millis, delta.size as f64, usage);
            self.detector.update(self.kalman.offset(), send_millis, self.kalman.deltas());
        }
        let incoming = self.incoming.rate();
        if self.is_due(now, incoming) {
            self.last_update = Some(now);
            self.rate_control.update(now, self.detector.state(), incoming);
        }
    }

    /// `None` before it is known, and when nothing came for a while.
    pub(crate) fn estimate(&self, now: Timestamp) -> Option<Bitrate> {
        let last = self.last_packet?;
        self.rate_control.estimate().filter(|_| now - last <= STREAM_TIMEOUT)
    }

    pub(crate) fn usage(&self) -> BandwidthUsage {
        self.detector.state()
    }

    fn is_due(&self, now: Timestamp, incoming: Option<Bitrate>) -> bool {
        let Some(last) = self.last_update else { return true };
        if now - last > self.rate_control.feedback_interval() {
            return true;
        }
        self.detector.state() == BandwidthUsage::Overusing
            && incoming.is_some_and(|incoming| self.rate_control.is_time_to_reduce(now, incoming))
    }
}

const STREAM_TIMEOUT: Duration = Duration::from_secs(2);
