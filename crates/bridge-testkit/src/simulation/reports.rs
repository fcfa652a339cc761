//! Sender and receiver reports of a client (RFC 3550 section 6.4).

use bridge_rtp::rtcp::{ReportBlock, SenderInfo, compact_ntp};
use bridge_rtp::{RtpHeader, SequenceUnwrapper};
use bridge_units::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a client knows of the streams that it receives.
#[derive(Debug, Default)]
pub(crate) struct ReceptionReports {
    streams: BTreeMap<u32, Reception>,
}

#[derive(Debug, Default)]
struct Reception {
    unwrapper: SequenceUnwrapper,
    first: Option<i64>,
    highest: i64,
    received: i64,
    before: (i64, i64),
    last_report: Option<(u32, Timestamp)>,
}

impl ReceptionReports {
    pub(crate) fn note_packet(&mut self, header: &RtpHeader) {
        let stream = self.streams.entry(header.ssrc).or_default();
        let index = stream.unwrapper.update(header.sequence_number);
        stream.first.get_or_insert(index);
        stream.highest = stream.highest.max(index);
        stream.received += 1;
    }

    pub(crate) fn note_sender_report(&mut self, now: Timestamp, info: &SenderInfo) {
        let stream = self.streams.entry(info.ssrc).or_default();
        stream.last_report = Some((info.compact_ntp(), now));
    }

    pub(crate) fn blocks(&mut self, now: Timestamp) -> Vec<ReportBlock> {
        let active = self.streams.iter_mut().filter(|(_, stream)| stream.first.is_some());
        active.map(|(ssrc, stream)| stream.block(now, *ssrc)).collect()
    }
}

impl Reception {
    fn block(&mut self, now: Timestamp, ssrc: u32) -> ReportBlock {
        let expected = self.highest - self.first.unwrap_or(self.highest) + 1;
        let lost = expected - self.received;
        let interval = (expected - self.before.0, self.received - self.before.1);
        self.before = (expected, self.received);
        let interval_lost = (interval.0 - interval.1).max(0);
        let fraction = if interval.0 > 0 { interval_lost * 256 / interval.0 } else { 0 };
        let (last, delay) =
            self.last_report.map_or((0, Duration::ZERO), |(compact, at)| (compact, now.since(at)));
        ReportBlock {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: i32::try_from(lost).unwrap_or(0),
            extended_highest_sequence: (self.highest & i64::from(u32::MAX)) as u32,
            jitter: 0,
            last_sender_report: last,
            delay_since_last_sender_report: (delay.as_secs_f64() * 65_536.0) as u32,
        }
    }
}

/// A client's wall clock: 32.32 fixed point seconds since 1900.
pub(crate) fn ntp(now: Timestamp, skew: Duration) -> u64 {
    let nanos = u128::from(now.as_nanos()) + skew.as_nanos();
    let seconds = NTP_OF_ZERO + (nanos / 1_000_000_000) as u64;
    let fraction = ((nanos % 1_000_000_000) << 32) / 1_000_000_000;
    seconds << 32 | fraction as u64
}

/// The round trip that a block tells, if the bridge had a report of ours to echo.
pub(crate) fn round_trip(now_ntp: u64, block: &ReportBlock) -> Option<Duration> {
    if block.last_sender_report == 0 {
        return None;
    }
    let ticks = compact_ntp(now_ntp)
        .wrapping_sub(block.last_sender_report)
        .wrapping_sub(block.delay_since_last_sender_report);
    // What is negative by rounding is no time.
    (ticks < u32::MAX / 2).then(|| Duration::from_secs_f64(f64::from(ticks) / 65_536.0))
}

/// Some day in 2026.
const NTP_OF_ZERO: u64 = 3_990_000_000;
