use super::PictureId;
use crate::bytes::{read_u8, read_u16, write_at};

/// The most spatial layers that a descriptor can tell.
pub(crate) const MAX_SPATIAL_LAYERS: usize = 8;

/// The VP9 payload descriptor (RFC 9628 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9Descriptor {
    /// Bytes of the descriptor.
    pub len: u8,
    /// Counts pictures, wrapping in its own width.
    pub picture_id: Option<PictureId>,
    /// The P bit: the frame refers to an earlier picture.
    pub is_inter_picture_predicted: bool,
    /// Spatial and temporal layer; absent in a stream without layers.
    pub layer: Option<Vp9LayerIndices>,
    /// The F bit: references are told per picture.
    pub is_flexible: bool,
    /// The B bit: first packet of a layer frame.
    pub is_start_of_frame: bool,
    /// The E bit: last packet of a layer frame.
    pub is_end_of_frame: bool,
    /// The Z bit is 0: higher spatial layers refer to this frame.
    pub is_upper_level_reference: bool,
    /// Counts pictures of temporal layer 0, wrapping; only in non-flexible mode.
    pub tl0_picture_index: Option<u8>,
    /// What layers the stream has.
    pub scalability: Option<Vp9Scalability>,
}

/// The layer byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9LayerIndices {
    /// 0 to 7.
    pub temporal_id: u8,
    /// 0 to 7.
    pub spatial_id: u8,
    /// The U bit: from here on a higher temporal layer can be forwarded.
    pub is_switching_up_point: bool,
    /// The D bit: the frame refers to the next lower spatial layer of its picture.
    pub uses_inter_layer_dependency: bool,
}

/// The scalability structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9Scalability {
    /// 1 to 8.
    pub spatial_layer_count: u8,
    heights: Option<[u16; MAX_SPATIAL_LAYERS]>,
    pictures_by_temporal_id: [u8; MAX_SPATIAL_LAYERS],
    group_len: u8,
}

impl Vp9Descriptor {
    /// Reads the descriptor at the start of `payload`; `None` if it is cut short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = read_u8(payload, 0)?;
        let fields = Fields::parse(payload)?;
        let mut offset = fields.end;
        if first & FLEXIBLE != 0 && first & INTER_PICTURE != 0 {
            offset = skip_references(payload, offset)?;
        }
        let mut scalability = None;
        if first & HAS_SCALABILITY != 0 {
            let (structure, end) = Vp9Scalability::parse(payload, offset)?;
            scalability = Some(structure);
            offset = end;
        }
        Some(Self {
            len: u8::try_from(offset).ok()?,
            picture_id: fields.picture_id.map(|(_, id)| id),
            is_inter_picture_predicted: first & INTER_PICTURE != 0,
            layer: fields.layer,
            is_flexible: first & FLEXIBLE != 0,
            is_start_of_frame: first & START_OF_FRAME != 0,
            is_end_of_frame: first & END_OF_FRAME != 0,
            is_upper_level_reference: first & NOT_A_REFERENCE == 0,
            tl0_picture_index: fields.tl0_picture_index.map(|(_, index)| index),
            scalability,
        })
    }

    /// Whether this packet belongs to the lowest frame of a picture that needs no earlier one.
    pub fn is_keyframe(&self) -> bool {
        !self.is_inter_picture_predicted
            && self
                .layer
                .is_none_or(|layer| layer.spatial_id == 0 || !layer.uses_inter_layer_dependency)
    }

    /// The spatial layer, 0 if not told.
    pub fn spatial_id(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.spatial_id)
    }

    /// The temporal layer, 0 if not told.
    pub fn temporal_id(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.temporal_id)
    }
}

impl Vp9Scalability {
    /// The smaller side of a spatial layer's picture in pixels, if told.
    pub fn height(&self, spatial_id: u8) -> Option<u16> {
        if spatial_id >= self.spatial_layer_count {
            return None;
        }
        self.heights?.get(usize::from(spatial_id)).copied()
    }

    /// How many temporal layers the picture group has; `None` without a group, as in flexible mode.
    pub fn temporal_layer_count(&self) -> Option<u8> {
        let highest = self.pictures_by_temporal_id.iter().rposition(|count| *count > 0)?;
        u8::try_from(highest + 1).ok()
    }

    /// The share of pictures that are in a temporal layer or below it, in `0.0..=1.0`.
    pub fn share_of_pictures(&self, temporal_id: u8) -> Option<f64> {
        let up_to = self.pictures_by_temporal_id.iter().take(usize::from(temporal_id) + 1);
        let pictures: u32 = up_to.map(|count| u32::from(*count)).sum();
        (self.group_len > 0).then(|| f64::from(pictures) / f64::from(self.group_len))
    }

