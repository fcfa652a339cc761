use super::feedback::split_ssrcs;
use crate::bytes::read_u16;
use crate::error::RtcpError;

/// Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedback<'a> {
    /// Who reports.
    pub sender_ssrc: u32,
    /// Any stream of the transport.
    pub media_ssrc: u32,
    /// The transport-wide sequence number of the first status.
    pub base_sequence: u16,
    /// How many statuses there are.
    pub status_count: u16,
    /// 24 bits, in units of 64 ms of the reporter's clock, wrapping.
    pub reference_time: u32,
    /// Counts the feedback packets of this reporter, wrapping.
    pub feedback_count: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// Whether and when one packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketStatus {
    /// Its transport-wide sequence number.
    pub sequence: u16,
    /// Ticks of 250 us since the previous arrival of this feedback, or since the reference time;
    /// `None` if the packet did not arrive.
    pub delta_ticks: Option<i16>,
}

/// Iterates over the statuses of a feedback in the order of sequence numbers.
#[derive(Clone, Debug)]
pub struct PacketStatuses<'a> {
    symbols: Symbols<'a>,
    deltas: &'a [u8],
    sequence: u16,
}

impl<'a> TransportFeedback<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, RtcpError> {
        let (sender_ssrc, media_ssrc, fci) = split_ssrcs(body)?;
        let (head, chunks) = fci.split_first_chunk::<8>().ok_or(RtcpError::BodyTooShort)?;
        let [base0, base1, count0, count1, time2, time1, time0, feedback_count] = *head;
        let status_count = u16::from_be_bytes([count0, count1]);
        let (chunks_len, deltas_len) = measure(chunks, status_count)?;
        let (chunks, deltas) =
            chunks.split_at_checked(chunks_len).ok_or(RtcpError::MalformedBody)?;
        // What is behind the deltas is padding.
        let deltas = deltas.get(..deltas_len).ok_or(RtcpError::MalformedBody)?;
        Ok(Self {
            sender_ssrc,
            media_ssrc,
            base_sequence: u16::from_be_bytes([base0, base1]),
            status_count,
            reference_time: u32::from_be_bytes([0, time2, time1, time0]),
            feedback_count,
            chunks,
            deltas,
        })
    }

    /// One status for each sequence number from the base on.
    pub fn statuses(&self) -> PacketStatuses<'a> {
        PacketStatuses {
            symbols: Symbols::new(self.chunks, self.status_count),
            deltas: self.deltas,
            sequence: self.base_sequence,
        }
    }
}

impl Iterator for PacketStatuses<'_> {
    type Item = PacketStatus;

    fn next(&mut self) -> Option<PacketStatus> {
        let symbol = self.symbols.next()?;
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let delta_ticks = match symbol {
            SMALL_DELTA => {
                let (&delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                Some(i16::from(delta))
            }
            LARGE_DELTA => {
                let (delta, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                Some(i16::from_be_bytes(*delta))
            }
            _ => None,
        };
        Some(PacketStatus { sequence, delta_ticks })
    }
}

/// The symbols of all chunks, one for each status.
#[derive(Clone, Debug)]
struct Symbols<'a> {
    chunks: &'a [u8],
    statuses_left: u16,
    chunk: Chunk,
}

impl<'a> Symbols<'a> {
    fn new(chunks: &'a [u8], status_count: u16) -> Self {
        Self { chunks, statuses_left: status_count, chunk: Chunk { bits: 0, left: 0 } }
    }
}

impl Iterator for Symbols<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.statuses_left = self.statuses_left.checked_sub(1)?;
        while self.chunk.left == 0 {
            self.chunk = Chunk::new(read_u16(self.chunks, 0)?);
            self.chunks = self.chunks.get(CHUNK_LEN..)?;
        }
        Some(self.chunk.take())
    }
}

/// A packet status chunk with what is left of it.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    bits: u16,
    left: u16,
}

impl Chunk {
    fn new(bits: u16) -> Self {
        let left = if bits & VECTOR_BIT == 0 {
            bits & RUN_LENGTH_MASK
        } else if bits & TWO_BIT_SYMBOLS_BIT == 0 {
            ONE_BIT_SYMBOLS
        } else {
            TWO_BIT_SYMBOLS
        };
        Self { bits, left }
    }

    /// The next symbol. Call it `left` times.
    fn take(&mut self) -> u8 {
        self.left -= 1;
        let symbol = if self.bits & VECTOR_BIT == 0 {
            self.bits >> RUN_SYMBOL_SHIFT
        } else if self.bits & TWO_BIT_SYMBOLS_BIT == 0 {
            (self.bits >> self.left) & 1
        } else {
            self.bits >> (self.left * 2)
        };
        u8::try_from(symbol & SYMBOL_MASK).expect("two bits fit eight")
    }
}

