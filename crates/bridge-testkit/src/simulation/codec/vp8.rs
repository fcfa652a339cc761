//! RFC 7741 section 4.2.

use super::LayerFrame;

pub(super) fn head(frame: &LayerFrame, part: u16) -> Vec<u8> {
    let starts = if part == 0 { START } else { 0 };
    let [high, low] = (frame.picture_id & 0x7fff).to_be_bytes();
    // The second picture of layer 2 refers to layer 1, all others to layer 0 only.
    let layer_sync = frame.temporal > 0 && frame.position != 3;
    let mut head = vec![
        EXTENDED | starts | if frame.temporal == 2 { NON_REFERENCE } else { 0 },
        PICTURE_ID | TL0_INDEX | TEMPORAL_ID,
        LONG | high,
        low,
        frame.tl0_picture_index,
        frame.temporal << 6 | u8::from(layer_sync) << 5,
    ];
    if part == 0 {
        // RFC 6386 section 9.1: the frame tag; its lowest bit is 0 for key frames.
        head.extend_from_slice(&[0x10 | u8::from(!frame.key), 0x02, 0x00]);
        if frame.key {
            let height = frame.heights[0];
            head.extend_from_slice(&[0x9d, 0x01, 0x2a]);
            head.extend_from_slice(&(height * 16 / 9).to_le_bytes());
            head.extend_from_slice(&height.to_le_bytes());
        }
    }
    head
}

const EXTENDED: u8 = 0x80;
const NON_REFERENCE: u8 = 0x20;
const START: u8 = 0x10;
const PICTURE_ID: u8 = 0x80;
const TL0_INDEX: u8 = 0x40;
const TEMPORAL_ID: u8 = 0x20;
const LONG: u8 = 0x80;
