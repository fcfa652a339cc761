use std::time::Duration;

use bridge_units::Timestamp;

use super::transport_feedback::{
    CHUNK_LEN, LARGE_DELTA, NOT_RECEIVED, ONE_BIT_SYMBOLS, RUN_LENGTH_MASK, RUN_SYMBOL_SHIFT,
    SMALL_DELTA, TWO_BIT_SYMBOLS, TWO_BIT_SYMBOLS_BIT, VECTOR_BIT,
};

/// The longest feedback packet in bytes: what JVB allows itself below the usual MTU.
pub const MAX_TRANSPORT_FEEDBACK_LEN: usize = 1_200;
/// The unit of arrival deltas.
pub const DELTA_TICK: Duration = Duration::from_micros(250);
/// The unit of the reference time.
pub const REFERENCE_TIME_UNIT: Duration = Duration::from_millis(64);

/// The most packets that may be missing between two arrivals: a sequence number further ahead than
/// half the circle is one of the past.
pub const MAX_MISSING: u16 = 0x7fff;

/// Collects arrivals in the order of sequence numbers into one transport-wide feedback packet.
///
/// Chooses the same chunks as the WebRTC library and JVB do, so that equal arrivals give equal
/// bytes. An arrival that does not fit is refused and changes nothing; the packet then is complete
/// and the next arrival belongs into another one. No allocation: about 2.4 kB on the stack.
#[derive(Clone, Debug)]
pub struct TransportFeedbackBuilder {
    sender_ssrc: u32,
    media_ssrc: u32,
    feedback_count: u8,
    base_sequence: u16,
    reference_time: u64,
    last_arrival_ticks: i64,
    content: Content,
    chunks: [u16; MAX_CHUNKS],
    deltas: [u8; MAX_DELTA_BYTES],
}

/// Why an arrival was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeedbackRefusal {
    /// The packet would be longer than [`MAX_TRANSPORT_FEEDBACK_LEN`].
    TooLong,
    /// The time since the previous arrival does not fit 16 bits of ticks (8.19 s).
    DeltaOverflow,
    /// More than 65535 statuses.
    TooManyStatuses,
    /// The sequence number is not after those already there.
    OutOfOrder,
}

impl TransportFeedbackBuilder {
    /// A feedback whose first status is that of `base_sequence`, received or not. `base_time` is the
    /// first arrival: the reference time is that, rounded down to 64 ms.
    pub fn new(
        sender_ssrc: u32,
        media_ssrc: u32,
        feedback_count: u8,
        base_sequence: u16,
        base_time: Timestamp,
    ) -> Self {
        let reference_time = base_time.as_nanos() / nanos(REFERENCE_TIME_UNIT);
        Self {
            sender_ssrc,
            media_ssrc,
            feedback_count,
            base_sequence,
            reference_time,
            last_arrival_ticks: i64::try_from(reference_time * TICKS_PER_REFERENCE_UNIT)
                .expect("2^64 ns are less than 2^47 ticks"),
            content: Content::default(),
            chunks: [0; MAX_CHUNKS],
            deltas: [0; MAX_DELTA_BYTES],
        }
    }

    /// Reports that packet `sequence` arrived, and that those between it and the previous one did
    /// not.
    ///
    /// # Errors
    /// [`FeedbackRefusal`]; the feedback is as before.
    pub fn add_received(
        &mut self,
        sequence: u16,
        arrival: Timestamp,
    ) -> Result<(), FeedbackRefusal> {
        let arrival_ticks = self.nearest_tick(arrival);
        let delta = i16::try_from(arrival_ticks - self.last_arrival_ticks)
            .map_err(|_| FeedbackRefusal::DeltaOverflow)?;
        let next = self.base_sequence.wrapping_add(self.content.status_count);
        let missing = sequence.wrapping_sub(next);
        if missing > MAX_MISSING {
            return Err(FeedbackRefusal::OutOfOrder);
        }
        let before = self.content.clone();
        let added = self.add_missing(missing).and_then(|()| self.add_delta(delta));
        match added {
            Ok(()) => self.last_arrival_ticks = arrival_ticks,
            Err(_) => self.content = before,
        }
        added
    }

