use std::time::Duration;

use bridge_rtp::rtcp::{ReportBlock, SenderInfo};
use bridge_rtp::{SequenceUnwrapper, timestamp_delta};
use bridge_units::Timestamp;

/// What one received stream's report block is made of (RFC 3550 appendix A).
///
/// Answers to JVB's `IncomingSsrcStats`: the packets between two received ones count as lost at once
/// and count back when they come late; there is no probation. Do not feed retransmission payload
/// types: they are no stream of their own.
///
/// Differs from JVB: jitter is reported in ticks of the stream's clock, as RFC 3550 section 6.4.1
/// demands and senders expect, not in milliseconds; and a jump of more than 3000 numbers, which
/// counts nowhere as loss, does not count as expected either, so that a sender that starts anew does
/// not look like total loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReceiveStatistics {
    ssrc: u32,
    unwrapper: SequenceUnwrapper,
    /// The index of the first packet, moved by jumps.
    base: i64,
    received: u64,
    cumulative_lost: i32,
    jitter: Jitter,
    last_sender_report: Option<ReceivedSenderReport>,
    previous: Interval,
}

/// The interarrival jitter filter of RFC 3550 section 6.4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Jitter {
    millis: f64,
    clock_rate: u32,
    last: Option<(Timestamp, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ReceivedSenderReport {
    compact_ntp: u32,
    arrival: Timestamp,
}

/// The counts when the previous block was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Interval {
    expected: i64,
    received: u64,
}

impl ReceiveStatistics {
    /// Nothing received of this stream yet.
    pub fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            unwrapper: SequenceUnwrapper::new(),
            base: 0,
            received: 0,
            cumulative_lost: 0,
            jitter: Jitter::default(),
            last_sender_report: None,
            previous: Interval::default(),
        }
    }

    /// Notes a packet that arrived `now`. `clock_rate` is that of its payload type in Hz; with 0 it
    /// does not take part in the jitter.
    pub fn on_packet(
        &mut self,
        now: Timestamp,
        sequence_number: u16,
        rtp_timestamp: u32,
        clock_rate: u32,
    ) {
        let highest = self.unwrapper.highest();
        let index = self.unwrapper.update(sequence_number);
        self.received += 1;
        match highest {
            None => self.base = index,
            Some(highest) if index > highest => {
                let missing = index - highest - 1;
                match i32::try_from(missing) {
                    Ok(lost) if missing <= MAX_DROPOUT => {
                        self.cumulative_lost = self.cumulative_lost.saturating_add(lost);
                    }
                    _ => self.base += missing,
                }
            }
            Some(highest) => {
                if (1..=MAX_MISORDER).contains(&(highest - index)) {
                    self.cumulative_lost = self.cumulative_lost.saturating_sub(1);
                }
            }
        }
        self.jitter.update(now, rtp_timestamp, clock_rate);
    }

    /// Notes a sender report of this stream that arrived `now`; the next block refers to it.
    pub fn on_sender_report(&mut self, now: Timestamp, info: &SenderInfo) {
        let report = ReceivedSenderReport { compact_ntp: info.compact_ntp(), arrival: now };
        self.last_sender_report = Some(report);
    }

    /// The block to send `now`, and the start of the next interval; `None`, with nothing changed, if
    /// no packet came since the previous block.
    pub fn report_block(&mut self, now: Timestamp) -> Option<ReportBlock> {
        if self.received == self.previous.received {
            return None;
        }
        let (last_sender_report, delay_since_last_sender_report) = self
            .last_sender_report
            .map_or((0, 0), |report| (report.compact_ntp, compact_duration(now - report.arrival)));
        let block = ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: self.fraction_lost(),
            cumulative_lost: self.cumulative_lost,
            extended_highest_sequence: self.extended_highest_sequence(),
            jitter: self.jitter.ticks(),
            last_sender_report,
            delay_since_last_sender_report,
        };
        self.previous = Interval { expected: self.expected(), received: self.received };
        Some(block)
    }

    /// The stream's SSRC.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets received, late and repeated ones too.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets from the first to the highest number, without jumps.
    pub fn expected(&self) -> i64 {
        self.unwrapper.highest().map_or(0, |highest| highest - self.base + 1)
    }

    /// Packets skipped minus those that came late; negative with repetitions.
    pub fn cumulative_lost(&self) -> i32 {
        self.cumulative_lost
    }

    /// Interarrival jitter in milliseconds.
    pub fn jitter_millis(&self) -> f64 {
        self.jitter.millis
    }

    /// Cycles in the high half, the highest sequence number in the low half.
    pub fn extended_highest_sequence(&self) -> u32 {
        let highest = self.unwrapper.highest().unwrap_or_default();
        u32::try_from(highest.rem_euclid(1 << 32)).expect("a remainder of 2^32 fits 32 bits")
    }

    /// The part of this interval's packets that is missing in 1/256 (RFC 3550 appendix A.3).
    fn fraction_lost(&self) -> u8 {
        let expected = self.expected() - self.previous.expected;
        let received = i64::try_from(self.received - self.previous.received).unwrap_or(i64::MAX);
        let lost = expected.saturating_sub(received);
        if expected <= 0 || lost <= 0 {
            return 0;
        }
        u8::try_from(lost * 256 / expected).unwrap_or(u8::MAX)
    }
}

