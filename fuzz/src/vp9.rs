//! A VP9 payload descriptor, and the one that the receiver gets.

use bridge_rtp::codec::{Vp9Descriptor, rewrite_vp9};

/// A payload.
pub fn run(data: &[u8]) {
    let Some(before) = Vp9Descriptor::parse(data) else { return };
    let len = usize::from(before.len);
    assert!(len <= data.len());
    assert!(before.spatial_id() < 8 && before.temporal_id() < 8);
    for (structure, layer) in before.scalability.iter().flat_map(|s| (0..8).map(move |n| (s, n))) {
        let (_height, share) = (structure.height(layer), structure.share_of_pictures(layer));
        assert!(share.is_none_or(|share| (0.0..=1.0).contains(&share)), "{share:?}");
    }
    let mut copy = data.to_vec();
    if rewrite_vp9(&mut copy, 0x55aa, 0x77).is_none() {
        return;
    }
    assert_eq!(copy[len..], data[len..], "only the descriptor changes");
    let after = Vp9Descriptor::parse(&copy);
    assert_eq!(after.as_ref().map(|after| after.len), Some(before.len));
    assert_eq!(
        after.as_ref().and_then(|after| after.picture_id).map(|id| id.value),
        before.picture_id.map(|id| if id.long { 0x55aa } else { 0x2a })
    );
    assert_eq!(
        after.and_then(|after| after.tl0_picture_index),
        before.tl0_picture_index.map(|_| 0x77)
    );
}

/// Flexible and not, with and without a scalability structure.
pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![
            0xaa,
            0x80 | 0x12,
            0x34,
            0x00,
            5,
            0x58,
            1,
            0x40,
            0,
            0xb4,
            2,
            0x80,
            1,
            0x68,
            5,
            0,
            2,
            208,
            4,
            4,
            4,
            0x44,
            1,
            0x24,
            2,
            0x44,
            1,
            0xde,
            0xad,
        ],
        vec![0xfc, 0x80 | 0x12, 0x34, 0x42, 0x05, 0x02, 1, 2, 3],
        vec![0xec, 0x12, 0x25, 7, 9, 9],
        vec![0x0c, 1, 2, 3],
    ]
}
