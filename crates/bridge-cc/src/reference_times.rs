use std::time::Duration;

use bridge_rtp::rtcp::ReferenceAnswer;
use bridge_units::Timestamp;

/// Reference times of one peer that wait for their answer: a client has one SSRC to report with, and
/// libwebrtc one for each of its streams' reporters.
pub const MAX_REFERENCE_TIMES: usize = 32;

/// The reference times of one peer, to be answered with the next report (RFC 3611 sections 4.4 and
/// 4.5): a peer that sends nothing learns its round trip from no sender report.
///
/// Differs from JVB, which ignores them.
#[derive(Clone, Debug, Default)]
pub struct ReferenceTimes {
    waiting: Vec<ReferenceTime>,
    refused: u64,
}

#[derive(Clone, Copy, Debug)]
struct ReferenceTime {
    ssrc: u32,
    ntp: u64,
    received: Timestamp,
}

impl ReferenceTimes {
    /// Takes the clock of `ssrc` as told in a report that came `now`; the last one of each counts.
    pub fn on_reference_time(&mut self, now: Timestamp, ssrc: u32, ntp: u64) {
        let new = ReferenceTime { ssrc, ntp, received: now };
        let is_full = self.waiting.len() >= MAX_REFERENCE_TIMES;
        match self.waiting.iter_mut().find(|waiting| waiting.ssrc == ssrc) {
            Some(waiting) => *waiting = new,
            None if is_full => self.refused += 1,
            None => self.waiting.push(new),
        }
    }

    /// Whether an answer is owed.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Gives each waiting time its answer, and forgets it.
    pub fn answer(&mut self, now: Timestamp, send: impl FnOnce(&[ReferenceAnswer])) {
        let mut answers = [ReferenceAnswer::default(); MAX_REFERENCE_TIMES];
        let count = self.waiting.len().min(MAX_REFERENCE_TIMES);
        for (answer, time) in answers.iter_mut().zip(&self.waiting) {
            *answer = ReferenceAnswer::new(time.ssrc, time.ntp, now - time.received);
        }
        self.waiting.clear();
        send(answers.get(..count).unwrap_or_default());
    }

    /// Times that were more than can wait.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// The round trip that an answer to a reference time in this process's time tells.
pub(crate) fn round_trip(now: u32, answer: &ReferenceAnswer) -> Duration {
    let units = now.wrapping_sub(answer.last_reference).wrapping_sub(answer.delay);
    Duration::from_nanos(u64::from(units) * 1_000_000_000 / 65_536)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_answered_once_with_its_delay() {
        let mut times = ReferenceTimes::default();
        times.on_reference_time(Timestamp::from_millis(100), 7, 1 << 32);
        times.on_reference_time(Timestamp::from_millis(200), 8, 2 << 32);
        times.on_reference_time(Timestamp::from_millis(300), 7, 3 << 32);
        assert!(!times.is_empty());
        times.answer(Timestamp::from_millis(550), |answers| {
            let got: Vec<_> = answers.iter().map(|a| (a.ssrc, a.last_reference, a.delay)).collect();
            assert_eq!(got, [(7, 3 << 16, 16_384), (8, 2 << 16, 22_937)]);
        });
        times.answer(Timestamp::from_millis(560), |answers| assert!(answers.is_empty()));
    }

    #[test]
    fn times_are_bounded() {
        let mut times = ReferenceTimes::default();
        for ssrc in 0..100 {
            times.on_reference_time(Timestamp::ZERO, ssrc, 1);
        }
        assert_eq!(times.refused(), 100 - MAX_REFERENCE_TIMES as u64);
        times.answer(Timestamp::ZERO, |answers| assert_eq!(answers.len(), MAX_REFERENCE_TIMES));
        assert!(times.is_empty());
    }
}
