use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use super::aimd::AimdRateControl;
use super::inter_arrival::InterArrival;
use super::trendline::{BandwidthUsage, Trendline};
use crate::sent_packets::PacketResult;

/// The rate that the delay allows.
///
/// Answers to JVB's `DelayBasedBwe`.
#[derive(Clone, Debug)]
pub(crate) struct DelayBasedEstimator {
    inter_arrival: InterArrival,
    trendline: Trendline,
    rate_control: AimdRateControl,
    last_feedback: Option<Timestamp>,
    last_estimate: Bitrate,
    last_usage: BandwidthUsage,
}

/// What a feedback changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DelayBasedUpdate {
    /// The new rate, if there is one.
    pub(crate) rate: Option<Bitrate>,
    /// It comes from a probe.
    pub(crate) is_probe: bool,
    /// A queue drained within this feedback.
    pub(crate) recovered_from_overuse: bool,
}

impl DelayBasedEstimator {
    pub(crate) fn new() -> Self {
        Self {
            inter_arrival: InterArrival::new(),
            trendline: Trendline::new(),
            rate_control: AimdRateControl::new(),
            last_feedback: None,
            last_estimate: Bitrate::ZERO,
            last_usage: BandwidthUsage::Normal,
        }
    }

    pub(crate) fn set_start(&mut self, start: Bitrate) {
        self.rate_control.set_start(start);
    }

    pub(crate) fn set_min(&mut self, min: Bitrate) {
        self.rate_control.set_min(min);
    }

    pub(crate) fn set_rtt(&mut self, rtt: Duration) {
        self.rate_control.set_rtt(rtt);
    }

    /// Takes what arrived, in the order of arrival.
    pub(crate) fn update(
        &mut self,
        now: Timestamp,
        arrived: &[PacketResult],
        throughput: Option<Bitrate>,
        probe: Option<Bitrate>,
    ) -> DelayBasedUpdate {
        if arrived.is_empty() {
            return DelayBasedUpdate::default();
        }
        if self.last_feedback.is_none_or(|last| now - last > STREAM_TIMEOUT) {
            self.inter_arrival = InterArrival::new();
        }
        self.last_feedback = Some(now);
        let mut recovered = false;
        for result in arrived {
            let before = self.trendline.state();
            self.on_arrival(now, result);
            recovered |= before == BandwidthUsage::Underusing
                && self.trendline.state() == BandwidthUsage::Normal;
        }
        let update = self.update_rate(now, throughput, probe, recovered);
        if let Some(rate) = update.rate {
            self.last_estimate = rate;
        }
        self.last_usage = self.trendline.state();
        update
    }

    /// The last rate that was told, zero before.
    pub(crate) fn last_estimate(&self) -> Bitrate {
        self.last_estimate
    }

    pub(crate) fn last_usage(&self) -> BandwidthUsage {
        self.last_usage
    }

    pub(crate) fn trendline(&self) -> &Trendline {
        &self.trendline
    }

    pub(crate) fn rate_control(&self) -> &AimdRateControl {
        &self.rate_control
    }

    fn on_arrival(&mut self, now: Timestamp, result: &PacketResult) {
        let Some(received) = result.received else { return };
        let packet = &result.packet;
        let delta = self.inter_arrival.update(now, packet.sent, received, packet.size.bytes());
        if let Some(delta) = delta {
            self.trendline.update(delta, received);
        }
    }

    fn update_rate(
        &mut self,
        now: Timestamp,
        throughput: Option<Bitrate>,
        probe: Option<Bitrate>,
        recovered_from_overuse: bool,
    ) -> DelayBasedUpdate {
        let usage = self.trendline.state();
        if usage == BandwidthUsage::Overusing {
            let rate = self.reduce(now, throughput);
            return DelayBasedUpdate { rate, ..DelayBasedUpdate::default() };
        }
        if let Some(probe) = probe {
            self.rate_control.set_estimate(now, probe);
            let rate = self.rate_control.estimate();
            return DelayBasedUpdate { rate, is_probe: true, recovered_from_overuse: false };
        }
        self.rate_control.update(now, usage, throughput);
        let rate = self.rate_control.estimate();
        DelayBasedUpdate { rate, is_probe: false, recovered_from_overuse }
    }

    fn reduce(&mut self, now: Timestamp, throughput: Option<Bitrate>) -> Option<Bitrate> {
        let control = &mut self.rate_control;
        match throughput {
            Some(rate) if control.is_time_to_reduce(now, rate) => {
                control.update(now, BandwidthUsage::Overusing, throughput);
                control.estimate()
            }
            None if control.is_time_to_reduce_blindly(now) => {
                let half = Bitrate::from_bps(control.estimate()?.bps() / 2);
                control.set_estimate(now, half);
                control.estimate()
            }
            _ => None,
        }
    }
}

/// Groups of before this long a silence are not compared with those after it.
const STREAM_TIMEOUT: Duration = Duration::from_secs(2);
