use bridge_units::Bitrate;

use crate::bytes::read_u8;

/// The most spatial layers that an allocation can tell: four streams of four.
pub const MAX_ALLOCATED_LAYERS: usize = 16;

/// What a video sender intends to send on each layer: the decoded header extension
/// `video-layers-allocation00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoLayersAllocation {
    /// The stream that carried the extension.
    pub stream_index: u8,
    /// How many streams the allocation speaks of, 1 to 4; 0 in the empty allocation.
    pub stream_count: u8,
    layers: [SpatialLayerAllocation; MAX_ALLOCATED_LAYERS],
    layer_count: usize,
}

/// One active spatial layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpatialLayerAllocation {
    /// The simulcast stream, from 0.
    pub stream: u8,
    /// The spatial layer within its stream, from 0.
    pub spatial_id: u8,
    /// Present if the sender told it.
    pub resolution: Option<LayerResolution>,
    targets: [Bitrate; MAX_TEMPORAL_LAYERS],
    temporal_layer_count: u8,
}

/// Size and rate of a spatial layer at its highest temporal layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerResolution {
    /// Pixels, 1 to 65536.
    pub width: u32,
    /// Pixels, 1 to 65536.
    pub height: u32,
    /// Frames per second.
    pub frame_rate: u8,
}

impl VideoLayersAllocation {
    /// Decodes the data of an element. A single zero byte is the empty allocation. `None` if masks,
    /// counts or rates are cut short; a resolution part that is cut short is left out instead.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let mut allocation = Self {
            stream_index: 0,
            stream_count: 0,
            layers: [SpatialLayerAllocation::default(); MAX_ALLOCATED_LAYERS],
            layer_count: 0,
        };
        if data == [0] {
            return Some(allocation);
        }
        let mut reader = Reader { data, position: 0 };
        let first = reader.byte()?;
        allocation.stream_index = first >> 6;
        allocation.stream_count = ((first >> 4) & 3) + 1;
        allocation.read_masks(first & 0x0f, &mut reader)?;
        allocation.read_temporal_counts(&mut reader)?;
        for layer in allocation.layers_mut() {
            let count = usize::from(layer.temporal_layer_count);
            for target in layer.targets.iter_mut().take(count) {
                *target = Bitrate::from_kbps(reader.leb128()?);
            }
        }
        allocation.read_resolutions(&mut reader);
        Some(allocation)
    }

    /// The active layers, by stream and then by spatial id.
    pub fn layers(&self) -> &[SpatialLayerAllocation] {
        self.layers.get(..self.layer_count).unwrap_or_default()
    }

    fn layers_mut(&mut self) -> &mut [SpatialLayerAllocation] {
        self.layers.get_mut(..self.layer_count).unwrap_or_default()
    }

    /// One mask for all streams, or, if that is zero, one of four bits for each.
    fn read_masks(&mut self, shared_mask: u8, reader: &mut Reader<'_>) -> Option<()> {
        let mut pair = 0;
        for stream in 0..self.stream_count {
            let mask = if shared_mask != 0 {
                shared_mask
            } else if stream % 2 == 0 {
                pair = reader.byte()?;
                pair >> 4
            } else {
                pair & 0x0f
            };
            for spatial_id in (0..4).filter(|id| (mask >> id) & 1 != 0) {
                let layer = self.layers.get_mut(self.layer_count)?;
                *layer = SpatialLayerAllocation { stream, spatial_id, ..*layer };
                self.layer_count += 1;
            }
        }
        Some(())
    }

    /// Two bits for each active layer, padded to a byte.
    fn read_temporal_counts(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        for four_layers in self.layers_mut().chunks_mut(4) {
            let counts = reader.byte()?;
            for (layer, shift) in four_layers.iter_mut().zip([6, 4, 2, 0]) {
                layer.temporal_layer_count = ((counts >> shift) & 3) + 1;
            }
        }
        Some(())
    }

    fn read_resolutions(&mut self, reader: &mut Reader<'_>) {
        let resolutions = reader.rest().as_chunks::<RESOLUTION_LEN>().0;
        if resolutions.len() < self.layer_count {
            return;
        }
        for (layer, &[w0, w1, h0, h1, frame_rate]) in self.layers_mut().iter_mut().zip(resolutions)
        {
            layer.resolution = Some(LayerResolution {
                width: u32::from(u16::from_be_bytes([w0, w1])) + 1,
                height: u32::from(u16::from_be_bytes([h0, h1])) + 1,
                frame_rate,
            });
        }
    }
}

