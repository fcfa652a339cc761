//! What endpoints got, and what was wrong with it.

use rustc_hash::FxHashMap;

/// Something that must not happen. One of these fails the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// No RTP or RTCP packet at all.
    Malformed,
    /// An SSRC that no endpoint has.
    UnknownStream,
    /// A packet of the receiver's own.
    Echo,
    /// SRTP that does not open.
    Unauthenticated,
    /// Other bytes than were sent.
    Payload,
    /// A sequence number for the second time.
    Duplicate,
    /// An endpoint that did not connect.
    NotConnected,
    /// An endpoint that got no media.
    Silent,
}

impl Wrong {
    pub(crate) const ALL: [Self; 8] = [
        Self::Malformed,
        Self::UnknownStream,
        Self::Echo,
        Self::Unauthenticated,
        Self::Payload,
        Self::Duplicate,
        Self::NotConnected,
        Self::Silent,
    ];

    /// The name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownStream => "unknown_stream",
            Self::Echo => "echo",
            Self::Unauthenticated => "unauthenticated",
            Self::Payload => "payload",
            Self::Duplicate => "duplicate",
            Self::NotConnected => "not_connected",
            Self::Silent => "silent",
        }
    }
}

/// How often what was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WrongCounts([u64; Wrong::ALL.len()]);

impl WrongCounts {
    pub(crate) fn count(&mut self, wrong: Wrong) {
        self.add_many(wrong, 1);
    }

    pub(crate) fn add_many(&mut self, wrong: Wrong, times: u64) {
        if let Some(count) = self.0.get_mut(wrong as usize) {
            *count += times;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(to, from)| *to += from);
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each with its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Wrong::ALL.into_iter().zip(self.0).map(|(wrong, count)| (wrong.name(), count))
    }
}

/// What a thread's endpoints received so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReceptionCounts {
    /// RTP packets but retransmissions and padding.
    pub(crate) packets: u64,
    /// Their bytes, as UDP payload.
    pub(crate) bytes: u64,
    /// Packets of the retransmission format.
    pub(crate) retransmissions: u64,
    /// Sequence numbers that are missing so far, recovered or not.
    pub(crate) lost: u64,
    /// Those of them that came as retransmissions.
    pub(crate) recovered: u64,
    /// Packets that were opened and compared.
    pub(crate) opened: u64,
    pub(crate) wrong: WrongCounts,
}

impl ReceptionCounts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.retransmissions += other.retransmissions;
        self.lost += other.lost;
        self.recovered += other.recovered;
        self.opened += other.opened;
        self.wrong.add(&other.wrong);
    }
}

/// The streams that one endpoint gets.
#[derive(Default)]
pub(crate) struct Reception {
    streams: FxHashMap<u32, Continuity>,
}

/// Sequence numbers of a stream that were skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) first: u16,
    pub(crate) count: u16,
}

/// What of one stream arrived.
#[derive(Clone, Copy, Debug)]
struct Continuity {
    highest: u16,
    /// Bit `n`: the packet `n` before the highest arrived.
    seen: u64,
}

impl Reception {
    /// Notes a packet; answers the hole that it leaves behind. Streams that may have holes are
    /// `tolerant`: bridges drop silence.
    pub(crate) fn note(
        &mut self,
        ssrc: u32,
        sequence: u16,
        tolerant: bool,
        counts: &mut ReceptionCounts,
    ) -> Option<Hole> {
        let Some(stream) = self.streams.get_mut(&ssrc) else {
            if self.streams.len() < MAX_STREAMS {
                self.streams.insert(ssrc, Continuity { highest: sequence, seen: u64::MAX });
            }
            return None;
        };
        let ahead = sequence.wrapping_sub(stream.highest).cast_signed();
        if ahead > 0 {
            let ahead = u64::from(ahead.unsigned_abs());
            let first = stream.highest.wrapping_add(1);
            stream.seen = stream.seen.checked_shl(ahead as u32).unwrap_or(0) | 1;
            stream.highest = sequence;
            if tolerant || ahead == 1 {
                return None;
            }
            counts.lost += ahead - 1;
            return Some(Hole { first, count: ahead as u16 - 1 });
        }
        let bit = 1_u64.checked_shl(u32::from(ahead.unsigned_abs())).unwrap_or(0);
        if bit == 0 || stream.seen & bit != 0 {
            counts.wrong.count(Wrong::Duplicate);
        } else {
            stream.seen |= bit;
            counts.lost = counts.lost.saturating_sub(u64::from(!tolerant));
        }
        None
    }

    /// Notes a retransmission. One that was not needed, or comes too late, is nobody's fault.
    pub(crate) fn recover(&mut self, ssrc: u32, sequence: u16, counts: &mut ReceptionCounts) {
        let Some(stream) = self.streams.get_mut(&ssrc) else { return };
        let behind = u32::from(stream.highest.wrapping_sub(sequence));
        let bit = 1_u64.checked_shl(behind).unwrap_or(0);
        if bit != 0 && stream.seen & bit == 0 {
            stream.seen |= bit;
            counts.recovered += 1;
        }
    }

    /// Whether nothing arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}

/// More than a bridge forwards to one endpoint; further ones are counted but not followed.
const MAX_STREAMS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sequences: &[u16], tolerant: bool) -> (u64, u64) {
        let (mut reception, mut counts) = (Reception::default(), ReceptionCounts::default());
        for sequence in sequences {
            reception.note(7, *sequence, tolerant, &mut counts);
        }
        (counts.lost, counts.wrong.total())
    }

    #[test]
    fn holes_are_losses_until_they_are_filled() {
        for (sequences, lost, wrong) in [
            (&[1, 2, 3][..], 0, 0),
            (&[65_534, 65_535, 0, 1], 0, 0),
            (&[65_534, 1], 2, 0),
            (&[1, 2, 5], 2, 0),
            (&[1, 2, 5, 4], 1, 0),
            (&[1, 2, 5, 4, 3], 0, 0),
            (&[1, 2, 2], 0, 1),
            (&[1, 2, 5, 4, 4], 1, 1),
            (&[1, 2, 200, 3], 197, 1),
        ] {
            assert_eq!(counts(sequences, false), (lost, wrong), "{sequences:?}");
            assert_eq!(counts(sequences, true), (0, wrong), "{sequences:?}");
        }
    }

    #[test]
    fn holes_are_told_and_recovered_once() {
        let (mut reception, mut counts) = (Reception::default(), ReceptionCounts::default());
        assert_eq!(reception.note(7, 65_534, false, &mut counts), None);
        let hole = reception.note(7, 1, false, &mut counts);
        assert_eq!(hole, Some(Hole { first: 65_535, count: 2 }));
        assert_eq!(reception.note(7, 3, true, &mut counts), None);
        for sequence in [65_535, 65_535, 1, 9, 40_000] {
            reception.recover(7, sequence, &mut counts);
        }
        reception.recover(8, 0, &mut counts);
        assert_eq!((counts.lost, counts.recovered, counts.wrong.total()), (2, 1, 0));
    }

    #[test]
    fn streams_are_told_apart() {
        let (mut reception, mut counts) = (Reception::default(), ReceptionCounts::default());
        assert!(reception.is_empty());
        for ssrc in [1, 2] {
            reception.note(ssrc, 5, false, &mut counts);
            reception.note(ssrc, 6, false, &mut counts);
        }
        assert!(!reception.is_empty());
        assert_eq!(counts, ReceptionCounts::default());
    }
}
