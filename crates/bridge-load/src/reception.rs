//! What endpoints got, and what was wrong with it.

use rustc_hash::FxHashMap;

use crate::stream_id::{StreamId, StreamKind};

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
    /// An endpoint whose bridge channel did not open, although the bridge offered it.
    NoChannel,
    /// An endpoint that asked for video and got sound only.
    NoVideo,
    /// An endpoint that got no media.
    Silent,
}

impl Wrong {
    pub(crate) const ALL: [Self; 10] = [
        Self::Malformed,
        Self::UnknownStream,
        Self::Echo,
        Self::Unauthenticated,
        Self::Payload,
        Self::Duplicate,
        Self::NotConnected,
        Self::NoChannel,
        Self::NoVideo,
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
            Self::NoChannel => "no_channel",
            Self::NoVideo => "no_video",
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
    /// Packets of nothing but padding, with which bridges probe for bandwidth.
    pub(crate) padding: u64,
    /// Packets that were asked for, the first time and again.
    pub(crate) asked: u64,
    /// Reports of transport-wide arrivals that were sent.
    pub(crate) feedback: u64,
    /// Messages on bridge channels.
    pub(crate) messages: u64,
    /// Those of `packets` that are sound.
    pub(crate) audio_packets: u64,
    /// Sequence numbers that are missing so far, recovered or not.
    pub(crate) lost: u64,
    /// Those of them that are sound's.
    pub(crate) audio_lost: u64,
    /// Those of them that came as retransmissions.
    pub(crate) recovered: u64,
    /// Packets that came so late that they are not followed any more: they stay lost.
    pub(crate) late: u64,
    /// Packets that were opened and compared.
    pub(crate) opened: u64,
    pub(crate) wrong: WrongCounts,
}

impl ReceptionCounts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.retransmissions += other.retransmissions;
        self.padding += other.padding;
        self.asked += other.asked;
        self.feedback += other.feedback;
        self.messages += other.messages;
        self.audio_packets += other.audio_packets;
        self.lost += other.lost;
        self.audio_lost += other.audio_lost;
        self.recovered += other.recovered;
        self.late += other.late;
        self.opened += other.opened;
        self.wrong.add(&other.wrong);
    }
}

impl ReceptionCounts {
    /// The last packet was of sound; before it, `lost` were missing.
    pub(crate) fn note_audio(&mut self, lost: u64) {
        self.audio_packets += 1;
        // A late packet fills a hole.
        self.audio_lost = (self.audio_lost + self.lost).saturating_sub(lost);
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
    /// The bit of a sequence number, modulo [`WINDOW`]: it arrived.
    seen: [u64; WORDS],
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
                self.streams.insert(ssrc, Continuity::new(sequence));
            }
            return None;
        };
        let ahead = sequence.wrapping_sub(stream.highest).cast_signed();
        if ahead > 0 {
            let first = stream.highest.wrapping_add(1);
            let count = stream.advance_to(sequence);
            if tolerant || count == 0 {
                return None;
            }
            counts.lost += u64::from(count);
            return Some(Hole { first, count });
        }
        if stream.is_too_old(sequence) {
            // Nobody can tell whether it came before. Its number stays among the lost.
            counts.late += 1;
        } else if stream.fill(sequence) {
            counts.lost = counts.lost.saturating_sub(u64::from(!tolerant));
        } else {
            counts.wrong.count(Wrong::Duplicate);
        }
        None
    }

    /// Notes a retransmission; whether it was needed. One that was not, or comes too late, is nobody's
    /// fault: bridges probe for bandwidth with them.
    pub(crate) fn recover(
        &mut self,
        ssrc: u32,
        sequence: u16,
        counts: &mut ReceptionCounts,
    ) -> bool {
        let stream = self.streams.get_mut(&ssrc);
        let recovered =
            stream.is_some_and(|stream| !stream.is_ahead(sequence) && stream.fill(sequence));
        counts.recovered += u64::from(recovered);
        recovered
    }

    /// Whether this packet arrived already, or may have: it is too old to tell.
    pub(crate) fn knows(&self, ssrc: u32, sequence: u16) -> bool {
        self.streams.get(&ssrc).is_some_and(|stream| stream.knows(sequence))
    }

    /// Whether pictures arrived.
    pub(crate) fn has_video(&self) -> bool {
        let kinds = self.streams.keys().filter_map(|ssrc| StreamId::of_ssrc(*ssrc));
        kinds.into_iter().any(|stream| matches!(stream.kind, StreamKind::Video(_)))
    }

    /// Whether nothing arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}