    /// How many packets are reported, received or not.
    pub fn status_count(&self) -> u16 {
        self.content.status_count
    }

    /// The first 20 bytes: common header, SSRCs and feedback header, for a packet of `len` bytes.
    pub(super) fn head(&self, len: usize) -> [u8; HEAD_LEN] {
        let words = u16::try_from(len / 4 - 1).expect("a feedback has at most 1200 bytes");
        let [len0, len1] = words.to_be_bytes();
        let [s0, s1, s2, s3] = self.sender_ssrc.to_be_bytes();
        let [m0, m1, m2, m3] = self.media_ssrc.to_be_bytes();
        let [base0, base1] = self.base_sequence.to_be_bytes();
        let [count0, count1] = self.content.status_count.to_be_bytes();
        let [.., time2, time1, time0] = self.reference_time.to_be_bytes();
        [
            FIRST_BYTE,
            PACKET_TYPE,
            len0,
            len1,
            s0,
            s1,
            s2,
            s3,
            m0,
            m1,
            m2,
            m3,
            base0,
            base1,
            count0,
            count1,
            time2,
            time1,
            time0,
            self.feedback_count,
        ]
    }

    /// All status chunks.
    pub(super) fn chunks(&self) -> impl Iterator<Item = u16> + '_ {
        let complete = self.chunks.get(..self.content.chunk_count).unwrap_or_default();
        complete.iter().copied().chain(self.content.open_chunk.encode())
    }

    /// All arrival deltas.
    pub(super) fn deltas(&self) -> &[u8] {
        self.deltas.get(..self.content.deltas_len).unwrap_or_default()
    }

    /// Bytes of the packet, padded to a word.
    pub(super) fn padded_len(&self) -> usize {
        self.content.len().next_multiple_of(4)
    }

    /// The tick nearest to `arrival`, so that rounding does not add up over the packet.
    fn nearest_tick(&self, arrival: Timestamp) -> i64 {
        let tick = nanos(DELTA_TICK);
        let ticks = (arrival.as_nanos() + tick / 2) / tick;
        i64::try_from(ticks).expect("2^64 ns are less than 2^47 ticks")
    }

    fn add_missing(&mut self, mut count: u16) -> Result<(), FeedbackRefusal> {
        while count > 0 {
            let run = self.content.open_chunk.extend_not_received(count);
            if run > 0 {
                self.content.count_statuses(run)?;
                count -= run;
            } else {
                self.add_symbol(NOT_RECEIVED)?;
                count -= 1;
            }
        }
        Ok(())
    }

    fn add_delta(&mut self, delta: i16) -> Result<(), FeedbackRefusal> {
        let start = self.content.deltas_len;
        if let Ok(small) = u8::try_from(delta) {
            self.add_symbol(SMALL_DELTA)?;
            *self.deltas.get_mut(start).ok_or(FeedbackRefusal::TooLong)? = small;
        } else {
            self.add_symbol(LARGE_DELTA)?;
            crate::bytes::write_at(&mut self.deltas, start, &delta.to_be_bytes())
                .ok_or(FeedbackRefusal::TooLong)?;
        }
        Ok(())
    }

    /// Adds one status; a symbol's value is also the length of its delta.
    fn add_symbol(&mut self, symbol: u8) -> Result<(), FeedbackRefusal> {
        let content = &mut self.content;
        content.count_statuses(1)?;
        if !content.open_chunk.can_add(symbol) {
            let slot = self.chunks.get_mut(content.chunk_count).ok_or(FeedbackRefusal::TooLong)?;
            *slot = content.open_chunk.close();
            content.chunk_count += 1;
        }
        content.open_chunk.add(symbol);
        content.deltas_len += usize::from(symbol);
        if content.len() > MAX_TRANSPORT_FEEDBACK_LEN {
            return Err(FeedbackRefusal::TooLong);
        }
        Ok(())
    }
}

