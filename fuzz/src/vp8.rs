//! A VP8 payload descriptor, and the one that the receiver gets.

use bridge_rtp::codec::{Vp8Descriptor, rewrite_vp8};

/// A payload.
pub fn run(data: &[u8]) {
    let Some(before) = Vp8Descriptor::parse(data) else { return };
    let len = usize::from(before.len);
    assert!(len <= data.len());
    let mut copy = data.to_vec();
    if rewrite_vp8(&mut copy, 0x55aa, 0x77).is_none() {
        return assert!(!before.is_routable());
    }
    assert_eq!(copy[len..], data[len..], "only the descriptor changes");
    let after = Vp8Descriptor::parse(&copy);
    assert_eq!(after.as_ref().map(|after| after.len), Some(before.len));
    let picture_id = after.as_ref().and_then(|after| after.picture_id);
    assert_eq!(picture_id.map(|id| id.long), before.picture_id.map(|id| id.long));
    assert_eq!(
        picture_id.map(|id| id.value),
        before.picture_id.map(|id| if id.long { 0x55aa } else { 0x2a })
    );
    let tl0 = after.and_then(|after| after.tl0_picture_index);
    assert_eq!(tl0, before.tl0_picture_index.map(|_| 0x77));
}

/// With picture ids of both lengths, and without.
pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0x90, 0xe0, 0x80 | 0x12, 0x34, 9, 0x40, 0, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0],
        vec![0x90, 0xf0, 0x12, 9, 0x4f, 1, 0, 0],
        vec![0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0],
    ]
}
