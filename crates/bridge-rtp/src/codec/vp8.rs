use super::PictureId;
use crate::bytes::{read_u8, write_at};

/// The VP8 payload descriptor (RFC 7741 section 4.2) and what the header of a key frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8Descriptor {
    /// Bytes of the descriptor: where the VP8 payload header or the rest of a partition starts.
    pub len: u8,
    /// The N bit: no other frame refers to this one.
    pub non_reference: bool,
    /// The first packet of a frame: the S bit with partition 0.
    pub is_start_of_frame: bool,
    /// The first packet of a key frame. Later packets of a key frame cannot be told.
    pub is_keyframe: bool,
    /// Counts frames, wrapping in its own width.
    pub picture_id: Option<PictureId>,
    /// Counts frames of temporal layer 0, wrapping.
    pub tl0_picture_index: Option<u8>,
    /// The temporal layer, 0 to 3.
    pub temporal_id: Option<u8>,
    /// The height in pixels that a key frame's header tells.
    pub height: Option<u16>,
}

impl Vp8Descriptor {
    /// Reads the descriptor at the start of `payload`; `None` if it is cut short or nothing follows.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = read_u8(payload, 0)?;
        let fields = Fields::parse(payload)?;
        let header = read_u8(payload, fields.end)?;
        let is_start_of_frame = first & START_OF_PARTITION != 0 && first & PARTITION_MASK == 0;
        let is_keyframe = is_start_of_frame && header & INTER_FRAME == 0;
        Some(Self {
            len: u8::try_from(fields.end).ok()?,
            non_reference: first & NON_REFERENCE != 0,
            is_start_of_frame,
            is_keyframe,
            picture_id: fields.picture_id.map(|(_, id)| id),
            tl0_picture_index: fields.tl0_picture_index.map(|(_, index)| index),
            temporal_id: fields.temporal_id,
            height: is_keyframe.then(|| keyframe_height(payload, fields.end)).flatten(),
        })
    }

    /// Whether the frame can be placed among others: it has a picture id and a temporal layer.
    pub const fn is_routable(&self) -> bool {
        self.picture_id.is_some() && self.temporal_id.is_some()
    }
}

/// Overwrites the picture id and the layer 0 index where the descriptor at the start of `payload`
/// has them. A short picture id gets the low 7 bits. `None`, with nothing written, if the descriptor
/// is cut short.
pub fn rewrite_vp8(payload: &mut [u8], picture_id: u16, tl0_picture_index: u8) -> Option<()> {
    let fields = Fields::parse(payload)?;
    if let Some((offset, _)) = fields.picture_id {
        PictureId::write(payload, offset, picture_id)?;
    }
    if let Some((offset, _)) = fields.tl0_picture_index {
        write_at(payload, offset, &[tl0_picture_index])?;
    }
    Some(())
}

/// The optional fields with their places.
#[derive(Default)]
struct Fields {
    end: usize,
    picture_id: Option<(usize, PictureId)>,
    tl0_picture_index: Option<(usize, u8)>,
    temporal_id: Option<u8>,
}

impl Fields {
    fn parse(payload: &[u8]) -> Option<Self> {
        let mut fields = Self { end: 1, ..Self::default() };
        if read_u8(payload, 0)? & EXTENDED == 0 {
            return Some(fields);
        }
        let present = read_u8(payload, 1)?;
        let mut offset = 2;
        if present & HAS_PICTURE_ID != 0 {
            let (id, end) = PictureId::parse(payload, offset)?;
            fields.picture_id = Some((offset, id));
            offset = end;
        }
        if present & HAS_TL0_INDEX != 0 {
            fields.tl0_picture_index = Some((offset, read_u8(payload, offset)?));
            offset += 1;
        }
        if present & (HAS_TEMPORAL_ID | HAS_KEY_INDEX) != 0 {
            let byte = read_u8(payload, offset)?;
            fields.temporal_id =
                (present & HAS_TEMPORAL_ID != 0).then_some(byte >> TEMPORAL_ID_SHIFT);
            offset += 1;
        }
        fields.end = offset;
        Some(fields)
    }
}

/// RFC 6386 section 9.1: three bytes of frame tag, three of start code, then width and height with
/// two bits of scaling each.
fn keyframe_height(payload: &[u8], header: usize) -> Option<u16> {
    let start_code = payload.get(header + 3..header + 6)?;
    if start_code != START_CODE {
        return None;
    }
    let low = read_u8(payload, header + 8)?;
    let high = read_u8(payload, header + 9)?;
    Some(u16::from_le_bytes([low, high]) & 0x3fff)
}