impl SpatialLayerAllocation {
    /// The target of each temporal layer, lowest first; each includes those below it.
    pub fn target_bitrates(&self) -> &[Bitrate] {
        self.targets.get(..usize::from(self.temporal_layer_count)).unwrap_or_default()
    }
}

struct Reader<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = read_u8(self.data, self.position)?;
        self.position += 1;
        Some(byte)
    }

    fn leb128(&mut self) -> Option<u64> {
        let mut value = 0;
        for index in 0..MAX_LEB128_LEN {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn rest(&self) -> &'a [u8] {
        self.data.get(self.position..).unwrap_or_default()
    }
}

const MAX_TEMPORAL_LAYERS: usize = 4;
/// Width, height and frame rate.
const RESOLUTION_LEN: usize = 5;
/// 56 bits of kilobits per second are enough for anyone; AV1's leb128 has this limit too.
const MAX_LEB128_LEN: u32 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VECTOR: [u8; 11] = [0x01, 0x80, 0x50, 0x78, 0xc8, 0x01, 0x01, 0x3f, 0x00, 0xb3, 0x21];

    fn kbps(layer: &SpatialLayerAllocation) -> Vec<u64> {
        layer.target_bitrates().iter().map(|bitrate| bitrate.kbps()).collect()
    }

    #[test]
    fn one_stream_with_three_temporal_layers() {
        let allocation = VideoLayersAllocation::parse(&VECTOR).unwrap();
        assert_eq!((allocation.stream_index, allocation.stream_count), (0, 1));
        let [layer] = allocation.layers() else { panic!("one layer") };
        assert_eq!((layer.stream, layer.spatial_id), (0, 0));
        assert_eq!(kbps(layer), [80, 120, 200]);
        let resolution = LayerResolution { width: 320, height: 180, frame_rate: 33 };
        assert_eq!(layer.resolution, Some(resolution));
    }

    #[test]
    fn each_stream_may_have_its_mask() {
        // Stream 1 of 3; masks 0b0011, 0b0000, 0b0100; counts 1, 2, 1.
        let data = [0x60, 0x30, 0x40, 0b0001_0000, 10, 20, 30, 40];
        let allocation = VideoLayersAllocation::parse(&data).unwrap();
        assert_eq!((allocation.stream_index, allocation.stream_count), (1, 3));
        let layers: Vec<_> =
            allocation.layers().iter().map(|l| (l.stream, l.spatial_id, kbps(l))).collect();
        assert_eq!(layers, [(0, 0, vec![10]), (0, 1, vec![20, 30]), (2, 2, vec![40])]);
        assert!(allocation.layers().iter().all(|layer| layer.resolution.is_none()));
    }

    #[test]
    fn empty_and_cut_short() {
        let empty = VideoLayersAllocation::parse(&[0]).unwrap();
        assert_eq!((empty.stream_count, empty.layers().len()), (0, 0));
        for len in 0..VECTOR.len() {
            let parsed = VideoLayersAllocation::parse(&VECTOR[..len]);
            if len < 6 {
                assert_eq!(parsed, None, "{len}");
            } else {
                assert_eq!(parsed.unwrap().layers()[0].resolution, None, "{len}");
            }
        }
        assert_eq!(
            VideoLayersAllocation::parse(&[
                0x01, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01
            ]),
            None
        );
    }

    #[test]
    fn all_layers_fit() {
        let mut data = vec![0x3f, 0xff, 0xff, 0xff, 0xff];
        data.extend([1; 64]);
        let allocation = VideoLayersAllocation::parse(&data).unwrap();
        assert_eq!(allocation.layers().len(), MAX_ALLOCATED_LAYERS);
    }

    proptest! {
        #[test]
        fn any_bytes_are_tolerated(data in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(allocation) = VideoLayersAllocation::parse(&data) {
                prop_assert!(allocation.layers().len() <= MAX_ALLOCATED_LAYERS);
            }
        }
    }
}
