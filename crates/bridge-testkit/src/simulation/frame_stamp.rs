/// What a scripted sender says in each packet behind the codec's own headers: the truth, which no
/// bridge rewrites, to hold against what headers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameStamp {
    /// The SSRC of the source's first encoding.
    pub(crate) source: u32,
    /// Index of the encoding.
    pub(crate) encoding: u8,
    /// Spatial layer within it.
    pub(crate) spatial: u8,
    /// Temporal layer.
    pub(crate) temporal: u8,
    /// Part of a picture that needs no earlier one.
    pub(crate) key: bool,
    /// The sender gave the picture up after this frame, in favour of a key picture.
    pub(crate) cut: bool,
    /// Counts the encoding's pictures.
    pub(crate) picture: u32,
    /// Counts the encoding's frames: one for each spatial layer of a picture.
    pub(crate) frame: u32,
    /// Which packet of the frame.
    pub(crate) part: u16,
    /// Of how many.
    pub(crate) parts: u16,
    /// How many frames back each reference is; 0 is none.
    pub(crate) references: [u8; 3],
    /// The sender's number.
    pub(crate) sequence_number: u16,
    /// The sender's RTP timestamp.
    pub(crate) timestamp: u32,
    /// When it was captured, in 90 kHz ticks since the simulation began.
    pub(crate) capture: u32,
    /// The picture id that the sender gave it, if the codec has any.
    pub(crate) picture_id: u16,
    /// The sender's tl0picidx.
    pub(crate) tl0_picture_index: u8,
    /// Bytes from the stamp's start to the end of the payload.
    pub(crate) len: u16,
}

impl FrameStamp {
    /// Writes it and fills up to `len` bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.source.to_be_bytes());
        let flags = u8::from(self.key) | u8::from(self.cut) << 1;
        out.extend_from_slice(&[self.encoding, self.spatial, self.temporal, flags]);
        out.extend_from_slice(&self.picture.to_be_bytes());
        out.extend_from_slice(&self.frame.to_be_bytes());
        out.extend_from_slice(&self.part.to_be_bytes());
        out.extend_from_slice(&self.parts.to_be_bytes());
        out.extend_from_slice(&self.references);
        out.push(self.tl0_picture_index);
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.picture_id.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.capture.to_be_bytes());
        out.extend_from_slice(&self.len.to_be_bytes());
        let end = start + usize::from(self.len).max(STAMP_LEN + TRAILER_LEN);
        out.resize(end - TRAILER_LEN, FILLER);
        out.extend_from_slice(&self.trailer());
    }

    /// Finds it in a payload. `None` if there is none; `Err` if the payload was cut or changed.
    pub(crate) fn find(payload: &[u8]) -> Option<Result<Self, DamagedPayload>> {
        let head = payload.get(..payload.len().min(SEARCHED_BYTES))?;
        let start = head.windows(MAGIC.len()).position(|window| window == MAGIC)?;
        Some(Self::read(payload.get(start..)?).ok_or(DamagedPayload))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.get(MAGIC.len()..)?);
        let source = u32::from_be_bytes(reader.take()?);
        let [encoding, spatial, temporal, flags] = reader.take()?;
        let picture = u32::from_be_bytes(reader.take()?);
        let frame = u32::from_be_bytes(reader.take()?);
        let part = u16::from_be_bytes(reader.take()?);
        let parts = u16::from_be_bytes(reader.take()?);
        let references = reader.take()?;
        let [tl0_picture_index] = reader.take()?;
        let sequence_number = u16::from_be_bytes(reader.take()?);
        let picture_id = u16::from_be_bytes(reader.take()?);
        let timestamp = u32::from_be_bytes(reader.take()?);
        let capture = u32::from_be_bytes(reader.take()?);
        let len = u16::from_be_bytes(reader.take()?);
        let stamp = Self {
            source,
            encoding,
            spatial,
            temporal,
            key: flags & 1 != 0,
            cut: flags & 2 != 0,
            picture,
            frame,
            part,
            parts,
            references,
            sequence_number,
            timestamp,
            capture,
            picture_id,
            tl0_picture_index,
            len,
        };
        let is_whole = bytes.len() == usize::from(len) && bytes.ends_with(&stamp.trailer());
        is_whole.then_some(stamp)
    }

    /// The numbers of the frames that it refers to.
    pub(crate) fn referred_frames(&self) -> impl Iterator<Item = u32> {
        let frame = self.frame;
        self.references
            .into_iter()
            .filter(|back| *back > 0)
            .map(move |back| frame.wrapping_sub(u32::from(back)))
    }

    fn trailer(&self) -> [u8; TRAILER_LEN] {
        (self.frame.wrapping_mul(0x9e37_79b1) ^ u32::from(self.part) ^ self.source).to_be_bytes()
    }
}

/// A payload that does not end as its stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DamagedPayload;

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }
}

const MAGIC: [u8; 8] = *b"\xd5SFUsim\xa7";
const FILLER: u8 = 0x5a;
/// Bytes of a stamp without filler and trailer.
pub(crate) const STAMP_LEN: usize = 48;
/// Bytes that end a payload.
pub(crate) const TRAILER_LEN: usize = 4;
/// No codec's headers are longer; RTX adds two bytes.
const SEARCHED_BYTES: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_and_damage_is_noticed() {
        let stamp = FrameStamp {
            source: 7,
            encoding: 2,
            spatial: 1,
            temporal: 2,
            key: true,
            cut: true,
            picture: 70_000,
            frame: 140_001,
            part: 3,
            parts: 41,
            references: [1, 4, 0],
            sequence_number: 65_535,
            timestamp: 123,
            capture: 456,
            picture_id: 32_767,
            tl0_picture_index: 255,
            len: 900,
        };
        let mut payload = vec![0x90, 0xe0, 1, 2];
        stamp.write(&mut payload);
        assert_eq!(payload.len(), 904);
        assert_eq!(FrameStamp::find(&payload), Some(Ok(stamp)));
        assert_eq!(stamp.referred_frames().collect::<Vec<_>>(), [140_000, 139_997]);
        assert_eq!(FrameStamp::find(&payload[..903]), Some(Err(DamagedPayload)));
        let cut = payload.len() - 1;
        payload[cut] ^= 1;
        assert_eq!(FrameStamp::find(&payload), Some(Err(DamagedPayload)));
        assert_eq!(FrameStamp::find(&[0; 20]), None);
    }
}
