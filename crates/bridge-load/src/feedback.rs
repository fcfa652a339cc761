//! When an endpoint tells the bridge which tagged packets arrived: as libwebrtc's
//! `TransportSequenceNumberFeedbackGenerator` does, by the clock and not by the packet.

use std::time::Duration;

use bridge_cc::TransportFeedbackGenerator;
use bridge_units::Timestamp;

/// The transport-wide feedback of one endpoint.
pub(crate) struct Feedback {
    generator: TransportFeedbackGenerator,
    /// When what waits is to be told.
    due: Timestamp,
    told: Timestamp,
    interval: Duration,
    bytes: u64,
}

impl Feedback {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            generator: TransportFeedbackGenerator::new(),
            due: Timestamp::FAR_FUTURE,
            told: now,
            interval: FIRST_INTERVAL,
            bytes: 0,
        }
    }

    /// Notes a tagged packet of `len` bytes; whether [`Self::poll_timeout`] has changed.
    pub(crate) fn on_packet(
        &mut self,
        now: Timestamp,
        sequence: u16,
        ssrc: u32,
        len: usize,
    ) -> bool {
        self.bytes += len as u64;
        // The end of a frame is no reason to be early.
        self.generator.on_packet(now, sequence, false, ssrc);
        let due = match self.generator.pending() {
            MAX_WAITING_ARRIVALS.. => now,
            _ => now.max(self.told + self.interval),
        };
        let is_earlier = due < self.due;
        self.due = self.due.min(due);
        is_earlier
    }

    /// If it is time: hands complete RTCP packets to `emit`.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Timestamp,
        sender_ssrc: u32,
        emit: impl FnMut(&[u8]),
    ) {
        if now < self.due {
            return;
        }
        self.generator.write_feedback(now, sender_ssrc, emit);
        self.interval = interval(self.bytes, now.since(self.told));
        (self.told, self.bytes, self.due) = (now, 0, Timestamp::FAR_FUTURE);
    }

    pub(crate) const fn poll_timeout(&self) -> Timestamp {
        self.due
    }
}

/// So long that feedback is a twentieth of what arrives, within bounds.
fn interval(bytes: u64, elapsed: Duration) -> Duration {
    if bytes == 0 {
        return MAX_INTERVAL;
    }
    let share = FEEDBACK_BYTES / (FEEDBACK_SHARE * bytes as f64);
    elapsed.mul_f64(share.min(MAX_SHARE)).clamp(MIN_INTERVAL, MAX_INTERVAL)
}

/// libwebrtc's bounds (`TransportWideFeedbackConfig`).
const MIN_INTERVAL: Duration = Duration::from_millis(50);
const FIRST_INTERVAL: Duration = Duration::from_millis(100);
const MAX_INTERVAL: Duration = Duration::from_millis(250);
/// What libwebrtc takes for the size of a feedback: IPv4, UDP, SRTP and an average report.
const FEEDBACK_BYTES: f64 = 68.0;
const FEEDBACK_SHARE: f64 = 0.05;
/// Far below what the generator keeps; one RTCP packet tells as many.
const MAX_WAITING_ARRIVALS: usize = 512;
/// Beyond it the result is at its bound anyway.
const MAX_SHARE: f64 = 1e6;

#[cfg(test)]
mod tests {
    use bridge_rtp::{RtcpCompound, RtcpPacket};

    use super::*;

    /// The times of feedback in a second of `rate` packets of `len` bytes.
    fn second_of(rate: u64, len: usize) -> (Vec<u64>, usize) {
        let mut feedback = Feedback::new(Timestamp::ZERO);
        let (mut times, mut reported) = (Vec::new(), 0);
        for number in 0..rate {
            let now = Timestamp::from_nanos(number * 1_000_000_000 / rate);
            while feedback.poll_timeout() <= now {
                let due = feedback.poll_timeout();
                feedback.handle_timeout(due, 1, |packet| {
                    let compound = RtcpCompound::parse(packet).unwrap();
                    for (packet, _) in compound.packets() {
                        let RtcpPacket::TransportFeedback(feedback) = packet else {
                            panic!("{packet:?}")
                        };
                        reported += feedback.statuses().count();
                    }
                });
                times.push(due.as_millis());
            }
            feedback.on_packet(now, number as u16, 7, len);
        }
        (times, reported)
    }

    #[test]
    fn feedback_comes_every_50_ms_at_most_and_250_at_least() {
        for (rate, len, least, most) in
            [(1_000, 1_200, 17, 19), (50, 160, 4, 10), (5, 60, 2, 4), (20_000, 1_200, 19, 40)]
        {
            let (times, reported) = second_of(rate, len);
            assert!((least..=most).contains(&times.len()), "{rate} of {len}: {times:?}");
            assert!(reported > rate as usize / 2, "{reported} of {rate}");
        }
    }

    #[test]
    fn nothing_is_due_while_nothing_arrives() {
        let mut feedback = Feedback::new(Timestamp::ZERO);
        assert_eq!(feedback.poll_timeout(), Timestamp::FAR_FUTURE);
        let now = Timestamp::from_millis(500);
        assert!(feedback.on_packet(now, 1, 7, 100));
        assert!(!feedback.on_packet(now, 2, 7, 100), "known to be due");
        let mut told = 0;
        feedback.handle_timeout(feedback.poll_timeout(), 1, |_| told += 1);
        assert_eq!((told, feedback.poll_timeout()), (1, Timestamp::FAR_FUTURE));
    }
}
