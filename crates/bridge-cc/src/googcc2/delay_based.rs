use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use super::aimd::AimdRateControl;
use super::inter_arrival::InterArrival;
use super::link_queue::LinkQueue;
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
    /// When the rate was lowered last because the queue overflowed.
    last_overflow: Option<Timestamp>,
    /// Since when there is a reason to lower it, and nothing that says to what.
    unmeasured_since: Option<Timestamp>,
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
            last_overflow: None,
            unmeasured_since: None,
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
        queue: &LinkQueue,
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
        let update = self.update_rate(now, (throughput, probe), recovered, queue);
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
        (throughput, probe): (Option<Bitrate>, Option<Bitrate>),
        recovered_from_overuse: bool,
        queue: &LinkQueue,
    ) -> DelayBasedUpdate {
        let usage = self.trendline.state();
        let overflows = queue.is_overflowing() && self.is_time_for_overflow(now);
        if (usage == BandwidthUsage::Overusing && !queue.is_empty()) || overflows {
            return self.react(now, throughput, overflows, queue);
        }
        self.unmeasured_since = None;
        if let Some(probe) = probe {
            self.rate_control.set_estimate(now, probe);
            let rate = self.rate_control.estimate();
            return DelayBasedUpdate { rate, is_probe: true, recovered_from_overuse: false };
        }
        // A long queue that no longer grows is no invitation to send more; nor are delays that grow
        // without a queue, which is what pauses of the sender make of them.
        let is_doubtful = queue.is_long() || usage == BandwidthUsage::Overusing;
        let usage = if is_doubtful { BandwidthUsage::Underusing } else { usage };
        self.rate_control.update(now, usage, throughput);
        let rate = self.rate_control.estimate();
        DelayBasedUpdate { rate, is_probe: false, recovered_from_overuse }
    }

    /// Lowers the rate to what the link takes while it is busy. On average less gets through if little
    /// was sent for a while, and more if the link has just become slower, so that the average counts
    /// only if nothing better becomes known for some time.
    fn react(
        &mut self,
        now: Timestamp,
        throughput: Option<Bitrate>,
        overflows: bool,
        queue: &LinkQueue,
    ) -> DelayBasedUpdate {
        let busy = queue.busy_rate(now);
        let since = *self.unmeasured_since.get_or_insert(now);
        if busy.is_some() {
            self.unmeasured_since = None;
        } else if throughput.is_some() && now - since < MEASURING_TIME {
            return DelayBasedUpdate::default();
        }
        if overflows {
            self.last_overflow = Some(now);
        }
        let rate = self.reduce(now, busy.or(throughput));
        DelayBasedUpdate { rate, ..DelayBasedUpdate::default() }
    }

    /// A queue takes its time to drain, and what is lost meanwhile is lost already.
    fn is_time_for_overflow(&self, now: Timestamp) -> bool {
        self.last_overflow.is_none_or(|last| now - last >= OVERFLOW_INTERVAL)
    }

    fn reduce(&mut self, now: Timestamp, throughput: Option<Bitrate>) -> Option<Bitrate> {
        let control = &mut self.rate_control;
        match throughput {
            Some(rate) if control.is_time_to_reduce(now, rate) => {
                control.update(now, BandwidthUsage::Overusing, throughput);
                control.estimate()
            }
            None => {
                // Nothing says how much gets through, so that each report halves, as in JVB.
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
/// The difference of 15 % drains half of a queue of 300 ms meanwhile.
const OVERFLOW_INTERVAL: Duration = Duration::from_secs(1);
/// Some feedbacks: a queue that is there makes the link busy.
const MEASURING_TIME: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use bridge_units::DataSize;

    use super::*;
    use crate::sent_packets::{ReceiveTime, SentPacket};

    /// A stream through a link of some capacity, with feedback each 50 ms.
    struct Stream {
        estimator: DelayBasedEstimator,
        queue: LinkQueue,
        now_micros: u64,
        busy_until: u64,
        /// Of the receiver's clock.
        offset_micros: i64,
        delivered: u64,
    }

    impl Stream {
        fn new(start: Bitrate) -> Self {
            let mut estimator = DelayBasedEstimator::new();
            estimator.set_start(start);
            Self {
                estimator,
                queue: LinkQueue::new(),
                now_micros: 1_000_000,
                busy_until: 0,
                offset_micros: 0,
                delivered: 0,
            }
        }

        /// Sends at `rate` into `capacity`; answers the new estimate.
        fn feedback(&mut self, rate: Bitrate, capacity: Bitrate) -> Option<Bitrate> {
            let end = self.now_micros + 50_000;
            let mut results = Vec::new();
            while self.now_micros < end {
                self.busy_until =
                    self.busy_until.max(self.now_micros) + 1_000 * 8_000_000 / capacity.bps();
                let received = i64::try_from(self.busy_until).unwrap() + self.offset_micros;
                results.push(PacketResult {
                    packet: SentPacket {
                        sequence: 0,
                        size: DataSize::from_bytes(1_000),
                        sent: Timestamp::from_micros(self.now_micros),
                        probe: None,
                    },
                    received: Some(ReceiveTime::from_micros(received)),
                    was_lost: false,
                });
                self.now_micros += 1_000 * 8_000_000 / rate.bps();
            }
            self.delivered += results.len() as u64;
            let now = Timestamp::from_micros(self.busy_until.max(self.now_micros));
            let throughput = rate.min(capacity);
            self.queue.update(now, &results, 0);
            self.estimator.update(now, &results, Some(throughput), None, &self.queue).rate
        }
    }

    fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    #[test]
    fn a_capacity_drop_is_found_soon() {
        for (from, to, max_millis) in [(500, 300, 1_000), (1_000, 200, 700), (2_000, 1_000, 700)] {
            let mut stream = Stream::new(kbps(from));
            for _ in 0..60 {
                let rate = stream.estimator.last_estimate().clamp(kbps(100), kbps(from));
                stream.feedback(rate, kbps(from * 12 / 10));
            }
            let before = stream.now_micros;
            let mut rate = kbps(from);
            while rate > kbps(to) {
                rate = stream.feedback(rate, kbps(to)).unwrap_or(rate);
                assert!(stream.now_micros - before < 5_000_000);
            }
            let millis = (stream.now_micros - before) / 1_000;
            assert!(millis <= max_millis, "{from} -> {to}: {millis} ms");
        }
    }

    #[test]
    fn a_jump_of_the_clock_is_no_overuse() {
        for jump_micros in [-1_000_000, 4_000_000, -4_000_000] {
            let mut stream = Stream::new(kbps(500));
            (0..60).for_each(|_| {
                stream.feedback(kbps(400), kbps(2_000));
            });
            let before = stream.estimator.last_estimate();
            stream.offset_micros += jump_micros;
            for _ in 0..20 {
                stream.feedback(kbps(400), kbps(2_000));
                assert!(stream.estimator.last_estimate() >= before, "{jump_micros}");
            }
        }
    }

    #[test]
    fn a_probe_sets_the_estimate_unless_a_queue_grows() {
        let mut stream = Stream::new(kbps(500));
        stream.feedback(kbps(400), kbps(2_000));
        let result = PacketResult {
            packet: SentPacket {
                sequence: 0,
                size: DataSize::from_bytes(1_000),
                sent: Timestamp::from_micros(stream.now_micros),
                probe: None,
            },
            received: Some(ReceiveTime::from_micros(0)),
            was_lost: false,
        };
        let now = Timestamp::from_micros(stream.now_micros);
        let update = stream.estimator.update(
            now,
            &[result],
            Some(kbps(400)),
            Some(kbps(1_800)),
            &stream.queue,
        );
        assert_eq!((update.rate, update.is_probe), (Some(kbps(1_800)), true));

        while stream.estimator.last_usage() != BandwidthUsage::Overusing {
            stream.feedback(kbps(1_800), kbps(500));
        }
        let now = Timestamp::from_micros(stream.now_micros);
        let update = stream.estimator.update(
            now,
            &[result],
            Some(kbps(400)),
            Some(kbps(1_800)),
            &stream.queue,
        );
        assert!(!update.is_probe);
    }

    #[test]
    fn without_throughput_overuse_halves() {
        let mut stream = Stream::new(kbps(500));
        while stream.estimator.last_usage() != BandwidthUsage::Overusing {
            stream.feedback(kbps(1_800), kbps(500));
        }
        let before = stream.estimator.rate_control.estimate().unwrap();
        let now = Timestamp::from_micros(stream.now_micros);
        for divisor in [2, 4] {
            let half = Bitrate::from_bps(before.bps() / divisor);
            assert_eq!(stream.estimator.reduce(now, None), Some(half));
        }
    }

    #[test]
    fn recovery_is_told() {
        let mut stream = Stream::new(kbps(500));
        while stream.estimator.last_usage() != BandwidthUsage::Overusing {
            stream.feedback(kbps(800), kbps(500));
        }
        let mut usages = vec![];
        for _ in 0..100 {
            stream.feedback(kbps(200), kbps(500));
            usages.push(stream.estimator.last_usage());
        }
        assert!(usages.contains(&BandwidthUsage::Underusing));
        assert_eq!(usages.last(), Some(&BandwidthUsage::Normal));
    }
}
