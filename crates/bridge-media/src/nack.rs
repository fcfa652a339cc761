use std::time::Duration;

use bridge_rtp::SequenceUnwrapper;
use bridge_units::Timestamp;

/// So many missing packets in a row are not asked for: the stream has moved on (JVB: 100).
pub const MAX_GAP: i64 = 100;
/// Packets that can be missing at a time; with more, only a key frame helps.
pub const MAX_MISSING: usize = 256;
/// How often a packet is asked for before it is given up, as in JVB.
pub const MAX_NACKS_PER_PACKET: u8 = 10;

/// Packets that can overtake one another.
const MAX_REORDERING: i64 = 3_000;
/// Between requests while the round-trip time is unknown, as in JVB.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(150);
/// An answer cannot be told from a late packet in less.
const MIN_INTERVAL: Duration = Duration::from_millis(40);
/// On a slow link a request lost must not cost seconds.
const MAX_INTERVAL: Duration = Duration::from_millis(500);

/// The packets of one video SSRC that are to be asked for again (JVB: `StreamPacketRequester`).
///
/// Differs from JVB, which repeats every 150 ms: the interval follows the round-trip time, so that a
/// near sender is asked sooner and a far one not twice; and giving up asks for a key frame.
#[derive(Debug, Default)]
pub struct MissingPackets {
    unwrapper: SequenceUnwrapper,
    missing: Vec<Missing>,
    next_nack: Option<Timestamp>,
    wants_keyframe: bool,
    requested: u64,
    given_up: u64,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    index: i64,
    requests: u8,
}

impl MissingPackets {
    /// Nothing received yet.
    pub const fn new() -> Self {
        Self {
            unwrapper: SequenceUnwrapper::new(),
            missing: Vec::new(),
            next_nack: None,
            wants_keyframe: false,
            requested: 0,
            given_up: 0,
        }
    }

    /// Notes a packet that arrived, first sent or sent again.
    pub fn handle_packet(&mut self, now: Timestamp, sequence_number: u16) {
        let Some(highest) = self.unwrapper.highest() else {
            self.unwrapper.update(sequence_number);
            return;
        };
        if highest - self.unwrapper.interpret(sequence_number) > MAX_REORDERING {
            // After a pause of more than half the range what is new seems to be old.
            self.unwrapper.reset_at(sequence_number);
            self.forget_all();
            return;
        }
        let index = self.unwrapper.update(sequence_number);
        if index <= highest {
            self.found(index);
            return;
        }
        let gap = index - highest - 1;
        if gap == 0 {
            return;
        }
        if gap >= MAX_GAP || self.missing.len() + gap.unsigned_abs() as usize > MAX_MISSING {
            self.forget_all();
            return;
        }
        let lost = highest + 1..index;
        self.missing.extend(lost.map(|index| Missing { index, requests: 0 }));
        self.next_nack = Some(now);
    }

    /// When [`Self::poll_nack`] has something to ask for.
    pub const fn poll_timeout(&self) -> Option<Timestamp> {
        self.next_nack
    }

    /// The packets to ask for now, all that are missing, oldest first; none before the time comes.
    /// They count as asked for once more.
    pub fn poll_nack(
        &mut self,
        now: Timestamp,
        round_trip: Option<Duration>,
    ) -> impl Iterator<Item = u16> + '_ {
        let is_due = self.next_nack.is_some_and(|due| now >= due);
        if is_due {
            self.give_up();
            self.requested += self.missing.len() as u64;
            self.missing.iter_mut().for_each(|missing| missing.requests += 1);
            self.next_nack = (!self.missing.is_empty()).then(|| now + nack_interval(round_trip));
        }
        let due = if is_due { self.missing.as_slice() } else { &[] };
        due.iter().map(|missing| crate::renumbering::low_16_bits(missing.index))
    }

    /// Whether packets were given up since this was last asked: a key frame is needed.
    pub fn take_keyframe_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_keyframe)
    }

    /// Packets asked for, each as often as it was.
    pub const fn requested(&self) -> u64 {
        self.requested
    }

    /// Packets that never came.
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    fn found(&mut self, index: i64) {
        if let Ok(place) = self.missing.binary_search_by_key(&index, |missing| missing.index) {
            self.missing.remove(place);
        }
        if self.missing.is_empty() {
            self.next_nack = None;
        }
    }

    fn give_up(&mut self) {
        let before = self.missing.len();
        self.missing.retain(|missing| missing.requests < MAX_NACKS_PER_PACKET);
        let lost = before - self.missing.len();
        self.given_up += lost as u64;
        self.wants_keyframe |= lost > 0;
    }

    fn forget_all(&mut self) {
        self.given_up += self.missing.len() as u64;
        self.missing.clear();
        self.next_nack = None;
        self.wants_keyframe = true;
    }
}

fn nack_interval(round_trip: Option<Duration>) -> Duration {
    round_trip.map_or(DEFAULT_INTERVAL, |rtt| (rtt + rtt / 4).clamp(MIN_INTERVAL, MAX_INTERVAL))
}