/// Everything that a refused arrival has to give back; small, since it is saved for each arrival.
#[derive(Clone, Debug, Default)]
struct Content {
    status_count: u16,
    chunk_count: usize,
    deltas_len: usize,
    open_chunk: OpenChunk,
}

impl Content {
    fn count_statuses(&mut self, count: u16) -> Result<(), FeedbackRefusal> {
        self.status_count =
            self.status_count.checked_add(count).ok_or(FeedbackRefusal::TooManyStatuses)?;
        Ok(())
    }

    /// Bytes of the packet without padding.
    fn len(&self) -> usize {
        let chunks = self.chunk_count + usize::from(self.open_chunk.len > 0);
        HEAD_LEN + chunks * CHUNK_LEN + self.deltas_len
    }
}

/// The statuses that are not encoded yet: at most one run of equal symbols, or a vector's worth.
#[derive(Clone, Debug, Default)]
struct OpenChunk {
    /// The first symbols, two bits each, the first one lowest. A longer run needs no more.
    symbols: u32,
    len: u16,
    mixed: bool,
    has_large: bool,
}

impl OpenChunk {
    fn can_add(&self, symbol: u8) -> bool {
        self.len < TWO_BIT_SYMBOLS
            || (self.len < ONE_BIT_SYMBOLS && !self.has_large && symbol != LARGE_DELTA)
            || (self.len < RUN_LENGTH_MASK && !self.mixed && self.symbol(0) == u16::from(symbol))
    }

    fn add(&mut self, symbol: u8) {
        if self.len < ONE_BIT_SYMBOLS {
            self.symbols |= u32::from(symbol) << (self.len * 2);
        }
        self.mixed |= self.symbol(0) != u16::from(symbol);
        self.has_large |= symbol == LARGE_DELTA;
        self.len += 1;
    }

    /// Adds up to `count` losses at once if this is a run of losses that is too long for a vector;
    /// answers how many, so that a long gap costs no more than a short one.
    fn extend_not_received(&mut self, count: u16) -> u16 {
        if self.len < ONE_BIT_SYMBOLS || self.mixed || self.symbol(0) != u16::from(NOT_RECEIVED) {
            return 0;
        }
        let added = count.min(RUN_LENGTH_MASK - self.len);
        self.len += added;
        added
    }

    /// Encodes as much as fits one chunk, when another symbol cannot be added; keeps the rest.
    fn close(&mut self) -> u16 {
        let open = std::mem::take(self);
        if !open.mixed {
            return open.run_length();
        }
        if open.len == ONE_BIT_SYMBOLS {
            return open.one_bit_vector();
        }
        for index in TWO_BIT_SYMBOLS..open.len {
            self.add(u8::try_from(open.symbol(index)).expect("two bits fit eight"));
        }
        open.two_bit_vector()
    }

    /// The last chunk of the packet, `None` if nothing is open.
    fn encode(&self) -> Option<u16> {
        (self.len > 0).then(|| {
            if !self.mixed {
                self.run_length()
            } else if self.len <= TWO_BIT_SYMBOLS {
                self.two_bit_vector()
            } else {
                self.one_bit_vector()
            }
        })
    }

    fn run_length(&self) -> u16 {
        self.symbol(0) << RUN_SYMBOL_SHIFT | self.len
    }

    fn one_bit_vector(&self) -> u16 {
        (0..self.len.min(ONE_BIT_SYMBOLS)).fold(VECTOR_BIT, |chunk, index| {
            chunk | self.symbol(index) << (ONE_BIT_SYMBOLS - 1 - index)
        })
    }