impl Jitter {
    /// The difference is that to the packet before in order of arrival, not of sequence.
    fn update(&mut self, now: Timestamp, rtp_timestamp: u32, clock_rate: u32) {
        if clock_rate == 0 {
            return;
        }
        let last = self.last.replace((now, rtp_timestamp));
        let changed_clock = self.clock_rate != clock_rate;
        self.clock_rate = clock_rate;
        if let Some((last_arrival, last_timestamp)) = last
            && !changed_clock
        {
            let arrived = millis(now - last_arrival) - millis(last_arrival - now);
            let ticks = timestamp_delta(rtp_timestamp, last_timestamp);
            let sent = f64::from(ticks) * 1_000.0 / f64::from(clock_rate);
            self.millis += ((arrived - sent).abs() - self.millis) / JITTER_GAIN;
        }
    }

    fn ticks(&self) -> u32 {
        // A float conversion saturates.
        (self.millis * f64::from(self.clock_rate) / 1_000.0) as u32
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// 16.16 fixed point seconds, cut off.
fn compact_duration(duration: Duration) -> u32 {
    let units = duration.as_nanos() * 65_536 / 1_000_000_000;
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// RFC 3550 appendix A.1: a larger gap is a sender that starts anew, not loss.
const MAX_DROPOUT: i64 = 3_000;
/// RFC 3550 appendix A.1: an older packet than this was not counted as lost.
const MAX_MISORDER: i64 = 100;
/// RFC 3550 section 6.4.1.
const JITTER_GAIN: f64 = 16.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLOCK_RATE: u32 = 48_000;

    fn receive(
        statistics: &mut ReceiveStatistics,
        sequence_numbers: impl IntoIterator<Item = u16>,
    ) {
        for sequence_number in sequence_numbers {
            statistics.on_packet(Timestamp::ZERO, sequence_number, 0, CLOCK_RATE);
        }
    }

    #[test]
    fn jitter_of_the_reference() {
        let arrivals = [10, 30, 49, 74, 90, 111, 139, 150, 170, 191, 210, 229, 250, 271];
        let jitters = [
            0.0, 0.0, 0.0625, 0.3711, 0.5979, 0.6230, 1.0841, 1.5788, 1.4802, 1.4501, 1.4220,
            1.3956, 1.3709, 1.3477,
        ];
        for clock_rate in [8_000, 48_000, 90_000] {
            let mut statistics = ReceiveStatistics::new(1);
            // Starts shortly before the timestamp wraps.
            let mut timestamp = u32::MAX - 3 * clock_rate / 50;
            for (sequence_number, (arrival, jitter)) in (0..).zip(arrivals.iter().zip(jitters)) {
                let now = Timestamp::from_millis(*arrival);
                statistics.on_packet(now, sequence_number, timestamp, clock_rate);
                timestamp = timestamp.wrapping_add(clock_rate / 50);
                assert!((statistics.jitter_millis() - jitter).abs() < 0.000_1, "{arrival} ms");
            }
            let block = statistics.report_block(Timestamp::from_millis(300)).unwrap();
            // 1.3477 ms in whole ticks.
            assert_eq!(block.jitter, 13_477 * clock_rate / 10_000_000);
        }
    }

    #[test]
    fn losses_of_the_reference() {
        let mut statistics = ReceiveStatistics::new(1);
        receive(&mut statistics, [0, 1, 3, 5, 6, 7, 8, 9, 11, 13, 16]);
        assert_eq!((statistics.expected(), statistics.cumulative_lost()), (17, 6));
        let block = statistics.report_block(Timestamp::ZERO).unwrap();
        assert_eq!((block.cumulative_lost, block.extended_highest_sequence), (6, 16));
        assert_eq!(u32::from(block.fraction_lost), 6 * 256 / 17);
        assert_eq!(statistics.report_block(Timestamp::ZERO), None);
    }

    #[test]
    fn expected_counts_over_the_wrap() {
        let mut statistics = ReceiveStatistics::new(1);
        receive(&mut statistics, (65_530..=65_535).chain(0..=10));
        assert_eq!((statistics.expected(), statistics.cumulative_lost()), (17, 0));
        assert_eq!(statistics.extended_highest_sequence(), 65_536 + 10);
    }

    #[test]
    fn fraction_is_that_of_the_interval() {
        let mut statistics = ReceiveStatistics::new(1);
        for (sequence_numbers, fraction, lost) in [
            (vec![0, 1, 2, 3], 0, 0),
            (vec![4, 7], 128, 2),
            (vec![8, 9, 10, 11], 0, 2),
            // Two late ones and a repetition: more received than expected.
            (vec![12, 5, 6, 6], 0, -1),
        ] {
            receive(&mut statistics, sequence_numbers);
            let block = statistics.report_block(Timestamp::ZERO).unwrap();
            assert_eq!((block.fraction_lost, block.cumulative_lost), (fraction, lost));
        }
    }

    #[test]
    fn gaps_have_limits() {
        for (second, lost, expected) in [
            (3_001, 3_000, 3_002),
            // One more missing is a jump.
            (3_002, 0, 2),
            (20_000, 0, 2),
        ] {
            let mut statistics = ReceiveStatistics::new(1);
            receive(&mut statistics, [0, second]);
            let counts = (statistics.cumulative_lost(), statistics.expected());
            assert_eq!(counts, (lost, expected), "{second}");
        }
        for (late, lost) in [(500, 1_000), (499, 999), (400, 999), (399, 1_000)] {
            let mut statistics = ReceiveStatistics::new(1);
            receive(&mut statistics, [0, 1_001]);
            receive(&mut statistics, 1_002..=1_500);
            let moved = late + 1_000;
            receive(&mut statistics, [moved]);
            assert_eq!(statistics.cumulative_lost(), lost, "{moved}");
        }
    }

    #[test]
    fn sender_reports_are_echoed() {
        let mut statistics = ReceiveStatistics::new(1);
        receive(&mut statistics, [1]);
        let block = statistics.report_block(Timestamp::from_millis(500)).unwrap();
        assert_eq!((block.last_sender_report, block.delay_since_last_sender_report), (0, 0));
        let info =
            SenderInfo { ssrc: 1, ntp_timestamp: 0x0102_0304_0506_0708, ..SenderInfo::default() };
        statistics.on_sender_report(Timestamp::from_millis(600), &info);
        receive(&mut statistics, [2]);
        let block = statistics.report_block(Timestamp::from_millis(1_100)).unwrap();
        assert_eq!(block.last_sender_report, 0x0304_0506);
        assert_eq!(block.delay_since_last_sender_report, 65_536 / 2);
        receive(&mut statistics, [3]);
        let late = statistics.report_block(Timestamp::FAR_FUTURE).unwrap();
        assert_eq!(late.delay_since_last_sender_report, u32::MAX);
    }

    proptest! {
        #[test]
        fn any_packets_are_tolerated(
            packets in prop::collection::vec(
                (any::<u64>(), any::<u16>(), any::<u32>(), any::<u32>()), 1..200,
            ),
        ) {
            let mut statistics = ReceiveStatistics::new(1);
            for (nanos, sequence_number, timestamp, clock_rate) in packets {
                let now = Timestamp::from_nanos(nanos);
                statistics.on_packet(now, sequence_number, timestamp, clock_rate);
                prop_assert!(statistics.expected() >= 1);
                prop_assert!(statistics.report_block(now).is_some());
            }
        }

        #[test]
        fn lost_is_expected_minus_received(
            gaps in prop::collection::vec(1_u16..3_000, 1..100),
            start in any::<u16>(),
        ) {
            let mut statistics = ReceiveStatistics::new(1);
            let mut sequence_number = start;
            receive(&mut statistics, [sequence_number]);
            for gap in gaps {
                sequence_number = sequence_number.wrapping_add(gap);
                receive(&mut statistics, [sequence_number]);
            }
            let received = i64::try_from(statistics.received()).unwrap();
            prop_assert_eq!(statistics.expected() - received, i64::from(statistics.cumulative_lost()));
        }
    }
}
