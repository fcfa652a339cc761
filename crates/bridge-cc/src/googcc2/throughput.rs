use std::collections::VecDeque;
use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use super::largest_two::LargestTwo;
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
    /// Bytes in the window.
    size: u64,
    /// Between neighbours of the window in microseconds.
    gaps: LargestTwo,
    /// Neighbours of the window that were sent in another order than they arrived in.
    overtakings: usize,
    latest_discarded_send: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    received: ReceiveTime,
    sent: Timestamp,
    size: u64,
}

/// What was sent for the packets that count for the send rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    size: u64,
    count: usize,
    first: Timestamp,
    last: Timestamp,
    /// Bytes of the packet that was sent last; of the one that arrived first of several.
    last_size: u64,
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
            self.drop_front();
        }
    }

    /// `None` until enough packets arrived.
    pub(crate) fn bitrate(&self) -> Option<Bitrate> {
        let (first, last) = (self.window.front()?, self.window.back()?);
        if self.window.len() < REQUIRED_PACKETS {
            return None;
        }
        let (largest, second) = self.gaps.get();
        let span = last.received.micros_since(first.received);
        let receive_span = (span - largest + second).max(MIN_SPAN_MICROS);
        let receive_rate = rate(self.size - first.size, receive_span);
        Some(self.send_rate().map_or(receive_rate, |send_rate| send_rate.min(receive_rate)))
    }

    fn insert(&mut self, arrival: Arrival) {
        if let Some(newest) = self.window.back()
            && newest.received.micros_since(arrival.received) > MAX_REORDERING_MICROS
        {
            // The receiver's clock jumped: what is known has no meaning any more.
            self.window.clear();
            self.latest_discarded_send = Timestamp::ZERO;
            self.add_up();
        }
        match self.window.back() {
            Some(newest) if newest.received > arrival.received => self.insert_before(arrival),
            _ => self.append(arrival),
        }
        if self.window.len() > MAX_PACKETS {
            self.drop_front();
        }
    }

    fn append(&mut self, arrival: Arrival) {
        if let Some(newest) = self.window.back() {
            self.gaps.push(arrival.received.micros_since(newest.received));
            self.overtakings += usize::from(arrival.sent < newest.sent);
        }
        self.size += arrival.size;
        self.window.push_back(arrival);
    }

    /// A feedback came after a later one.
    fn insert_before(&mut self, arrival: Arrival) {
        let place = self.window.partition_point(|other| other.received <= arrival.received);
        self.window.insert(place, arrival);
        self.add_up();
    }

    fn add_up(&mut self) {
        self.size = self.window.iter().map(|arrival| arrival.size).sum();
        self.overtakings = 0;
        self.gaps.clear();
        for (earlier, later) in self.window.iter().zip(self.window.iter().skip(1)) {
            self.gaps.push(later.received.micros_since(earlier.received));
            self.overtakings += usize::from(later.sent < earlier.sent);
        }
    }

    fn drop_front(&mut self) {
        let Some(front) = self.window.pop_front() else { return };
        self.latest_discarded_send = self.latest_discarded_send.max(front.sent);
        self.size -= front.size;
        if let Some(next) = self.window.front() {
            self.gaps.drop_oldest();
            self.overtakings -= usize::from(next.sent < front.sent);
        }
    }

    fn is_front_outside(&self) -> bool {
        let (Some(front), Some(back)) = (self.window.front(), self.window.back()) else {
            return false;
        };
        let span = back.received.micros_since(front.received);
        span > MAX_SPAN_MICROS || (self.window.len() > WINDOW_PACKETS && span > WINDOW_SPAN_MICROS)
    }

    /// Of the packets that were sent after the last one that left the window, so that a late
    /// acknowledgement does not stretch it; `None` if these are too few.
    fn send_rate(&self) -> Option<Bitrate> {
        let sent = self.sent().filter(|sent| sent.count >= REQUIRED_PACKETS)?;
        let span = micros_between(sent.first, sent.last).max(MIN_SPAN_MICROS);
        Some(rate(sent.size - sent.last_size, span))
    }

    fn sent(&self) -> Option<Sent> {
        let (front, back) = (self.window.front()?, self.window.back()?);
        if self.overtakings > 0 || front.sent < self.latest_discarded_send {
            return self.sent_one_by_one();
        }
        // In order: nothing is left out, and only the last ones may have been sent together.
        let together = self.window.iter().rev().take_while(|it| it.sent == back.sent);
        Some(Sent {
            size: self.size,
            count: self.window.len(),
            first: front.sent,
            last: back.sent,
            last_size: together.last()?.size,
        })
    }

    fn sent_one_by_one(&self) -> Option<Sent> {
        let mut arrivals = self.window.iter().filter(|it| it.sent >= self.latest_discarded_send);
        let Arrival { sent: first, size, .. } = *arrivals.next()?;
        let mut sent = Sent { size, count: 1, first, last: first, last_size: size };
        for arrival in arrivals {
            sent.first = sent.first.min(arrival.sent);
            if arrival.sent > sent.last {
                (sent.last, sent.last_size) = (arrival.sent, arrival.size);
            }
            sent.size += arrival.size;
            sent.count += 1;
        }
        Some(sent)
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
    use proptest::prelude::*;

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

    proptest! {
        /// The running figures are those of adding all up, whatever is lost, late or overtaken.
        #[test]
        fn running_figures_are_exact(
            arrivals in prop::collection::vec(
                (0_u64..40_000, 0_i64..9_000, -20_000_i64..20_000, 50_u64..1_200),
                1..400,
            ),
            batch in 1_usize..30,
        ) {
            let mut estimator = ThroughputEstimator::new();
            let (mut sent_micros, mut received_micros) = (1_000_000, 5_000_000);
            let results: Vec<_> = arrivals
                .into_iter()
                .map(|(sent_gap, gap, jitter, size)| {
                    // Half of the packets leave together with the one before.
                    sent_micros += sent_gap.saturating_sub(20_000);
                    received_micros += gap;
                    let arrived = received_micros + if jitter % 5 == 0 { jitter } else { 0 };
                    PacketResult {
                        packet: SentPacket {
                            sequence: 0,
                            size: DataSize::from_bytes(size),
                            sent: Timestamp::from_micros(sent_micros),
                            probe: None,
                        },
                        received: Some(ReceiveTime::from_micros(arrived)),
                        was_lost: false,
                    }
                })
                .collect();
            for batch in results.chunks(batch) {
                let mut batch = batch.to_vec();
                batch.sort_by_key(|result| result.received);
                estimator.update(&batch);
                let window: Vec<_> = estimator.window.iter().copied().collect();
                let size: u64 = window.iter().map(|it| it.size).sum();
                prop_assert_eq!(estimator.size, size);
                prop_assert!(window.is_sorted_by_key(|it| it.received));
                let mut gaps: Vec<_> = window
                    .windows(2)
                    .map(|pair| pair[1].received.micros_since(pair[0].received))
                    .collect();
                gaps.sort_unstable_by_key(|gap| std::cmp::Reverse(*gap));
                let largest = |n: usize| gaps.get(n).copied().unwrap_or(0);
                prop_assert_eq!(estimator.gaps.get(), (largest(0), largest(1)));
                prop_assert_eq!(estimator.sent(), estimator.sent_one_by_one());
            }
        }
    }
}
