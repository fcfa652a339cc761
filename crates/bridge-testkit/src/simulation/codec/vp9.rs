//! RFC 9628 section 4.2, in both modes.

use super::{LayerFrame, SimulatedCodec};

pub(super) fn head(frame: &LayerFrame, part: u16, parts: u16) -> Vec<u8> {
    let has_structure = frame.key && frame.spatial == 0 && part == 0;
    let is_flexible = frame.codec == SimulatedCodec::Vp9;
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let [high, low] = (frame.picture_id & 0x7fff).to_be_bytes();
    let mut head = vec![
        PICTURE_ID
            | LAYER_INDICES
            | flag(is_flexible, FLEXIBLE)
            | flag(!frame.key, INTER_PICTURE)
            | flag(part == 0, START)
            | flag(part + 1 == parts, END)
            | flag(has_structure, STRUCTURE)
            | flag(!frame.is_upper_reference(), NOT_A_REFERENCE),
        LONG | high,
        low,
        frame.temporal << 5
            | flag(frame.position != 3, SWITCHING_UP)
            | frame.spatial << 1
            | u8::from(frame.is_inter_layer()),
    ];
    if !is_flexible {
        head.push(frame.tl0_picture_index);
    } else if !frame.key {
        head.push(frame.codec.picture_distance(frame.position) << 1);
    }
    if has_structure {
        let group = flag(!is_flexible, GROUP);
        head.push((frame.spatial_layers - 1) << 5 | RESOLUTIONS | group);
        for height in frame.heights.iter().take(usize::from(frame.spatial_layers)) {
            head.extend_from_slice(&(height * 16 / 9).to_be_bytes());
            head.extend_from_slice(&height.to_be_bytes());
        }
        if !is_flexible {
            put_group(&mut head, frame.codec);
        }
    }
    head
}

/// The pattern of pictures that goes on until the next key picture, each with one reference.
fn put_group(head: &mut Vec<u8>, codec: SimulatedCodec) {
    head.push(PATTERN);
    for (position, temporal) in (0..PATTERN).zip(codec.temporal_pattern()) {
        let switching_up = if position == 3 { 0 } else { SWITCHING_UP };
        head.extend_from_slice(&[
            temporal << 5 | switching_up | ONE_REFERENCE,
            codec.picture_distance(position),
        ]);
    }
}

const PICTURE_ID: u8 = 0x80;
const INTER_PICTURE: u8 = 0x40;
const LAYER_INDICES: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const START: u8 = 0x08;
const END: u8 = 0x04;
const STRUCTURE: u8 = 0x02;
const NOT_A_REFERENCE: u8 = 0x01;
const LONG: u8 = 0x80;
const SWITCHING_UP: u8 = 0x10;
const RESOLUTIONS: u8 = 0x10;
const GROUP: u8 = 0x08;
const ONE_REFERENCE: u8 = 0x04;
/// Pictures of the pattern.
const PATTERN: u8 = 4;