    fn parse(payload: &[u8], mut offset: usize) -> Option<(Self, usize)> {
        let first = read_u8(payload, offset)?;
        offset += 1;
        let mut structure = Self {
            spatial_layer_count: (first >> 5) + 1,
            heights: None,
            pictures_by_temporal_id: [0; MAX_SPATIAL_LAYERS],
            group_len: 0,
        };
        if first & HAS_RESOLUTIONS != 0 {
            let mut heights = [0; MAX_SPATIAL_LAYERS];
            for height in heights.iter_mut().take(usize::from(structure.spatial_layer_count)) {
                *height = read_u16(payload, offset)?.min(read_u16(payload, offset + 2)?);
                offset += 4;
            }
            structure.heights = Some(heights);
        }
        if first & HAS_PICTURE_GROUP != 0 {
            structure.group_len = read_u8(payload, offset)?;
            offset += 1;
            for _ in 0..structure.group_len {
                let picture = read_u8(payload, offset)?;
                let count = structure.pictures_by_temporal_id.get_mut(usize::from(picture >> 5))?;
                *count += 1;
                offset += 1 + usize::from((picture >> 2) & 3);
            }
            // The last picture's references must be there too.
            payload.get(..offset)?;
        }
        Some((structure, offset))
    }
}

/// Overwrites the picture id and the layer 0 index where the descriptor at the start of `payload`
/// has them. A short picture id gets the low 7 bits. `None`, with nothing written, if the descriptor
/// is cut short.
pub fn rewrite_vp9(payload: &mut [u8], picture_id: u16, tl0_picture_index: u8) -> Option<()> {
    let fields = Fields::parse(payload)?;
    if let Some((offset, _)) = fields.picture_id {
        PictureId::write(payload, offset, picture_id)?;
    }
    if let Some((offset, _)) = fields.tl0_picture_index {
        write_at(payload, offset, &[tl0_picture_index])?;
    }
    Some(())
}

/// The fields up to the layer 0 index, with their places.
#[derive(Default)]
struct Fields {
    end: usize,
    picture_id: Option<(usize, PictureId)>,
    layer: Option<Vp9LayerIndices>,
    tl0_picture_index: Option<(usize, u8)>,
}

impl Fields {
    fn parse(payload: &[u8]) -> Option<Self> {
        let first = read_u8(payload, 0)?;
        let mut fields = Self { end: 1, ..Self::default() };
        if first & HAS_PICTURE_ID != 0 {
            let (id, end) = PictureId::parse(payload, fields.end)?;
            fields.picture_id = Some((fields.end, id));
            fields.end = end;
        }
        if first & HAS_LAYER_INDICES != 0 {
            let byte = read_u8(payload, fields.end)?;
            fields.layer = Some(Vp9LayerIndices {
                temporal_id: byte >> 5,
                spatial_id: (byte >> 1) & 7,
                is_switching_up_point: byte & SWITCHING_UP_POINT != 0,
                uses_inter_layer_dependency: byte & INTER_LAYER != 0,
            });
            fields.end += 1;
            if first & FLEXIBLE == 0 {
                fields.tl0_picture_index = Some((fields.end, read_u8(payload, fields.end)?));
                fields.end += 1;
            }
        }
        Some(fields)
    }
}

fn skip_references(payload: &[u8], mut offset: usize) -> Option<usize> {
    for _ in 0..MAX_REFERENCES {
        let reference = read_u8(payload, offset)?;
        offset += 1;
        if reference & MORE_REFERENCES == 0 {
            break;
        }
    }
    Some(offset)
}

