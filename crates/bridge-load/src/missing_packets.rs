//! What an endpoint asks for again, and how often: as libwebrtc's `NackRequester`.

use std::collections::VecDeque;
use std::time::Duration;

use bridge_units::Timestamp;

use crate::reception::Hole;

/// Packets that are missing, by stream.
#[derive(Default)]
pub(crate) struct MissingPackets {
    /// In the order of asking.
    waiting: VecDeque<Missing>,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    ssrc: u32,
    sequence: u16,
    asked: Timestamp,
    times: u8,
}

impl MissingPackets {
    /// Notes a hole that is being asked for now; answers how much of it.
    pub(crate) fn note(&mut self, now: Timestamp, ssrc: u32, hole: Hole) -> Hole {
        let count = hole.count.min(MAX_ASKED_AT_ONCE);
        // The latest are of most use.
        let first = hole.first.wrapping_add(hole.count - count);
        for offset in 0..count {
            if self.waiting.len() == MAX_WAITING {
                self.waiting.pop_front();
            }
            let sequence = first.wrapping_add(offset);
            self.waiting.push_back(Missing { ssrc, sequence, asked: now, times: 1 });
        }
        Hole { first, count }
    }

    /// It came after all.
    pub(crate) fn remove(&mut self, ssrc: u32, sequence: u16) {
        self.waiting.retain(|missing| (missing.ssrc, missing.sequence) != (ssrc, sequence));
    }

    /// When to ask again.
    pub(crate) fn poll_timeout(&self) -> Timestamp {
        self.waiting.front().map_or(Timestamp::FAR_FUTURE, |first| first.asked + ASK_INTERVAL)
    }

    /// Hands out what is to be asked for again `now`, by stream.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp, mut ask: impl FnMut(u32, &[u16])) {
        let mut due: Vec<(u32, u16)> = Vec::new();
        for _ in 0..self.waiting.len() {
            if self.poll_timeout() > now {
                break;
            }
            let Some(missing) = self.waiting.pop_front() else { break };
            due.push((missing.ssrc, missing.sequence));
            if missing.times + 1 < MAX_TIMES {
                self.waiting.push_back(Missing { asked: now, times: missing.times + 1, ..missing });
            }
        }
        due.sort_by_key(|(ssrc, _)| *ssrc);
        for stream in due.chunk_by(|one, other| one.0 == other.0) {
            let sequences: Vec<u16> = stream.iter().map(|(_, sequence)| *sequence).collect();
            if let Some((ssrc, _)) = stream.first() {
                ask(*ssrc, &sequences);
            }
        }
    }
}

/// libwebrtc's, while it knows no round trip.
const ASK_INTERVAL: Duration = Duration::from_millis(100);
/// libwebrtc's.
const MAX_TIMES: u8 = 10;
/// Packets of one hole: what one RTCP packet tells with ease.
const MAX_ASKED_AT_ONCE: u16 = 64;
/// Two seconds of heavy loss; what is older is given up.
const MAX_WAITING: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_asked_for_until_they_come_or_ten_times() {
        let mut missing = MissingPackets::default();
        assert_eq!(missing.poll_timeout(), Timestamp::FAR_FUTURE);
        let mut now = Timestamp::from_millis(10);
        let hole = Hole { first: 65_535, count: 3 };
        assert_eq!(missing.note(now, 7, hole), hole);
        missing.remove(7, 0);
        let (mut rounds, mut asked) = (1, Vec::new());
        while missing.poll_timeout() < Timestamp::FAR_FUTURE {
            now = missing.poll_timeout();
            missing.handle_timeout(now, |ssrc, sequences| asked.push((ssrc, sequences.to_vec())));
            rounds += 1;
            if rounds == 4 {
                missing.remove(7, 1);
            }
        }
        assert_eq!(rounds, 10);
        assert_eq!((&asked[0], &asked[8]), (&(7, vec![65_535, 1]), &(7, vec![65_535])));
        assert_eq!(now, Timestamp::from_millis(10 + 900));
    }

    #[test]
    fn there_is_an_end_to_what_is_asked_for() {
        let mut missing = MissingPackets::default();
        let now = Timestamp::ZERO;
        let asked = missing.note(now, 7, Hole { first: 0, count: 1_000 });
        assert_eq!(asked, Hole { first: 936, count: 64 });
        for ssrc in 0..100 {
            missing.note(now, ssrc, asked);
        }
        assert_eq!(missing.waiting.len(), MAX_WAITING);
        let mut streams = 0;
        missing.handle_timeout(now + ASK_INTERVAL, |_, sequences| {
            assert_eq!(sequences.len(), 64);
            streams += 1;
        });
        assert_eq!(streams, 8);
    }
}