/// The bytes of chunks and of deltas that `status_count` statuses take.
///
/// A run of one symbol is measured at once, so that the work is bounded by the packet's length.
fn measure(chunks: &[u8], status_count: u16) -> Result<(usize, usize), RtcpError> {
    let mut statuses_left = status_count;
    let mut chunks_len = 0;
    let mut deltas_len = 0;
    while statuses_left > 0 {
        let bits = read_u16(chunks, chunks_len).ok_or(RtcpError::MalformedBody)?;
        chunks_len += CHUNK_LEN;
        let mut chunk = Chunk::new(bits);
        let count = chunk.left.min(statuses_left);
        statuses_left -= count;
        if bits & VECTOR_BIT == 0 {
            if count > 0 {
                deltas_len += delta_len(chunk.take())? * usize::from(count);
            }
        } else {
            for _ in 0..count {
                deltas_len += delta_len(chunk.take())?;
            }
        }
    }
    Ok((chunks_len, deltas_len))
}

/// The bytes of delta that a symbol announces. The fourth symbol is reserved.
fn delta_len(symbol: u8) -> Result<usize, RtcpError> {
    match symbol {
        NOT_RECEIVED => Ok(0),
        SMALL_DELTA => Ok(1),
        LARGE_DELTA => Ok(2),
        _ => Err(RtcpError::MalformedBody),
    }
}

pub(super) const NOT_RECEIVED: u8 = 0;
pub(super) const SMALL_DELTA: u8 = 1;
pub(super) const LARGE_DELTA: u8 = 2;
pub(super) const CHUNK_LEN: usize = 2;
pub(super) const VECTOR_BIT: u16 = 0x8000;
pub(super) const TWO_BIT_SYMBOLS_BIT: u16 = 0x4000;
pub(super) const RUN_LENGTH_MASK: u16 = 0x1fff;
pub(super) const RUN_SYMBOL_SHIFT: u16 = 13;
pub(super) const ONE_BIT_SYMBOLS: u16 = 14;
pub(super) const TWO_BIT_SYMBOLS: u16 = 7;
const SYMBOL_MASK: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 2];

    fn parse(fci: &[u8]) -> Result<Vec<(u16, Option<i16>)>, RtcpError> {
        let body = [&HEAD, fci].concat();
        let feedback = TransportFeedback::parse(&body)?;
        Ok(feedback.statuses().map(|status| (status.sequence, status.delta_ticks)).collect())
    }

    #[test]
    fn every_chunk_type_is_read() {
        // Run of 2 losses, one-bit vector (1, 0 x13), two-bit vector (2, 1, ...) cut at 18 in all.
        let fci = [
            0xff, 0xff, 0, 18, 0, 0, 1, 9, 0x00, 2, 0xa0, 0x00, 0xe4, 0x00, 5, 0xff, 0xfe, 7, 0, 0,
        ];
        let statuses = parse(&fci).unwrap();
        assert_eq!(statuses.len(), 18);
        let received: Vec<_> = statuses.into_iter().filter(|s| s.1.is_some()).collect();
        assert_eq!(received, [(1, Some(5)), (15, Some(-2)), (16, Some(7))]);
    }

    #[test]
    fn malformed_feedback_is_refused() {
        for (fci, expected) in [
            (&[0, 0, 0, 1, 0, 0, 1][..], RtcpError::BodyTooShort),
            // no chunk
            (&[0, 0, 0, 1, 0, 0, 1, 9], RtcpError::MalformedBody),
            // not enough chunks
            (&[0, 0, 0, 9, 0, 0, 1, 9, 0x00, 8], RtcpError::MalformedBody),
            // no delta
            (&[0, 0, 0, 1, 0, 0, 1, 9, 0x20, 1], RtcpError::MalformedBody),
            // half a large delta
            (&[0, 0, 0, 1, 0, 0, 1, 9, 0x40, 1, 0], RtcpError::MalformedBody),
            // reserved symbol in a run and in a vector
            (&[0, 0, 0, 1, 0, 0, 1, 9, 0x60, 1, 0, 0], RtcpError::MalformedBody),
            (&[0, 0, 0, 1, 0, 0, 1, 9, 0xf0, 0, 0, 0], RtcpError::MalformedBody),
        ] {
            assert_eq!(parse(fci), Err(expected), "{fci:02x?}");
        }
        assert_eq!(parse(&[0, 0, 0, 0, 0, 0, 1, 9]), Ok(vec![]));
        // Symbols behind the count are not looked at.
        assert_eq!(parse(&[0, 0, 0, 1, 0, 0, 1, 9, 0xcc, 0, 0, 0]), Ok(vec![(0, None)]));
        // Empty runs are skipped.
        assert_eq!(parse(&[0, 0, 0, 1, 0, 0, 1, 9, 0x20, 0, 0x20, 1, 4]), Ok(vec![(0, Some(4))]));
    }
}