    fn two_bit_vector(&self) -> u16 {
        (0..self.len.min(TWO_BIT_SYMBOLS)).fold(VECTOR_BIT | TWO_BIT_SYMBOLS_BIT, |chunk, index| {
            chunk | self.symbol(index) << ((TWO_BIT_SYMBOLS - 1 - index) * 2)
        })
    }

    fn symbol(&self, index: u16) -> u16 {
        u16::try_from((self.symbols >> (index * 2)) & 3).expect("two bits fit sixteen")
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("the units of the format are short")
}

/// Common header, two SSRCs, base, count, reference time and feedback count.
pub(super) const HEAD_LEN: usize = 20;
const MAX_DELTA_BYTES: usize = MAX_TRANSPORT_FEEDBACK_LEN - HEAD_LEN;
const MAX_CHUNKS: usize = MAX_DELTA_BYTES / CHUNK_LEN;
const TICKS_PER_REFERENCE_UNIT: u64 = 256;
const FIRST_BYTE: u8 = 0x80 | super::feedback_format::TRANSPORT_CC;
const PACKET_TYPE: u8 = super::packet_type::TRANSPORT_FEEDBACK;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{RtcpCompound, RtcpPacket, RtcpWriter};

    fn bytes(builder: &TransportFeedbackBuilder) -> Vec<u8> {
        let mut buffer = [0; MAX_TRANSPORT_FEEDBACK_LEN];
        let mut writer = RtcpWriter::new(&mut buffer);
        writer.transport_feedback(builder).unwrap();
        writer.as_bytes().to_vec()
    }

    fn statuses(bytes: &[u8]) -> Vec<(u16, Option<i16>)> {
        let compound = RtcpCompound::parse(bytes).unwrap();
        let (RtcpPacket::TransportFeedback(feedback), _) = compound.packets().next().unwrap()
        else {
            panic!("transport feedback");
        };
        feedback.statuses().map(|status| (status.sequence, status.delta_ticks)).collect()
    }

    fn at_ticks(ticks: i64) -> Timestamp {
        Timestamp::from_micros(u64::try_from(ticks).unwrap() * 250)
    }

    /// Captured packets: (bytes, sequence numbers with deltas).
    const RUN_LENGTH: [u8; 32] = [
        0x8f, 0xcd, 0x00, 0x07, 0x32, 0x0f, 0x22, 0x3a, 0x8e, 0xe5, 0x0f, 0xae, 0xff, 0xfa, 0x00,
        0x09, 0x19, 0xb0, 0xb1, 0x57, 0x20, 0x09, 0xd8, 0x00, 0x18, 0x14, 0x18, 0x14, 0x18, 0x14,
        0x18, 0x00,
    ];
    const MIXED: [u8; 40] = [
        0x8f, 0xcd, 0x00, 0x09, 0x32, 0x0f, 0x22, 0x3a, 0x8e, 0xe5, 0x0f, 0xae, 0x15, 0x00, 0x00,
        0x0c, 0x19, 0xb2, 0x61, 0x58, 0x20, 0x09, 0xe5, 0x00, 0x08, 0x00, 0x00, 0x00, 0x58, 0x04,
        0x00, 0x00, 0x20, 0xff, 0xfc, 0x04, 0x00, 0x00, 0x00, 0x00,
    ];
    const LOST_FIRST: [u8; 24] = [
        0x8f, 0xcd, 0x00, 0x05, 0x32, 0x0f, 0x22, 0x3a, 0x8e, 0xe5, 0x0f, 0xae, 0x18, 0x53, 0x00,
        0x02, 0x19, 0xb2, 0x9e, 0xa2, 0xc4, 0x00, 0x00, 0x00,
    ];

