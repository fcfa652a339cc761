use std::collections::VecDeque;
use std::time::Duration;

use bridge_rtp::rtcp::ReportBlock;
use bridge_units::Timestamp;

/// The most sender reports that are remembered: minutes for a peer that gets a few streams, several
/// rounds for one that gets fifty.
pub const MAX_SENDER_REPORTS: usize = 200;
/// A longer round trip is a mistake, not a network.
pub const MAX_ROUND_TRIP_TIME: Duration = Duration::from_secs(7);

/// The time to one peer and back, from the sender reports that were sent to it and the report blocks
/// that answer to them (RFC 3550 section 6.4.1).
///
/// Answers to JVB's `EndpointConnectionStats`. There is no smoothing: the last answer counts.
#[derive(Clone, Debug, Default)]
pub struct RoundTripTimes {
    reports: VecDeque<SentReport>,
    last: Option<Duration>,
    ignored: u64,
}

#[derive(Clone, Copy, Debug)]
struct SentReport {
    ssrc: u32,
    compact_ntp: u32,
    sent: Timestamp,
}

impl RoundTripTimes {
    /// Nothing sent yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a sender report of stream `ssrc` that is sent `now`; `compact_ntp` is the middle of its
    /// NTP timestamp as it is on the wire.
    pub fn on_sender_report_sent(&mut self, now: Timestamp, ssrc: u32, compact_ntp: u32) {
        if self.reports.len() >= MAX_SENDER_REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back(SentReport { ssrc, compact_ntp, sent: now });
    }

    /// Takes a report block that came `now`; answers the round trip time if it tells one.
    pub fn on_report_block(&mut self, now: Timestamp, block: &ReportBlock) -> Option<Duration> {
        if block.last_sender_report == 0 && block.delay_since_last_sender_report == 0 {
            return None;
        }
        let rtt = self.measure(now, block);
        match rtt {
            Some(_) => self.last = rtt,
            None => self.ignored += 1,
        }
        rtt
    }

    /// The last one measured.
    pub fn last(&self) -> Option<Duration> {
        self.last
    }

    /// Answers that were ignored: to reports that are not known, or with times that cannot be.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    fn measure(&self, now: Timestamp, block: &ReportBlock) -> Option<Duration> {
        let report = self.reports.iter().rev().find(|report| {
            report.ssrc == block.ssrc && report.compact_ntp == block.last_sender_report
        })?;
        let units = u64::from(block.delay_since_last_sender_report);
        let delay = Duration::from_nanos(units * 1_000_000_000 / 65_536);
        if delay > MAX_DELAY {
            return None;
        }
        (now - report.sent).checked_sub(delay).filter(|rtt| *rtt <= MAX_ROUND_TRIP_TIME)
    }
}

/// No receiver waits this long with its report.
const MAX_DELAY: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    const SSRC: u32 = 7;
    const NTP: u32 = 0x1234_5678;

    fn block(last_sender_report: u32, delay_millis: u64) -> ReportBlock {
        let units = delay_millis * 65_536 / 1_000;
        ReportBlock {
            ssrc: SSRC,
            last_sender_report,
            delay_since_last_sender_report: u32::try_from(units).unwrap(),
            ..ReportBlock::default()
        }
    }

    fn answer(at_millis: u64, block: &ReportBlock) -> (RoundTripTimes, Option<Duration>) {
        let mut times = RoundTripTimes::new();
        times.on_sender_report_sent(Timestamp::from_millis(1_000), SSRC, NTP);
        let rtt = times.on_report_block(Timestamp::from_millis(1_000 + at_millis), block);
        assert_eq!(times.last(), rtt);
        (times, rtt)
    }

    #[test]
    fn an_answer_gives_the_round_trip_time() {
        let (_, rtt) = answer(60, &block(NTP, 50));
        // 50 ms are not a whole number of 1/65536 s.
        assert_eq!(rtt.map(|rtt| rtt.as_micros()), Some(10_012));
        let (_, rtt) = answer(299_000, &block(NTP, 298_000));
        assert_eq!(rtt.map(|rtt| rtt.as_millis()), Some(1_000));
    }

    #[test]
    fn impossible_answers_are_ignored() {
        for (at_millis, block) in [
            // a delay of more than five minutes
            (301_000, block(NTP, 300_001)),
            // more than seven seconds
            (7_100, block(NTP, 50)),
            // less than nothing
            (40, block(NTP, 50)),
            // to another report
            (60, block(NTP + 1, 50)),
        ] {
            let (times, rtt) = answer(at_millis, &block);
            assert_eq!((rtt, times.ignored()), (None, 1), "{block:?}");
        }
        let (times, rtt) = answer(60, &block(0, 0));
        assert_eq!((rtt, times.ignored()), (None, 0));
    }

    #[test]
    fn a_bad_answer_changes_nothing() {
        let (mut times, rtt) = answer(60, &block(NTP, 50));
        times.on_report_block(Timestamp::from_millis(9_000), &block(NTP, 50));
        assert_eq!(times.last(), rtt);
    }

    #[test]
    fn only_the_last_reports_are_remembered() {
        let mut times = RoundTripTimes::new();
        for n in 0..=200 {
            times.on_sender_report_sent(Timestamp::ZERO, SSRC, NTP + n);
        }
        let now = Timestamp::from_millis(60);
        assert_eq!(times.on_report_block(now, &block(NTP, 50)), None);
        assert!(times.on_report_block(now, &block(NTP + 1, 50)).is_some());
    }
}
