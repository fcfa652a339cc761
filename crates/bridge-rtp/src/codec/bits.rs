//! Bit fields of the dependency descriptor, most significant bit first.

use crate::bytes::read_u8;

#[derive(Clone, Copy)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Starts at bit `position`.
    pub(super) fn at(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        let byte = read_u8(self.bytes, self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// `count` bits, at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0_u32, |value, _| Some(value << 1 | u32::from(self.flag()?)))
    }

    /// As [`Self::bits`] for at most eight.
    pub(super) fn small(&mut self, count: u32) -> Option<u8> {
        u8::try_from(self.bits(count)?).ok()
    }

    /// The `ns(n)` code of AV1: a value below `n`, which is at least 1.
    pub(super) fn non_symmetric(&mut self, n: u32) -> Option<u32> {
        let width = n.checked_ilog2()? + 1;
        let short_codes = (1 << width) - n;
        let value = self.bits(width - 1)?;
        if value < short_codes {
            return Some(value);
        }
        Some((value << 1) - short_codes + self.bits(1)?)
    }
}

pub(super) struct BitWriter<'a> {
    bytes: &'a mut [u8],
    position: usize,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(super) fn flag(&mut self, value: bool) -> Option<()> {
        let byte = self.bytes.get_mut(self.position / 8)?;
        let bit = 0x80 >> (self.position % 8);
        *byte = if value { *byte | bit } else { *byte & !bit };
        self.position += 1;
        Some(())
    }

    pub(super) fn bits(&mut self, value: u32, count: u32) -> Option<()> {
        (0..count).rev().try_for_each(|shift| self.flag(value >> shift & 1 == 1))
    }

    /// Copies the bits `from..to` of `source`.
    pub(super) fn copy(&mut self, source: &[u8], from: usize, to: usize) -> Option<()> {
        let mut reader = BitReader::at(source, from);
        while reader.position() < to {
            self.flag(reader.flag()?)?;
        }
        Some(())
    }

    /// Zero bits up to the end of the byte; answers the bytes written.
    pub(super) fn finish(mut self) -> Option<usize> {
        while !self.position.is_multiple_of(8) {
            self.flag(false)?;
        }
        Some(self.position / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_symmetric_codes_of_five() {
        // n = 5: 0, 1, 2 take two bits, 3 and 4 take three.
        for (bits, expected, used) in
            [(0b0000_0000, 0, 2), (0b0100_0000, 1, 2), (0b1000_0000, 2, 2), (0b1100_0000, 3, 3)]
        {
            let bytes = [bits];
            let mut reader = BitReader::new(&bytes);
            assert_eq!(reader.non_symmetric(5), Some(expected));
            assert_eq!(reader.position(), used);
        }
        assert_eq!(BitReader::new(&[0b1110_0000]).non_symmetric(5), Some(4));
        assert_eq!(BitReader::new(&[]).non_symmetric(1), Some(0));
        assert_eq!(BitReader::new(&[]).non_symmetric(0), None);
    }

    #[test]
    fn written_bits_are_read_back() {
        let mut bytes = [0xff; 3];
        let mut writer = BitWriter::new(&mut bytes);
        writer.bits(0b101, 3).unwrap();
        writer.copy(&[0b0011_0100], 2, 6).unwrap();
        assert_eq!(writer.finish(), Some(1));
        assert_eq!(bytes, [0b1011_1010, 0xff, 0xff]);
        assert_eq!(BitWriter::new(&mut []).bits(1, 1), None);
    }
}
