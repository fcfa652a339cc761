//! The redundant audio payload of RFC 2198, section 3.

/// A parsed payload of redundant audio. Borrows the payload; allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedPacket<'p> {
    headers: &'p [u8],
    redundant_data: &'p [u8],
    primary: RedBlock<'p>,
}

/// One block of a payload: the audio of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedBlock<'p> {
    /// The payload type of `data`, 0 to 127.
    pub payload_type: u8,
    /// How many ticks its timestamp is before that of the packet, at most [`Self::MAX_OFFSET`]; 0
    /// for the primary block.
    pub timestamp_offset: u16,
    /// The audio, at most [`Self::MAX_LEN`] bytes unless it is the primary block.
    pub data: &'p [u8],
}

/// Why a payload is not redundant audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedError {
    /// It ends within a block header.
    TruncatedHeader,
    /// It ends before the primary block has a byte.
    TruncatedData,
    /// More than [`MAX_RED_BLOCKS`] redundant blocks.
    TooManyBlocks,
    /// A block is redundant audio itself.
    Nested,
}

/// Redundant blocks of a packet. Browsers send one or two, at most nine by a field trial.
pub const MAX_RED_BLOCKS: usize = 32;

impl<'p> RedPacket<'p> {
    /// Reads the block headers of `payload`, which has no padding. Each block is within it.
    pub fn parse(payload: &'p [u8]) -> Result<Self, RedError> {
        let mut blocks = 0;
        let mut redundant_len = 0;
        let mut rest = payload;
        let (primary_type, data) = loop {
            match rest.split_first().ok_or(RedError::TruncatedHeader)? {
                (first, data) if first & FOLLOW_BIT == 0 => break (*first, data),
                _ if blocks == MAX_RED_BLOCKS => return Err(RedError::TooManyBlocks),
                _ => {}
            }
            let (header, after) = rest.split_first_chunk().ok_or(RedError::TruncatedHeader)?;
            redundant_len += block_len(*header);
            blocks += 1;
            rest = after;
        };
        let headers = payload.get(..blocks * BLOCK_HEADER_LEN).unwrap_or_default();
        match data.split_at_checked(redundant_len) {
            Some((redundant_data, primary)) if !primary.is_empty() => Ok(Self {
                headers,
                redundant_data,
                primary: RedBlock {
                    payload_type: primary_type,
                    timestamp_offset: 0,
                    data: primary,
                },
            }),
            _ => Err(RedError::TruncatedData),
        }
    }

    /// The audio of the packet itself.
    pub const fn primary(&self) -> RedBlock<'p> {
        self.primary
    }

    /// How many redundant blocks there are.
    pub const fn redundant_count(&self) -> usize {
        self.headers.len() / BLOCK_HEADER_LEN
    }

    /// The audio of earlier packets in the order of the payload, usually the oldest first.
    pub fn redundant(&self) -> impl Iterator<Item = RedBlock<'p>> + use<'p> {
        let mut rest = self.redundant_data;
        let (headers, _) = self.headers.as_chunks();
        headers.iter().map_while(move |header| {
            let (data, after) = rest.split_at_checked(block_len(*header))?;
            rest = after;
            let [first, high, low, _] = *header;
            let payload_type = first & !FOLLOW_BIT;
            let timestamp_offset = (u16::from(high) << 6) | u16::from(low >> 2);
            Some(RedBlock { payload_type, timestamp_offset, data })
        })
    }
}

impl RedBlock<'_> {
    /// The largest distance of timestamps that can be written.
    pub const MAX_OFFSET: u16 = (1 << 14) - 1;

    /// The longest redundant audio that can be written.
    pub const MAX_LEN: usize = (1 << 10) - 1;

    fn header(&self) -> Option<[u8; BLOCK_HEADER_LEN]> {
        let len = u16::try_from(self.data.len()).ok()?;
        if self.timestamp_offset > Self::MAX_OFFSET || usize::from(len) > Self::MAX_LEN {
            return None;
        }
        let offset = u32::from(self.timestamp_offset);
        let first = u32::from(FOLLOW_BIT | self.payload_type) << 24;
        Some((first | (offset << 10) | u32::from(len)).to_be_bytes())
    }
}

/// Writes a payload with these redundant blocks, the oldest first, and the primary one; its length.
/// `None` if it does not fit `out` or a block cannot be written.
pub fn write_red(
    redundant: &[RedBlock<'_>],
    primary: RedBlock<'_>,
    out: &mut [u8],
) -> Option<usize> {
    let mut len = 0;
    let mut put = |bytes: &[u8]| {
        out.get_mut(len..len + bytes.len())?.copy_from_slice(bytes);
        len += bytes.len();
        Some(())
    };
    for block in redundant {
        put(&block.header()?)?;
    }
    put(&[primary.payload_type & !FOLLOW_BIT])?;
    for block in redundant {
        put(block.data)?;
    }
    put(primary.data)?;
    Some(len)
}

/// The length in the header of a redundant block.
fn block_len([_, _, high, low]: [u8; BLOCK_HEADER_LEN]) -> usize {
    (usize::from(high & LEN_HIGH_MASK) << 8) | usize::from(low)
}

const BLOCK_HEADER_LEN: usize = 4;
/// Set in every block header but the primary one's.
const FOLLOW_BIT: u8 = 0x80;
const LEN_HIGH_MASK: u8 = 0x03;
