//! RFC 9628 section 4.2, flexible mode.

use super::LayerFrame;

pub(super) fn head(frame: &LayerFrame, part: u16, parts: u16) -> Vec<u8> {
    let has_structure = frame.key && frame.spatial == 0 && part == 0;
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let [high, low] = (frame.picture_id & 0x7fff).to_be_bytes();
    let mut head = vec![
        PICTURE_ID
            | LAYER_INDICES
            | FLEXIBLE
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
    if !frame.key {
        head.push(frame.codec.picture_distance(frame.position) << 1);
    }
    if has_structure {
        head.push((frame.spatial_layers - 1) << 5 | RESOLUTIONS);
        for height in frame.heights.iter().take(usize::from(frame.spatial_layers)) {
            head.extend_from_slice(&(height * 16 / 9).to_be_bytes());
            head.extend_from_slice(&height.to_be_bytes());
        }
    }
    head
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
