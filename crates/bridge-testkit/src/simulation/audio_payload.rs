//! What scripted audio packets carry: Opus of a fixed size that says where it belongs, plain or with
//! redundancy (RFC 2198, written here anew).

/// The truth about one audio packet, which no bridge rewrites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AudioStamp {
    /// The sender's SSRC.
    pub(crate) source: u32,
    /// Counts the sender's packets.
    pub(crate) counter: u32,
    /// The sender's.
    pub(crate) timestamp: u32,
}

/// One block of a redundant packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AudioBlock {
    /// Ticks before the packet's timestamp.
    pub(crate) offset: u32,
    pub(crate) stamp: AudioStamp,
}

impl AudioStamp {
    /// As Opus.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut payload = OPUS_HEAD.to_vec();
        payload.extend_from_slice(&self.source.to_be_bytes());
        payload.extend_from_slice(&self.counter.to_be_bytes());
        payload.extend_from_slice(&self.timestamp.to_be_bytes());
        payload.resize(OPUS_BYTES, FILLER);
        payload
    }

    /// Reads it; `None` if a byte was changed, or the length.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let (source, rest) = payload.strip_prefix(&OPUS_HEAD)?.split_first_chunk::<4>()?;
        let (counter, rest) = rest.split_first_chunk::<4>()?;
        let (timestamp, _) = rest.split_first_chunk::<4>()?;
        let stamp = Self {
            source: u32::from_be_bytes(*source),
            counter: u32::from_be_bytes(*counter),
            timestamp: u32::from_be_bytes(*timestamp),
        };
        (stamp.payload() == payload).then_some(stamp)
    }
}

impl From<AudioStamp> for AudioBlock {
    fn from(stamp: AudioStamp) -> Self {
        Self { offset: 0, stamp }
    }
}

/// A redundant payload: `earlier` ones, the oldest first, then the packet's own.
pub(crate) fn redundant(earlier: &[AudioStamp], own: AudioStamp) -> Vec<u8> {
    let mut payload = Vec::new();
    for stamp in earlier {
        let offset = own.timestamp.wrapping_sub(stamp.timestamp);
        let header = FOLLOWED | u32::from(OPUS) << 24 | offset << 10 | OPUS_BYTES as u32;
        payload.extend_from_slice(&header.to_be_bytes());
    }
    payload.push(OPUS);
    for stamp in earlier.iter().chain([&own]) {
        payload.extend_from_slice(&stamp.payload());
    }
    payload
}

/// The blocks of a redundant payload, the packet's own at the end; `None` if anything is wrong.
pub(crate) fn read_redundant(payload: &[u8]) -> Option<Vec<AudioBlock>> {
    let mut headers = Vec::new();
    let mut rest = payload;
    while rest.first()? & 0x80 != 0 {
        let (header, behind) = rest.split_first_chunk::<4>()?;
        let header = u32::from_be_bytes(*header);
        if (header >> 24) as u8 & 0x7f != OPUS {
            return None;
        }
        headers.push((header >> 10 & 0x3fff, (header & 0x3ff) as usize));
        rest = behind;
    }
    let (own, mut rest) = rest.split_first()?;
    if *own != OPUS {
        return None;
    }
    let mut blocks = Vec::new();
    for (offset, len) in headers {
        let (data, behind) = rest.split_at_checked(len)?;
        blocks.push(AudioBlock { offset, stamp: AudioStamp::read(data)? });
        rest = behind;
    }
    blocks.push(AudioBlock { offset: 0, stamp: AudioStamp::read(rest)? });
    Some(blocks)
}

/// The payload type of Opus, as Jitsi clients number it.
pub(crate) const OPUS: u8 = 111;

/// The payload type of Opus with redundancy.
pub(crate) const RED: u8 = 112;

/// 32 kbps.
pub(crate) const OPUS_BYTES: usize = 80;

/// A table of contents byte (20 ms of full-band speech) and a mark.
const OPUS_HEAD: [u8; 4] = [0x78, 0xa5, 0x51, 0x0e];
const FILLER: u8 = 0x5a;

/// Another block header comes.
const FOLLOWED: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_is_noticed() {
        let stamp = |n| AudioStamp { source: 7, counter: n, timestamp: n * 960 };
        let plain = stamp(5).payload();
        assert_eq!(AudioStamp::read(&plain), Some(stamp(5)));
        assert_eq!(AudioStamp::read(&plain[..79]), None);
        let payload = redundant(&[stamp(3), stamp(4)], stamp(5));
        let blocks = read_redundant(&payload).unwrap();
        let read: Vec<_> = blocks.iter().map(|b| (b.offset, b.stamp.counter)).collect();
        assert_eq!(read, [(1_920, 3), (960, 4), (0, 5)]);
        for damaged in 0..payload.len() {
            let mut payload = payload.clone();
            payload[damaged] ^= 0x20;
            assert_ne!(read_redundant(&payload).as_ref(), Some(&blocks), "byte {damaged}");
        }
    }
}