    #[test]
    fn captured_packets_are_read_and_rebuilt_to_the_byte() {
        let run_length = [0xd8, 0, 0x18, 0x14, 0x18, 0x14, 0x18, 0x14, 0x18].map(Some);
        let mixed = [8, 0, 0, 0, 88, 4, 0, 0, 32, -4, 4, 0].map(Some);
        for (packet, base, deltas) in [
            (&RUN_LENGTH[..], 0xfffa_u16, &run_length[..]),
            (&MIXED, 5_376, &mixed),
            (&LOST_FIRST, 6_227, &[None, Some(0)]),
        ] {
            let expected: Vec<_> =
                (0..).map(|index| base.wrapping_add(index)).zip(deltas.iter().copied()).collect();
            assert_eq!(statuses(packet), expected);

            let reference = u32::from_be_bytes([0, packet[16], packet[17], packet[18]]);
            let mut ticks = i64::from(reference) * 256;
            let mut builder = TransportFeedbackBuilder::new(
                839_852_602,
                2_397_376_430,
                packet[19],
                base,
                at_ticks(ticks),
            );
            for (sequence, delta) in expected {
                if let Some(delta) = delta {
                    ticks += i64::from(delta);
                    builder.add_received(sequence, at_ticks(ticks)).unwrap();
                }
            }
            assert_eq!(bytes(&builder), packet);
        }
    }

    #[test]
    fn a_refused_arrival_changes_nothing() {
        let start = Timestamp::from_millis(64_000);
        let mut builder = TransportFeedbackBuilder::new(1, 2, 0, 100, start);
        builder.add_received(100, start).unwrap();
        builder.add_received(103, start + Duration::from_millis(5)).unwrap();
        let before = bytes(&builder);
        for (sequence, arrival, refusal) in [
            (103, start, FeedbackRefusal::OutOfOrder),
            (99, start, FeedbackRefusal::OutOfOrder),
            (104, start + Duration::from_millis(8_197), FeedbackRefusal::DeltaOverflow),
            (104, start - Duration::from_millis(8_188), FeedbackRefusal::DeltaOverflow),
        ] {
            assert_eq!(builder.add_received(sequence, arrival), Err(refusal));
            assert_eq!(bytes(&builder), before);
        }
        builder.add_received(104, start + Duration::from_millis(8_196)).unwrap();
        assert_eq!(statuses(&bytes(&builder)).last(), Some(&(104, Some(32_764))));
        assert_eq!(builder.status_count(), 5);
    }

    #[test]
    fn no_packet_is_longer_than_the_limit() {
        // Every delta needs two bytes and every second packet is lost: the widest encoding.
        let mut now = Timestamp::from_millis(64_000);
        let mut builder = TransportFeedbackBuilder::new(1, 2, 0, 0, now);
        let mut sequence = 0;
        let mut added = Vec::new();
        while builder.add_received(sequence, now).is_ok() {
            added.push(sequence);
            sequence += 2;
            now += Duration::from_millis(100);
        }
        assert_eq!(builder.add_received(sequence, now), Err(FeedbackRefusal::TooLong));
        let packet = bytes(&builder);
        assert!(packet.len() <= MAX_TRANSPORT_FEEDBACK_LEN && packet.len() > 1_190);
        let received: Vec<_> =
            statuses(&packet).iter().filter(|s| s.1.is_some()).map(|s| s.0).collect();
        assert_eq!(received, added);
    }

    #[test]
    fn long_gaps_are_runs() {
        let start = Timestamp::from_millis(64_000);
        let mut builder = TransportFeedbackBuilder::new(1, 2, 0, 0, start);
        builder.add_received(0, start).unwrap();
        builder.add_received(32_000, start).unwrap();
        builder.add_received(64_000, start).unwrap();
        assert_eq!(builder.add_received(5_000, start), Err(FeedbackRefusal::TooManyStatuses));
        let packet = bytes(&builder);
        assert!(packet.len() < 100, "{}", packet.len());
        let statuses = statuses(&packet);
        assert_eq!(statuses.len(), 64_001);
        let received: Vec<_> = statuses.iter().filter(|s| s.1.is_some()).map(|s| s.0).collect();
        assert_eq!(received, [0, 32_000, 64_000]);
    }
}
