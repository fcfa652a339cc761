use std::collections::VecDeque;
use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use crate::rates::micros_between;
use crate::sent_packets::{PacketResult, ReceiveTime};

/// The rate at which packets get through, from the times at which they were sent and received.
///
/// It is the slower of the two sides, and forgives one pause of the receiver. Answers to JVB's
/// `RobustThroughputEstimator`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThroughputEstimator {
    /// Ascending by arrival.
    window: VecDeque<Arrival>,
    latest_discarded_send: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    received: ReceiveTime,
    sent: Timestamp,
    size: u64,
}

impl ThroughputEstimator {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes what arrived; the results come in the order of arrival.
    pub(crate) fn update(&mut self, results: &[PacketResult]) {
        for result in results {
            let Some(received) = result.received else { continue };
            let PacketResult { packet, .. } = result;
            self.insert(Arrival { received, sent: packet.sent, size: packet.size.bytes() });
        }
        while self.is_front_outside() {
            if let Some(front) = self.window.pop_front() {
                self.latest_discarded_send = self.latest_discarded_send.max(front.sent);
            }
        }
    }

    /// `None` until enough packets arrived.
    pub(crate) fn bitrate(&self) -> Option<Bitrate> {
        let (first, last) = (self.window.front()?, self.window.back()?);
        if self.window.len() < REQUIRED_PACKETS {
            return None;
        }
        let (largest, second) = self.largest_gaps();
        let span = last.received.micros_since(first.received);
        let receive_span = (span - largest + second).max(MIN_SPAN_MICROS);
        let size: u64 = self.window.iter().map(|arrival| arrival.size).sum();
        let receive_rate = rate(size - first.size, receive_span);
        Some(self.send_rate().map_or(receive_rate, |send_rate| send_rate.min(receive_rate)))
    }

    fn insert(&mut self, arrival: Arrival) {
        if let Some(newest) = self.window.back()
            && newest.received.micros_since(arrival.received) > MAX_REORDERING_MICROS
        {
            // The receiver's clock jumped: what is known has no meaning any more.
            self.window.clear();
            self.latest_discarded_send = Timestamp::ZERO;
        }
        let place = self.window.partition_point(|other| other.received <= arrival.received);
        self.window.insert(place, arrival);
        if self.window.len() > MAX_PACKETS {
            self.drop_front();
        }
    }

    fn drop_front(&mut self) {
        if let Some(front) = self.window.pop_front() {
            self.latest_discarded_send = self.latest_discarded_send.max(front.sent);
        }
    }

    fn is_front_outside(&self) -> bool {
        let (Some(front), Some(back)) = (self.window.front(), self.window.back()) else {
            return false;
        };
        let span = back.received.micros_since(front.received);
        span > MAX_SPAN_MICROS || (self.window.len() > WINDOW_PACKETS && span > WINDOW_SPAN_MICROS)
    }

    fn largest_gaps(&self) -> (i64, i64) {
        let mut gaps = (0, 0);
        for (earlier, later) in self.window.iter().zip(self.window.iter().skip(1)) {
            let gap = later.received.micros_since(earlier.received);
            if gap > gaps.0 {
                gaps = (gap, gaps.0);
            } else if gap > gaps.1 {
                gaps.1 = gap;
            }
        }
        gaps
    }

    /// Of the packets that were sent after the last one that left the window, so that a late
    /// acknowledgement does not stretch it; `None` if these are too few.
    fn send_rate(&self) -> Option<Bitrate> {
        let mut size = 0;
        let mut count = 0;
        let mut first = Timestamp::FAR_FUTURE;
        let mut last: Option<&Arrival> = None;
        for arrival in self.window.iter().filter(|it| it.sent >= self.latest_discarded_send) {
            first = first.min(arrival.sent);
            if last.is_none_or(|last| arrival.sent > last.sent) {
                last = Some(arrival);
            }
            size += arrival.size;
            count += 1;
        }
        let last = last.filter(|_| count >= REQUIRED_PACKETS)?;
        let span = micros_between(first, last.sent).max(MIN_SPAN_MICROS);
        Some(rate(size - last.size, span))
    }
}

fn rate(bytes: u64, micros: i64) -> Bitrate {
    DataSize::from_bytes(bytes)
        .per(Duration::from_micros(u64::try_from(micros).unwrap_or_default()))
}

const REQUIRED_PACKETS: usize = 10;
/// With more than this, one second is enough.
const WINDOW_PACKETS: usize = 20;
const MAX_PACKETS: usize = 500;
const WINDOW_SPAN_MICROS: i64 = 1_000_000;
const MAX_SPAN_MICROS: i64 = 5_000_000;
const MAX_REORDERING_MICROS: i64 = 1_000_000;
const MIN_SPAN_MICROS: i64 = 1_000;

#[cfg(test)]
mod tests {
    use bridge_units::Timestamp;

    use super::*;
    use crate::sent_packets::SentPacket;

    const SIZE: u64 = 1_000;

    /// Sends and receives at given rates in bytes a millisecond.
    struct Flow {
        sequence: i64,
        sent_micros: u64,
        received_micros: i64,
    }

