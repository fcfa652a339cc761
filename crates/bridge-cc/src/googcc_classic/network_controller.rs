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

#[cfg(test)]
mod tests {
    use bridge_units::DataSize;

    use super::*;
    use crate::sent_packets::{ReceiveTime, SentPacket};

    struct Stream {
        controller: GoogCcClassic,
        sequence: i64,
        now_micros: u64,
        busy_until: u64,
    }

    impl Stream {
        fn new() -> Self {
            let kbps = Bitrate::from_kbps;
            let config = GoogCcClassicConfig::new(kbps(2_500), kbps(30), kbps(20_000));
            let controller = GoogCcClassic::new(config);
            Self { controller, sequence: 0, now_micros: 1_000_000, busy_until: 0 }
        }

        /// Sends at the target for `millis` into `capacity`; each `lost_each`th packet is lost.
        fn run(&mut self, millis: u64, capacity: Bitrate, lost_each: i64) {
            let end = self.now_micros + millis * 1_000;
            while self.now_micros < end {
                let next = self.now_micros + 50_000;
                let mut results = vec![];
                while self.now_micros < next {
                    results.push(self.packet(capacity, lost_each));
                }
                let now = Timestamp::from_micros(self.now_micros + 20_000);
                self.controller.on_feedback(now, &results);
            }
        }

        fn packet(&mut self, capacity: Bitrate, lost_each: i64) -> PacketResult {
            self.sequence += 1;
            let bits = 1_000 * 8_000_000;
            let sent = Timestamp::from_micros(self.now_micros);
            self.busy_until = self.busy_until.max(self.now_micros) + bits / capacity.bps();
            self.now_micros += bits / self.controller.target().bps();
            let is_lost = lost_each > 0 && self.sequence % lost_each == 0;
            let arrival = ReceiveTime::from_micros(i64::try_from(self.busy_until).unwrap());
            PacketResult {
                packet: SentPacket {
                    sequence: self.sequence,
                    size: DataSize::from_bytes(1_000),
                    sent,
                    probe: None,
                },
                received: (!is_lost).then_some(arrival),
                was_lost: false,
            }
        }
    }

    const WIDE: Bitrate = Bitrate::from_kbps(50_000);

    #[test]
    fn it_tells_nothing_before_it_heard() {
        let mut stream = Stream::new();
        assert_eq!(stream.controller.estimate(), None);
        assert_eq!(stream.controller.target(), Bitrate::from_kbps(2_500));
        stream.run(50, WIDE, 0);
        assert!(stream.controller.estimate().is_some());
    }

    #[test]
    fn without_loss_it_grows_eight_percent_a_second() {
        let mut stream = Stream::new();
        stream.run(3_000, WIDE, 0);
        let before = stream.controller.target().bps() as f64;
        stream.run(1_000, WIDE, 0);
        let growth = stream.controller.target().bps() as f64 / before;
        assert!((1.05..1.13).contains(&growth), "{growth}");
        assert!(stream.controller.target() <= Bitrate::from_kbps(20_000));
    }

    #[test]
    fn loss_between_the_thresholds_holds_and_above_lowers() {
        for (lost_each, is_expected) in [
            // The delay part starts at what gets through.
            (20, (|ratio| (0.9..1.03).contains(&ratio)) as fn(f64) -> bool),
            (5, |ratio| ratio < 0.8),
            (1_000_000, |ratio| ratio > 1.1),
        ] {
            let mut stream = Stream::new();
            stream.run(2_500, WIDE, lost_each);
            let before = stream.controller.target().bps() as f64;
            stream.run(3_000, WIDE, lost_each);
            let ratio = stream.controller.target().bps() as f64 / before;
            assert!(is_expected(ratio), "one of {lost_each}: {ratio}");
        }
    }

    #[test]
    fn a_full_link_is_found_by_its_delay() {
        let mut stream = Stream::new();
        let capacity = Bitrate::from_kbps(1_000);
        stream.run(20_000, capacity, 0);
        assert!(stream.controller.target() <= Bitrate::from_kbps(1_300));
        assert!(stream.controller.target() >= Bitrate::from_kbps(500));
    }

    #[test]
    fn a_late_arrival_takes_a_loss_back() {
        let mut stream = Stream::new();
        let mut lost: Vec<_> = (0..19).map(|_| stream.packet(WIDE, 1)).collect();
        let now = Timestamp::from_micros(stream.now_micros);
        stream.controller.on_feedback(now, &lost);
        for result in &mut lost {
            result.received = Some(ReceiveTime::from_micros(1));
            result.was_lost = true;
        }
        stream.controller.on_feedback(now, &lost);
        let last = stream.packet(WIDE, 0);
        stream.controller.on_feedback(now, &[last]);
        assert_eq!(stream.controller.fraction_lost(), 0);
    }
}