impl Continuity {
    /// What was before the first packet is not missing.
    const fn new(first: u16) -> Self {
        Self { highest: first, seen: [u64::MAX; WORDS] }
    }

    /// Notes a packet ahead of all others; how many were skipped.
    fn advance_to(&mut self, sequence: u16) -> u16 {
        let skipped = sequence.wrapping_sub(self.highest) - 1;
        for offset in 1..=skipped.min(WINDOW) {
            self.set(sequence.wrapping_sub(offset), false);
        }
        self.set(sequence, true);
        self.highest = sequence;
        skipped
    }

    /// Notes a packet that is not ahead; whether it was missing.
    fn fill(&mut self, sequence: u16) -> bool {
        let was_missing = !self.knows(sequence);
        if was_missing {
            self.set(sequence, true);
        }
        was_missing
    }

    /// Of packets that are ahead, none is known.
    fn knows(&self, sequence: u16) -> bool {
        let behind = self.highest.wrapping_sub(sequence);
        !self.is_ahead(sequence) && (behind >= WINDOW || self.has(sequence))
    }

    const fn is_too_old(&self, sequence: u16) -> bool {
        !self.is_ahead(sequence) && self.highest.wrapping_sub(sequence) >= WINDOW
    }

    const fn is_ahead(&self, sequence: u16) -> bool {
        sequence.wrapping_sub(self.highest).cast_signed() > 0
    }

    fn has(&self, sequence: u16) -> bool {
        let (word, bit) = place(sequence);
        self.seen.get(word).is_some_and(|seen| seen & bit != 0)
    }

    fn set(&mut self, sequence: u16, arrived: bool) {
        let (word, bit) = place(sequence);
        if let Some(seen) = self.seen.get_mut(word) {
            *seen = if arrived { *seen | bit } else { *seen & !bit };
        }
    }
}

const fn place(sequence: u16) -> (usize, u64) {
    ((sequence % WINDOW) as usize / 64, 1 << (sequence % 64))
}

/// How far back packets are followed: a second and a half of the fastest streams, as long as an
/// overloaded bridge may hold a packet back. It divides the range of sequence numbers.
const WINDOW: u16 = 4_096;
const WORDS: usize = WINDOW as usize / 64;
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
            (&[1, 2, 200, 3], 196, 0),
            (&[1, 2, 5_000, 4_999, 904, 905, 3], 4_995, 0),
            (&[1, 4_500, 404, 405, 405], 4_497, 1),
            (&[65_000, 10, 65_200, 9, 65_535, 0, 65_199, 0], 540, 1),
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
        for (sequence, needed) in
            [(65_535, true), (65_535, false), (1, false), (9, false), (40_000, false)]
        {
            assert_eq!(reception.recover(7, sequence, &mut counts), needed, "{sequence}");
        }
        assert!(!reception.recover(8, 0, &mut counts));
        for (sequence, known) in [(3, true), (2, false), (4, false), (0, false), (65_000, true)] {
            assert_eq!(reception.knows(7, sequence), known, "{sequence}");
        }
        assert!(!reception.knows(8, 3));
        assert_eq!((counts.lost, counts.recovered, counts.wrong.total()), (2, 1, 0));
    }

    #[test]
    fn what_is_too_old_is_late_and_not_wrong() {
        let (mut reception, mut counts) = (Reception::default(), ReceptionCounts::default());
        for sequence in [1, WINDOW + 2, 2, 2, 3, 3] {
            reception.note(7, sequence, false, &mut counts);
        }
        assert_eq!((counts.late, counts.wrong.total()), (2, 1));
    }

    #[test]
    fn streams_are_told_apart() {
        let (mut reception, mut counts) = (Reception::default(), ReceptionCounts::default());
        assert!(reception.is_empty());
        for ssrc in [1, 2] {
            reception.note(ssrc, 5, false, &mut counts);
            reception.note(ssrc, 6, false, &mut counts);
        }
        assert!(!reception.is_empty() && !reception.has_video());
        let video = StreamId { endpoint: 3, kind: StreamKind::Video(0) };
        reception.note(video.ssrc(), 5, false, &mut counts);
        assert!(reception.has_video());
        assert_eq!(counts, ReceptionCounts::default());
    }
}