    impl Flow {
        fn new() -> Self {
            Self { sequence: 0, sent_micros: 1_000_000, received_micros: 1_050_000 }
        }

        fn packets(
            &mut self,
            count: usize,
            send_rate: u64,
            receive_rate: u64,
        ) -> Vec<PacketResult> {
            let mut results = Vec::new();
            for _ in 0..count {
                self.sequence += 1;
                results.push(PacketResult {
                    packet: SentPacket {
                        sequence: self.sequence,
                        size: DataSize::from_bytes(SIZE),
                        sent: Timestamp::from_micros(self.sent_micros),
                        probe: None,
                    },
                    received: Some(ReceiveTime::from_micros(self.received_micros)),
                    was_lost: false,
                });
                self.sent_micros += SIZE * 1_000 / send_rate;
                self.received_micros += i64::try_from(SIZE * 1_000 / receive_rate).unwrap();
            }
            results
        }
    }

    fn assert_rate(estimator: &ThroughputEstimator, bytes_per_millisecond: u64, tolerance: f64) {
        let rate = estimator.bitrate().unwrap().bps_f64();
        let expected = (bytes_per_millisecond * 8_000) as f64;
        assert!((rate - expected).abs() <= expected * tolerance, "{rate} is not {expected}");
    }

    use crate::rates::RateMath;

    #[test]
    fn nothing_before_ten_packets() {
        let mut estimator = ThroughputEstimator::new();
        let mut flow = Flow::new();
        estimator.update(&flow.packets(9, 100, 100));
        assert_eq!(estimator.bitrate(), None);
        estimator.update(&flow.packets(1, 100, 100));
        assert_rate(&estimator, 100, 0.01);
    }

    #[test]
    fn the_slower_side_counts() {
        for (send, receive, expected) in [(100, 100, 100), (100, 50, 50), (50, 100, 50)] {
            let mut estimator = ThroughputEstimator::new();
            estimator.update(&Flow::new().packets(20, send, receive));
            assert_rate(&estimator, expected, 0.05);
        }
    }

    #[test]
    fn one_delay_spike_is_forgiven() {
        let mut estimator = ThroughputEstimator::new();
        let mut flow = Flow::new();
        estimator.update(&flow.packets(20, 100, 100));
        // 30 packets wait for 300 ms and come at once.
        flow.received_micros += 250_000;
        estimator.update(&flow.packets(30, 100, 1_000_000));
        estimator.update(&flow.packets(20, 100, 100));
        let rate = estimator.bitrate().unwrap().bps();
        assert!((750_000..=820_000).contains(&rate), "{rate}");
    }

    #[test]
    fn a_pause_of_the_receiver_is_forgiven() {
        let mut estimator = ThroughputEstimator::new();
        let mut flow = Flow::new();
        estimator.update(&flow.packets(20, 100, 100));
        flow.received_micros += 250_000;
        estimator.update(&flow.packets(1, 100, 100));
        assert_rate(&estimator, 100, 0.01);
    }

    #[test]
    fn loss_lowers_it_by_no_more_than_the_loss() {
        let mut estimator = ThroughputEstimator::new();
        let results = Flow::new().packets(100, 100, 100);
        let kept: Vec<_> = results.into_iter().filter(|it| it.packet.sequence % 5 != 0).collect();
        estimator.update(&kept);
        assert_rate(&estimator, 80, 0.05);
    }

    #[test]
    fn reordered_feedback_is_sorted_in() {
        let mut estimator = ThroughputEstimator::new();
        let mut flow = Flow::new();
        estimator.update(&flow.packets(20, 100, 100));
        let early = flow.packets(10, 100, 100);
        let late = flow.packets(10, 100, 100);
        estimator.update(&late);
        estimator.update(&early);
        assert_rate(&estimator, 100, 0.01);
    }

    #[test]
    fn a_clock_that_jumps_back_starts_anew() {
        let mut estimator = ThroughputEstimator::new();
        let mut flow = Flow::new();
        estimator.update(&flow.packets(20, 100, 100));
        flow.received_micros -= 3_000_000;
        estimator.update(&flow.packets(9, 100, 100));
        assert_eq!(estimator.bitrate(), None);
        estimator.update(&flow.packets(1, 100, 100));
        assert_rate(&estimator, 100, 0.01);
    }

    #[test]
    fn after_a_pause_it_recovers_quickly() {
        let mut estimator = ThroughputEstimator::new();
        let mut flow = Flow::new();
        estimator.update(&flow.packets(30, 100, 100));
        flow.sent_micros += 10_000_000;
        flow.received_micros += 10_000_000;
        estimator.update(&flow.packets(10, 100, 100));
        assert_rate(&estimator, 100, 0.01);
    }

    #[test]
    fn window_is_bounded() {
        let mut estimator = ThroughputEstimator::new();
        estimator.update(&Flow::new().packets(5_000, 100_000, 100_000));
        assert_eq!(estimator.window.len(), MAX_PACKETS);
    }
}
