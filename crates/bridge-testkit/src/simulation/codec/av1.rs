//! The AV1 RTP specification: aggregation header, and the dependency descriptor of its appendix A.

use super::bits::BitWriter;
use super::{LayerFrame, Layering};

/// The aggregation header: one OBU element of known rest, a new coded video sequence or not.
pub(super) fn payload_head(frame: &LayerFrame, part: u16, parts: u16) -> Vec<u8> {
    let continues = u8::from(part > 0) << 7;
    let continued = u8::from(part + 1 < parts) << 6;
    let new_sequence = frame.key && frame.spatial == 0 && part == 0;
    vec![continues | continued | 1 << 4 | u8::from(new_sequence) << 3]
}

pub(super) fn descriptor(frame: &LayerFrame, part: u16, parts: u16) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.put(u32::from(part == 0), 1);
    bits.put(u32::from(part + 1 == parts), 1);
    bits.put(u32::from(template_id(frame)), 6);
    bits.put(u32::from(frame.frame_number), 16);
    if frame.key && frame.spatial == 0 && part == 0 {
        // A structure follows; no mask, nothing of the frame's own.
        bits.put(0b10000, 5);
        put_structure(&mut bits, frame);
    }
    bits.into_bytes()
}

/// Five templates for each spatial layer: key, T0, T1, and T2 twice.
fn template_id(frame: &LayerFrame) -> u8 {
    let within = match (frame.key, frame.position) {
        (true, _) => 0,
        (false, 0) => 1,
        (false, 2) => 2,
        (false, 1) => 3,
        (false, _) => 4,
    };
    frame.spatial * TEMPLATES_PER_LAYER + within
}

/// The frames that stand for the templates of one spatial layer, in the order of their ids.
fn templates(frame: &LayerFrame, spatial: u8) -> [LayerFrame; 5] {
    [(true, 0), (false, 0), (false, 2), (false, 1), (false, 3)].map(|(key, position)| LayerFrame {
        spatial,
        key,
        position,
        temporal: frame.codec.temporal_pattern()[usize::from(position)],
        ..*frame
    })
}

fn put_structure(bits: &mut BitWriter, frame: &LayerFrame) {
    let layers = frame.spatial_layers;
    let all: Vec<LayerFrame> = (0..layers).flat_map(|spatial| templates(frame, spatial)).collect();
    let targets = u32::from(layers) * TEMPORAL_LAYERS;
    bits.put(0, 6);
    bits.put(targets - 1, 5);
    for pair in all.windows(2) {
        let step = match (&pair[0], &pair[1]) {
            (a, b) if a.spatial != b.spatial => NEXT_SPATIAL,
            (a, b) if a.temporal != b.temporal => NEXT_TEMPORAL,
            _ => SAME_LAYER,
        };
        bits.put(step, 2);
    }
    bits.put(NO_MORE_LAYERS, 2);
    for template in &all {
        for target in 0..targets {
            bits.put(indication(template, target), 2);
        }
    }
    for template in &all {
        for back in template.references().into_iter().filter(|back| *back > 0) {
            bits.put(1, 1);
            bits.put(u32::from(back) - 1, 4);
        }
        bits.put(0, 1);
    }
    put_chains(bits, &all, u32::from(layers), targets);
    bits.put(1, 1);
    for height in frame.heights.iter().take(usize::from(layers)) {
        bits.put(u32::from(height * 16 / 9) - 1, 16);
        bits.put(u32::from(*height) - 1, 16);
    }
}

fn put_chains(bits: &mut BitWriter, templates: &[LayerFrame], chains: u32, targets: u32) {
    bits.put_below(chains, targets + 1);
    for target in 0..targets {
        bits.put_below(target / TEMPORAL_LAYERS, chains);
    }
    for template in templates {
        for chain in 0..chains {
            bits.put(chain_distance(template, chain), 4);
        }
    }
}