const HAS_PICTURE_ID: u8 = 0x80;
const INTER_PICTURE: u8 = 0x40;
const HAS_LAYER_INDICES: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const START_OF_FRAME: u8 = 0x08;
const END_OF_FRAME: u8 = 0x04;
const HAS_SCALABILITY: u8 = 0x02;
const NOT_A_REFERENCE: u8 = 0x01;
const SWITCHING_UP_POINT: u8 = 0x10;
const INTER_LAYER: u8 = 0x01;
const HAS_RESOLUTIONS: u8 = 0x10;
const HAS_PICTURE_GROUP: u8 = 0x08;
const MORE_REFERENCES: u8 = 0x01;
/// RFC 9628: up to three references of a picture in flexible mode.
const MAX_REFERENCES: usize = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn non_flexible_key_picture_with_structure() {
        let payload = [
            0xaa, 0x80, 0x7b, 0x00, 0x05, // I L B V, picture id 123, T0 S0, tl0 5
            0x58, // three spatial layers, sizes, group
            0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 0x05, 0x00, 0x02, 0xd0, // sizes
            0x04, 0x00, 0x44, 0x01, 0x24, 0x02, 0x48, 0x01,
            0x02, // T0; T2 -1; T1 -2; T2 -1 -2
            0x99,
        ];
        let descriptor = Vp9Descriptor::parse(&payload).unwrap();
        assert_eq!(usize::from(descriptor.len), payload.len() - 1);
        assert_eq!(descriptor.picture_id, Some(PictureId { value: 123, long: true }));
        assert_eq!(descriptor.tl0_picture_index, Some(5));
        assert!(descriptor.is_keyframe() && descriptor.is_start_of_frame);
        assert!(!descriptor.is_end_of_frame && !descriptor.is_flexible);
        assert!(descriptor.is_upper_level_reference);
        let structure = descriptor.scalability.unwrap();
        assert_eq!(structure.spatial_layer_count, 3);
        assert_eq!(
            (0..4).map(|s| structure.height(s)).collect::<Vec<_>>(),
            [Some(180), Some(360), Some(720), None]
        );
        assert_eq!(structure.temporal_layer_count(), Some(3));
        let shares: Vec<_> = (0..3).filter_map(|t| structure.share_of_pictures(t)).collect();
        assert_eq!(shares, [0.25, 0.5, 1.0]);
        for len in 0..usize::from(descriptor.len) {
            assert_eq!(Vp9Descriptor::parse(&payload[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn portrait_pictures_are_measured_by_the_smaller_side() {
        let payload = [0x0a, 0x10, 0x01, 0x68, 0x02, 0x80];
        let structure = Vp9Descriptor::parse(&payload).unwrap().scalability.unwrap();
        assert_eq!(structure.height(0), Some(360));
        assert_eq!(structure.temporal_layer_count(), None);
        assert_eq!(structure.share_of_pictures(0), None);
    }

    #[test]
    fn flexible_inter_picture() {
        // I P L F E Z, short picture id, T2 U S1 D, two references.
        let payload = [0xf5, 0x12, 0x53, 0x03, 0x04, 0x77];
        let descriptor = Vp9Descriptor::parse(&payload).unwrap();
        assert_eq!(descriptor.len, 5);
        assert_eq!(descriptor.picture_id, Some(PictureId { value: 0x12, long: false }));
        assert_eq!(
            descriptor.layer,
            Some(Vp9LayerIndices {
                temporal_id: 2,
                spatial_id: 1,
                is_switching_up_point: true,
                uses_inter_layer_dependency: true,
            })
        );
        assert!(descriptor.is_flexible && descriptor.is_end_of_frame);
        assert!(!descriptor.is_upper_level_reference && !descriptor.is_keyframe());
        assert_eq!(descriptor.tl0_picture_index, None);
    }

    #[test]
    fn key_pictures() {
        // First byte, layer byte; whether it is a key frame.
        for (first, layer, expected) in [
            (0xb0, 0x00, true),  // S0
            (0xb0, 0x03, false), // S1 that depends on S0
            (0xb0, 0x02, true),  // S1 alone
            (0xf0, 0x00, false), // inter picture
        ] {
            let payload = [first, 0x01, layer, 0x02, 0x00];
            assert_eq!(Vp9Descriptor::parse(&payload).unwrap().is_keyframe(), expected);
        }
    }

    proptest! {
        #[test]
        fn rewriting_is_read_back_and_leaves_the_rest(
            mut payload in prop::collection::vec(any::<u8>(), 0..60),
            picture_id in 0_u16..0x8000,
            tl0: u8,
        ) {
            let Some(before) = Vp9Descriptor::parse(&payload) else { return Ok(()) };
            let rest = payload[usize::from(before.len)..].to_vec();
            rewrite_vp9(&mut payload, picture_id, tl0).unwrap();
            prop_assert_eq!(&payload[usize::from(before.len)..], &rest[..]);
            let mut expected = before;
            if let Some(id) = &mut expected.picture_id {
                id.value = if id.long { picture_id } else { picture_id & 0x7f };
            }
            if let Some(index) = &mut expected.tl0_picture_index {
                *index = tl0;
            }
            prop_assert_eq!(Vp9Descriptor::parse(&payload).unwrap(), expected);
        }
    }
}
