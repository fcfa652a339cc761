//! The header extension in which a sender tells its layers.

use bridge_rtp::{MAX_ALLOCATED_LAYERS, VideoLayersAllocation};

/// The data of an element.
pub fn run(data: &[u8]) {
    let Some(allocation) = VideoLayersAllocation::parse(data) else { return };
    assert!(allocation.layers().len() <= MAX_ALLOCATED_LAYERS);
    for layer in allocation.layers() {
        assert!((1..=4).contains(&layer.target_bitrates().len()));
        assert!(layer.stream < 4 && layer.spatial_id < 4);
    }
}

/// Simulcast, spatial layers, with and without sizes.
pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0],
        vec![0x21, 0xa8, 0x96, 1, 0xac, 2, 0xd8, 4, 0xf4, 3, 0xe8, 7, 0x88, 0x27, 0x10, 0x4e],
        vec![0x07, 0x54, 20, 30, 40, 50, 60, 70, 1, 0x3f, 0, 0xb3, 30, 2, 0x7f, 1, 0x67, 30],
        vec![0x10, 0x31, 0x50, 9, 9, 9, 9, 9, 9],
    ]
}