/// How many frames back the previous frame of the chain is: chains consist of the lowest temporal
/// layer of the spatial layers up to the chain's number.
fn chain_distance(frame: &LayerFrame, chain: u32) -> u32 {
    let spatial = u32::from(frame.spatial);
    let layers = u32::from(frame.spatial_layers);
    let inter_layer = frame.layering == Layering::Svc || frame.key;
    match (frame.key, frame.position) {
        (true, _) if spatial == 0 => 0,
        (true, _) => {
            if chain < spatial {
                spatial - chain
            } else {
                1
            }
        }
        // In a chain of its own layer only, each goes back to its last picture.
        (false, 0) if spatial == 0 || !inter_layer => 4 * layers + spatial - chain.min(4 * layers),
        (false, 0) => {
            if chain < spatial {
                spatial - chain
            } else {
                1
            }
        }
        (false, position) => u32::from(position) * layers + spatial - chain.min(layers),
    }
    .min(15)
}

fn indication(frame: &LayerFrame, target: u32) -> u32 {
    let target_spatial = target / TEMPORAL_LAYERS;
    let target_temporal = target % TEMPORAL_LAYERS;
    let (spatial, temporal) = (u32::from(frame.spatial), u32::from(frame.temporal));
    let is_seen = spatial == target_spatial
        || spatial < target_spatial && (frame.key || frame.layering == Layering::Svc);
    if !is_seen || temporal > target_temporal {
        NOT_PRESENT
    } else if frame.key && spatial == 0 {
        SWITCH
    } else if spatial < target_spatial {
        REQUIRED
    } else if temporal > 0 && (temporal == 2 || target_temporal == temporal) {
        DISCARDABLE
    } else {
        SWITCH
    }
}

const TEMPORAL_LAYERS: u32 = 3;
const TEMPLATES_PER_LAYER: u8 = 5;
const SAME_LAYER: u32 = 0;
const NEXT_TEMPORAL: u32 = 1;
const NEXT_SPATIAL: u32 = 2;
const NO_MORE_LAYERS: u32 = 3;
const NOT_PRESENT: u32 = 0;
const DISCARDABLE: u32 = 1;
const SWITCH: u32 = 2;
const REQUIRED: u32 = 3;

#[cfg(test)]
mod tests {
    use super::super::SimulatedCodec;
    use super::*;
    use bridge_rtp::codec::DependencyDescriptor;

    #[test]
    fn structures_are_read_as_they_were_meant() {
        for (layering, layers) in
            [(Layering::Svc, 3), (Layering::KeySvc, 3), (Layering::Simulcast, 1)]
        {
            let key = LayerFrame {
                codec: SimulatedCodec::Av1,
                layering,
                spatial: 0,
                spatial_layers: layers,
                temporal: 0,
                position: 0,
                key: true,
                picture_id: 0,
                tl0_picture_index: 0,
                frame_number: 77,
                heights: [180, 360, 720],
            };
            let read = DependencyDescriptor::parse(&descriptor(&key, 0, 2), None).unwrap();
            let structure = read.structure.unwrap();
            assert_eq!(structure.decode_target_count, layers * 3);
            assert_eq!(structure.template_count(), layers * 5);
            let top = structure.resolution(layers - 1).unwrap().height;
            assert_eq!(top, [180, 360, 720][usize::from(layers) - 1]);
            for spatial in 0..layers {
                for position in 0..4_u8 {
                    let temporal = SimulatedCodec::Av1.temporal_pattern()[usize::from(position)];
                    let frame = LayerFrame { spatial, position, temporal, key: false, ..key };
                    let read =
                        DependencyDescriptor::parse(&descriptor(&frame, 1, 2), Some(&structure));
                    let read = read.unwrap().frame.unwrap();
                    assert_eq!((read.spatial_id, read.temporal_id), (spatial, temporal));
                    let wanted = frame.references().into_iter().filter(|back| *back > 0);
                    let wanted: Vec<u16> = wanted.map(u16::from).collect();
                    assert_eq!(read.frame_diffs(), wanted);
                }
            }
        }
    }
}
