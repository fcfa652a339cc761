use std::collections::VecDeque;
use std::time::Duration;

use bridge_rtp::rtcp::{ReferenceAnswer, ReportBlock, compact_ntp, monotonic_ntp};
use bridge_units::Timestamp;

use crate::reference_times::round_trip;

/// The most sender reports that are remembered: minutes for a peer that gets a few streams, several
/// rounds for one that gets fifty.
pub const MAX_SENDER_REPORTS: usize = 200;
/// A longer round trip is a mistake, not a network.
pub const MAX_ROUND_TRIP_TIME: Duration = Duration::from_secs(7);

/// Without a measurement for this long, a peer is asked with a reference time.
pub const REFERENCE_TIME_AFTER: Duration = Duration::from_secs(5);
/// How often it is asked.
pub const REFERENCE_TIME_INTERVAL: Duration = Duration::from_secs(2);

/// The time to one peer and back, from the sender reports that were sent to it and the report blocks
/// that answer to them (RFC 3550 section 6.4.1). A peer that is sent no reports, because it is alone or
/// gets nothing, is asked with reference times (RFC 3611 section 4.4).
///
/// Answers to JVB's `EndpointConnectionStats`. There is no smoothing: the last answer counts. Differs
/// from JVB, which knows no round trip to a peer that is sent nothing.
#[derive(Clone, Debug, Default)]
pub struct RoundTripTimes {
    reports: VecDeque<SentReport>,
    last: Option<Duration>,
    measured: Option<Timestamp>,
    /// When the last reference time was sent.
    asked: Option<Timestamp>,
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
        self.note(now, rtt);
        rtt
    }

    /// The reference time to send `now`, if it is time to ask for an answer.
    pub fn poll_reference_time(&mut self, now: Timestamp) -> Option<u64> {
        let is_known = self.measured.is_some_and(|at| now - at < REFERENCE_TIME_AFTER);
        let is_asked = self.asked.is_some_and(|at| now - at < REFERENCE_TIME_INTERVAL);
        if is_known || is_asked {
            return None;
        }
        self.asked = Some(now);
        Some(monotonic_ntp(now))
    }

    /// Takes an answer to a reference time that came `now`; answers the round trip time if it tells one.
    pub fn on_reference_answer(
        &mut self,
        now: Timestamp,
        answer: &ReferenceAnswer,
    ) -> Option<Duration> {
        if answer.last_reference == 0 && answer.delay == 0 {
            return None;
        }
        let rtt = Some(round_trip(compact_ntp(monotonic_ntp(now)), answer))
            .filter(|rtt| self.asked.is_some() && *rtt <= MAX_ROUND_TRIP_TIME)
            .filter(|_| u64::from(answer.delay) <= MAX_DELAY.as_secs() << 16);
        self.note(now, rtt);
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

    fn note(&mut self, now: Timestamp, rtt: Option<Duration>) {
        if rtt.is_none() {
            self.ignored += 1;
            return;
        }
        self.last = rtt;
        self.measured = Some(now);
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

    #[test]
    fn a_peer_without_reports_is_asked_and_its_answer_counts() {
        let at = |millis: u64| Timestamp::from_millis(100_000 + millis);
        let mut times = RoundTripTimes::new();
        let ntp = times.poll_reference_time(at(0)).unwrap();
        assert_eq!(times.poll_reference_time(at(1_999)), None);
        let answer = ReferenceAnswer::new(1, ntp, Duration::from_millis(50));
        let rtt = times.on_reference_answer(at(60), &answer).unwrap();
        assert!(rtt.abs_diff(Duration::from_millis(10)) < Duration::from_micros(50), "{rtt:?}");
        assert_eq!(times.last(), Some(rtt));
        assert_eq!(times.poll_reference_time(at(5_059)), None, "known for a while");
        assert!(times.poll_reference_time(at(5_060)).is_some());
        times.on_sender_report_sent(at(6_000), SSRC, NTP);
        times.on_report_block(at(6_060), &block(NTP, 50));
        assert_eq!(times.poll_reference_time(at(11_000)), None, "reports tell it, too");
    }

    #[test]
    fn impossible_answers_to_reference_times_are_ignored() {
        let now = Timestamp::from_millis(400_000);
        let ntp = monotonic_ntp(now - Duration::from_millis(60));
        let answer = |delay| ReferenceAnswer::new(1, ntp, Duration::from_millis(delay));
        let old = monotonic_ntp(now - Duration::from_secs(301));
        let mut times = RoundTripTimes::new();
        assert_eq!(times.on_reference_answer(now, &answer(50)), None, "nobody asked");
        times.poll_reference_time(now - Duration::from_millis(60));
        for (ignored, answer) in [
            (2, answer(61)),
            (3, ReferenceAnswer::new(1, ntp.wrapping_sub(8 << 32), Duration::ZERO)),
            (4, ReferenceAnswer::new(1, old, Duration::from_secs(301))),
            (4, ReferenceAnswer::default()),
        ] {
            assert_eq!(times.on_reference_answer(now, &answer), None);
            assert_eq!((times.last(), times.ignored()), (None, ignored), "{answer:?}");
        }
        assert!(times.on_reference_answer(now, &answer(50)).is_some());
    }
}
