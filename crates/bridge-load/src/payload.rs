//! What a packet carries after what the codec needs: who sent it, when, and a pattern that every
//! receiver can make again.

use bridge_units::Timestamp;

use crate::random::Sequence;

/// What the sender wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The stream, which bridges may renumber in the header.
    pub(crate) ssrc: u32,
    /// Counts the packets of the stream.
    pub(crate) number: u32,
    /// When it was sent, on the generator's own clock.
    pub(crate) sent: Timestamp,
}

impl Stamp {
    /// Fills `out` with the stamp and the pattern. What is too small for the stamp is left alone.
    pub(crate) fn write(self, out: &mut [u8]) {
        let Some((stamp, pattern)) = out.split_first_chunk_mut::<STAMP_LEN>() else { return };
        let mut parts = [0; STAMP_LEN];
        let numbers = [MAGIC, self.ssrc, self.number].into_iter().flat_map(u32::to_be_bytes);
        let sent = self.sent.as_nanos().to_be_bytes();
        for (to, from) in parts.iter_mut().zip(numbers.chain(sent)) {
            *to = from;
        }
        *stamp = parts;
        for (chunk, word) in pattern.chunks_mut(8).zip(self.pattern()) {
            for (to, from) in chunk.iter_mut().zip(word) {
                *to = from;
            }
        }
    }

    /// Reads what [`Self::write`] wrote; `None` if a byte differs.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (head, pattern) = bytes.split_first_chunk::<STAMP_LEN>()?;
        let word = |at: usize| Some(u32::from_be_bytes(*head.get(at..)?.first_chunk()?));
        let nanos = u64::from_be_bytes(*head.get(12..)?.first_chunk()?);
        if word(0)? != MAGIC {
            return None;
        }
        let stamp = Self { ssrc: word(4)?, number: word(8)?, sent: Timestamp::from_nanos(nanos) };
        let is_equal = pattern
            .chunks(8)
            .zip(stamp.pattern())
            .all(|(chunk, word)| word.get(..chunk.len()) == Some(chunk));
        is_equal.then_some(stamp)
    }

    fn pattern(self) -> impl Iterator<Item = [u8; 8]> {
        let mut sequence = Sequence::new(u64::from(self.ssrc) << 32 | u64::from(self.number));
        std::iter::repeat_with(move || sequence.next().to_be_bytes())
    }
}

/// Bytes of the stamp before the pattern.
pub(crate) const STAMP_LEN: usize = 20;
const MAGIC: u32 = 0x6c6f_6164;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_noticed() {
        let stamp = Stamp { ssrc: 7, number: 9, sent: Timestamp::from_micros(1_234_567) };
        let mut bytes = [0; 61];
        stamp.write(&mut bytes);
        assert_eq!(Stamp::read(&bytes), Some(stamp));
        for at in 0..bytes.len() {
            let mut changed = bytes;
            changed[at] ^= 0x40;
            assert_ne!(Stamp::read(&changed), Some(stamp), "{at}");
            let is_in_the_stamp = (4..STAMP_LEN).contains(&at);
            assert!(is_in_the_stamp || Stamp::read(&changed).is_none(), "{at}");
        }
        assert_eq!(Stamp::read(&bytes[..STAMP_LEN - 1]), None);
    }
}
