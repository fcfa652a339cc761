//! Checked big-endian access: peer-controlled offsets never index.

pub(crate) fn read_u8(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

pub(crate) fn read_u16(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_be_bytes)
}

pub(crate) fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_be_bytes)
}

pub(crate) fn read_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_be_bytes)
}

/// Overwrites `value.len()` bytes at `offset`; `None`, with nothing written, if they do not exist.
pub(crate) fn write_at(bytes: &mut [u8], offset: usize, value: &[u8]) -> Option<()> {
    let end = offset.checked_add(value.len())?;
    bytes.get_mut(offset..end)?.copy_from_slice(value);
    Some(())
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

/// Appends to a borrowed buffer. A write that does not fit changes nothing.
pub(crate) struct ByteWriter<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl<'a> ByteWriter<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    pub(crate) fn put(&mut self, value: &[u8]) -> Option<()> {
        write_at(self.bytes, self.len, value)?;
        self.len += value.len();
        Some(())
    }

    pub(crate) fn put_u8(&mut self, value: u8) -> Option<()> {
        self.put(&[value])
    }

    pub(crate) fn put_u16(&mut self, value: u16) -> Option<()> {
        self.put(&value.to_be_bytes())
    }

    pub(crate) fn put_u32(&mut self, value: u32) -> Option<()> {
        self.put(&value.to_be_bytes())
    }

    /// Zero bytes up to the next multiple of four, counted from `start`.
    pub(crate) fn pad_to_word(&mut self, start: usize) -> Option<()> {
        let written = self.len.saturating_sub(start);
        let padding = written.next_multiple_of(4) - written;
        self.put([0_u8; 3].get(..padding)?)
    }

    pub(crate) fn overwrite(&mut self, offset: usize, value: &[u8]) -> Option<()> {
        write_at(self.bytes.get_mut(..self.len)?, offset, value)
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn written(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
