//! Key frames of codecs without descriptor.

use bridge_rtp::codec::{h264_starts_key_frame, h265_starts_key_frame};

/// A payload.
pub fn run(data: &[u8]) {
    let _of_h264 = h264_starts_key_frame(data);
    let _of_h265 = h265_starts_key_frame(data);
}

/// Single units, aggregates and fragments.
pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0x67, 1, 2, 3],
        vec![0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1],
        vec![0x7c, 0x85, 1, 2],
        vec![0x40, 1, 9],
        vec![0x60, 1, 0, 3, 0x40, 1, 9, 0, 2, 0x26, 1],
        vec![0x62, 1, 0x93, 9],
    ]
}