const EXTENDED: u8 = 0x80;
const NON_REFERENCE: u8 = 0x20;
const START_OF_PARTITION: u8 = 0x10;
/// Three bits by RFC 7741; JVB and older drafts read four, of which the top one is always zero.
const PARTITION_MASK: u8 = 0x07;
const HAS_PICTURE_ID: u8 = 0x80;
const HAS_TL0_INDEX: u8 = 0x40;
const HAS_TEMPORAL_ID: u8 = 0x20;
const HAS_KEY_INDEX: u8 = 0x10;
const TEMPORAL_ID_SHIFT: u32 = 6;
const INTER_FRAME: u8 = 0x01;
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY_FRAME: [u8; 16] = [
        0x90, 0xe0, 0x9a, 0xbc, 0x07, 0x40, // X S, I L T, picture id 0x1abc, tl0 7, tid 1
        0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xd0, 0x82, // 640x720, scaled
    ];

    #[test]
    fn a_key_frame_tells_everything() {
        let descriptor = Vp8Descriptor::parse(&KEY_FRAME).unwrap();
        assert_eq!(
            descriptor,
            Vp8Descriptor {
                len: 6,
                non_reference: false,
                is_start_of_frame: true,
                is_keyframe: true,
                picture_id: Some(PictureId { value: 0x1abc, long: true }),
                tl0_picture_index: Some(7),
                temporal_id: Some(1),
                height: Some(0x2d0),
            }
        );
        assert!(descriptor.is_routable());
    }

    #[test]
    fn forms_of_the_descriptor() {
        // Bytes; expected length, start, picture id, tl0, tid.
        type Row<'a> = (&'a [u8], u8, bool, Option<u16>, Option<u8>, Option<u8>);
        let rows: [Row<'_>; 6] = [
            (&[0x10, 0x01], 1, true, None, None, None),
            (&[0x00, 0x01], 1, false, None, None, None),
            (&[0x11, 0x01], 1, false, None, None, None),
            (&[0x90, 0x80, 0x7f, 0x01], 3, true, Some(0x7f), None, None),
            (&[0x90, 0x10, 0xff, 0x01], 3, true, None, None, None),
            (&[0xb0, 0x60, 0x09, 0xc0, 0x01], 4, true, None, Some(9), Some(3)),
        ];
        for (bytes, len, start, picture_id, tl0, tid) in rows {
            let descriptor = Vp8Descriptor::parse(bytes).unwrap();
            assert_eq!(descriptor.len, len, "{bytes:x?}");
            assert_eq!(descriptor.is_start_of_frame, start, "{bytes:x?}");
            assert_eq!(descriptor.picture_id.map(|id| id.value), picture_id, "{bytes:x?}");
            assert_eq!(descriptor.tl0_picture_index, tl0, "{bytes:x?}");
            assert_eq!(descriptor.temporal_id, tid, "{bytes:x?}");
            assert!(!descriptor.is_keyframe, "{bytes:x?}");
        }
    }

    #[test]
    fn truncated_descriptors_are_refused() {
        for len in 0..7 {
            assert_eq!(Vp8Descriptor::parse(&KEY_FRAME[..len]), None, "{len} bytes");
        }
        let no_dimensions = Vp8Descriptor::parse(&KEY_FRAME[..15]).unwrap();
        assert!(no_dimensions.is_keyframe);
        assert_eq!(no_dimensions.height, None);
    }

    #[test]
    fn rewriting_changes_only_its_fields() {
        let mut packet = KEY_FRAME;
        rewrite_vp8(&mut packet, 0x7001, 0xfe).unwrap();
        assert_eq!(packet[..6], [0x90, 0xe0, 0xf0, 0x01, 0xfe, 0x40]);
        assert_eq!(packet[6..], KEY_FRAME[6..]);
        let mut short = [0x90, 0x80, 0x05, 0x01];
        rewrite_vp8(&mut short, 0x1ff, 3).unwrap();
        assert_eq!(short, [0x90, 0x80, 0x7f, 0x01]);
        assert_eq!(rewrite_vp8(&mut [0x90, 0x80, 0x80], 1, 1), None);
    }

    proptest! {
        #[test]
        fn rewriting_is_read_back_and_leaves_the_rest(
            mut payload in prop::collection::vec(any::<u8>(), 0..40),
            picture_id in 0_u16..0x8000,
            tl0: u8,
        ) {
            let Some(before) = Vp8Descriptor::parse(&payload) else { return Ok(()) };
            let rest = payload[usize::from(before.len)..].to_vec();
            rewrite_vp8(&mut payload, picture_id, tl0).unwrap();
            let after = Vp8Descriptor::parse(&payload).unwrap();
            prop_assert_eq!(&payload[usize::from(before.len)..], &rest[..]);
            let mut expected = before;
            if let Some(id) = &mut expected.picture_id {
                id.value = if id.long { picture_id } else { picture_id & 0x7f };
            }
            if let Some(index) = &mut expected.tl0_picture_index {
                *index = tl0;
            }
            prop_assert_eq!(after, expected);
        }
    }
}
