//! Payloads of RFC 2198 are read as written, whatever bytes come.

use bridge_media::{MAX_RED_BLOCKS, RedBlock, RedError, RedPacket, write_red};
use proptest::prelude::*;

/// Section 4 of RFC 2198: 8 kHz DVI4 (type 5) as primary, LPC (type 7, 14 bytes) of the packet
/// 20 ms before.
#[test]
fn the_example_of_the_rfc() {
    let mut payload = vec![0x87, 0x02, 0x80, 0x0e, 0x05];
    payload.extend([0x1c; 14]);
    payload.extend([0xd4; 84]);
    let red = RedPacket::parse(&payload).unwrap();
    let redundant = RedBlock { payload_type: 7, timestamp_offset: 160, data: &[0x1c; 14] };
    let primary = RedBlock { payload_type: 5, timestamp_offset: 0, data: &[0xd4; 84] };
    assert_eq!(red.redundant().collect::<Vec<_>>(), [redundant]);
    assert_eq!(red.primary(), primary);
    let mut out = [0; 200];
    assert_eq!(write_red(&[redundant], primary, &mut out), Some(payload.len()));
    assert_eq!(out[..payload.len()], payload);
}

#[test]
fn limits_of_the_fields_hold() {
    let data = [0xff; RedBlock::MAX_LEN];
    let largest =
        RedBlock { payload_type: 127, timestamp_offset: RedBlock::MAX_OFFSET, data: &data };
    let primary = RedBlock { payload_type: 127, timestamp_offset: 0, data: &[1] };
    let mut out = [0; 2_000];
    let len = write_red(&[largest], primary, &mut out).unwrap();
    assert_eq!(out[..5], [0xff, 0xff, 0xff, 0xff, 0x7f]);
    let red = RedPacket::parse(&out[..len]).unwrap();
    assert_eq!(red.redundant().collect::<Vec<_>>(), [largest]);
    let far = RedBlock { timestamp_offset: RedBlock::MAX_OFFSET + 1, ..largest };
    assert_eq!(write_red(&[far], primary, &mut out), None);
    let long = RedBlock { data: &[0; RedBlock::MAX_LEN + 1], ..largest };
    assert_eq!(write_red(&[long], primary, &mut out), None);
    assert_eq!(write_red(&[largest], primary, &mut [0; 1_028]), None);
}

#[test]
fn headers_without_end_are_refused() {
    let many = [0x80 | 111, 0, 0, 0].repeat(MAX_RED_BLOCKS);
    let mut payload = many.clone();
    payload.extend([111, 1]);
    assert_eq!(RedPacket::parse(&payload).map(|red| red.redundant_count()), Ok(MAX_RED_BLOCKS));
    let mut payload = many;
    payload.extend([0x80 | 111, 0, 0, 0, 111, 1]);
    assert_eq!(RedPacket::parse(&payload), Err(RedError::TooManyBlocks));
}

proptest! {
    #[test]
    fn any_bytes_are_tolerated(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(red) = RedPacket::parse(&bytes) {
            let blocks: Vec<_> = red.redundant().collect();
            prop_assert_eq!(blocks.len(), red.redundant_count());
            let data: usize = blocks.iter().map(|block| block.data.len()).sum();
            let headers = 4 * blocks.len() + 1;
            prop_assert_eq!(headers + data + red.primary().data.len(), bytes.len());
            let mut out = [0; 300];
            let len = write_red(&blocks, red.primary(), &mut out);
            prop_assert_eq!(len.and_then(|len| out.get(..len)), Some(&bytes[..]));
        }
    }

    #[test]
    fn what_is_written_is_read(
        blocks in prop::collection::vec(
            (0..128_u8, 0..=RedBlock::MAX_OFFSET, prop::collection::vec(any::<u8>(), 0..80)),
            0..5,
        ),
        primary in (0..128_u8, prop::collection::vec(any::<u8>(), 1..80)),
    ) {
        let redundant: Vec<_> = blocks
            .iter()
            .map(|(payload_type, timestamp_offset, data)| RedBlock {
                payload_type: *payload_type,
                timestamp_offset: *timestamp_offset,
                data,
            })
            .collect();
        let primary = RedBlock { payload_type: primary.0, timestamp_offset: 0, data: &primary.1 };
        let mut out = [0; 600];
        let len = write_red(&redundant, primary, &mut out).unwrap();
        let red = RedPacket::parse(&out[..len]).unwrap();
        prop_assert_eq!(red.redundant().collect::<Vec<_>>(), redundant);
        prop_assert_eq!(red.primary(), primary);
        for cut in 0..len {
            // The primary block has no length: cut off bytes of it are not noticed.
            let is_whole = cut > len - primary.data.len();
            prop_assert_eq!(RedPacket::parse(&out[..cut]).is_ok(), is_whole);
        }
    }
}
