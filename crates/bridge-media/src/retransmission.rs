use std::collections::VecDeque;
use std::time::Duration;

use bridge_rtp::RtxStream;
use bridge_units::Timestamp;
use rustc_hash::FxHashMap;

/// Packets sent again to one receiver whose times are remembered. One that is forgotten counts as
/// sent when it was first sent, so a flood of requests is answered once a round trip at most by the
/// receiver's own budget.
pub const MAX_RESENT_REMEMBERED: usize = 256;

/// When packets were sent again to one receiver of a source.
#[derive(Clone, Debug, Default)]
pub struct Retransmissions {
    resent: VecDeque<(u16, Timestamp)>,
}

impl Retransmissions {
    /// Nothing sent again yet.
    pub const fn new() -> Self {
        Self { resent: VecDeque::new() }
    }

    /// Whether a packet first sent at `sent` may be sent again now; if so it is remembered as sent.
    /// While the round-trip time is unknown every request is answered, as in JVB.
    pub fn allow(
        &mut self,
        now: Timestamp,
        sequence_number: u16,
        sent: Timestamp,
        round_trip: Option<Duration>,
    ) -> bool {
        let known = self.resent.iter().rposition(|(number, _)| *number == sequence_number);
        let last = known.and_then(|place| self.resent.get(place)).map_or(sent, |(_, at)| *at);
        if round_trip.is_some_and(|rtt| now - last < resend_interval(rtt)) {
            return false;
        }
        if let Some(place) = known {
            self.resent.remove(place);
        } else if self.resent.len() >= MAX_RESENT_REMEMBERED {
            self.resent.pop_front();
        }
        self.resent.push_back((sequence_number, now));
        true
    }
}

/// Retransmission SSRCs of one receiver: more than the encodings that it can get at a time. The keys
/// are chosen by the bridge or checked by signalling, not by senders of packets.
pub const MAX_RTX_STREAMS: usize = 512;

/// The numbers of one receiver's retransmission streams, each counting from 1.
#[derive(Clone, Debug, Default)]
pub struct RtxNumbers {
    last: FxHashMap<u32, u16>,
}

impl RtxNumbers {
    /// What the next retransmission on `ssrc` carries; `None` beyond [`MAX_RTX_STREAMS`].
    pub fn next(&mut self, ssrc: u32, payload_type: u8) -> Option<RtxStream> {
        if self.last.len() >= MAX_RTX_STREAMS && !self.last.contains_key(&ssrc) {
            return None;
        }
        let last = self.last.entry(ssrc).or_insert(0);
        *last = last.wrapping_add(1);
        Some(RtxStream { payload_type, ssrc, sequence_number: *last })
    }
}

/// How long after sending a packet a request for it can be the answer to that sending: nine tenths
/// of a round trip, or 5 ms less than one (JVB).
pub fn resend_interval(round_trip: Duration) -> Duration {
    (round_trip * 9 / 10).min(round_trip.saturating_sub(Duration::from_millis(5)))
}
