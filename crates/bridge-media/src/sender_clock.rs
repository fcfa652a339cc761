use bridge_units::Timestamp;

/// A sender's wall clock: seconds since 1900 in 32.32 fixed point, as in sender reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Ticks of a 90 kHz clock from `earlier` to here; negative if `earlier` is later. Wraps with
    /// the era of NTP.
    pub fn ticks_since(self, earlier: Self) -> i64 {
        let difference = i128::from(self.0.wrapping_sub(earlier.0).cast_signed());
        i64::try_from((difference * i128::from(VIDEO_CLOCK_RATE)) >> 32).unwrap_or(0)
    }

    fn after_ticks(self, ticks: i64) -> Self {
        let difference = (i128::from(ticks) << 32) / i128::from(VIDEO_CLOCK_RATE);
        Self(self.0.wrapping_add_signed(i64::try_from(difference).unwrap_or(0)))
    }
}

/// What an encoding's sender reports say about the capture time of its frames.
///
/// The encodings of one sender share its wall clock, so their frames can be placed on one time line.
#[derive(Clone, Copy, Debug, Default)]
pub struct SenderClock {
    report: Option<(NtpTime, u32, Timestamp)>,
}

impl SenderClock {
    /// Takes the sender information of a report that arrived at `now`. A report without wall clock
    /// is ignored.
    pub fn handle_sender_report(&mut self, now: Timestamp, ntp_timestamp: u64, rtp_timestamp: u32) {
        if ntp_timestamp != 0 {
            self.report = Some((NtpTime(ntp_timestamp), rtp_timestamp, now));
        }
    }

    /// When the frame with this RTP timestamp was captured; `None` before the first report.
    pub fn capture_time(&self, rtp_timestamp: u32) -> Option<NtpTime> {
        let (ntp, reported, _) = self.report?;
        Some(ntp.after_ticks(i64::from(bridge_rtp::timestamp_delta(rtp_timestamp, reported))))
    }

    /// When the last report arrived.
    pub fn last_report(&self) -> Option<Timestamp> {
        self.report.map(|(_, _, at)| at)
    }
}

/// Ticks a second of every RTP video clock.
pub(crate) const VIDEO_CLOCK_RATE: u32 = 90_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capture_times_of_two_encodings_compare() {
        let (mut low, mut high) = (SenderClock::default(), SenderClock::default());
        assert_eq!(low.capture_time(1), None);
        let second = 1_u64 << 32;
        low.handle_sender_report(Timestamp::ZERO, 100 * second, 5_000);
        high.handle_sender_report(Timestamp::ZERO, 101 * second, u32::MAX);
        // 0.5 s after its report, which is 1.5 s after that of the other.
        let late = high.capture_time(44_999).unwrap();
        let early = low.capture_time(5_000).unwrap();
        assert_eq!(late.ticks_since(early), 135_000);
        assert_eq!(early.ticks_since(late), -135_000);
        let before = low.capture_time(5_000_u32.wrapping_sub(90_000)).unwrap();
        assert_eq!(before, NtpTime(99 * second));
        low.handle_sender_report(Timestamp::ZERO, 0, 1);
        assert_eq!(low.capture_time(5_000), Some(early));
    }
}
