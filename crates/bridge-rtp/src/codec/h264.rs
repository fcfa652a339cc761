use crate::bytes::{read_u8, read_u16};

/// Whether the payload of an H.264 packet (RFC 6184) starts a key frame: it has a sequence parameter
/// set or the start of an IDR slice, alone, aggregated, or as a first fragment.
///
/// Differs from JVB, which cannot tell: simulcast and suspension of H.264 need it.
pub fn h264_starts_key_frame(payload: &[u8]) -> bool {
    let Some(first) = read_u8(payload, 0) else { return false };
    match first & NAL_TYPE_MASK {
        kind @ 1..=23 => is_key(kind),
        STAP_A => aggregate_has_key(payload, 1),
        // A decoding order number precedes the units of STAP-B.
        STAP_B => aggregate_has_key(payload, 3),
        FU_A | FU_B => read_u8(payload, 1)
            .is_some_and(|header| header & FRAGMENT_START != 0 && is_key(header & NAL_TYPE_MASK)),
        _ => false,
    }
}

fn aggregate_has_key(payload: &[u8], mut offset: usize) -> bool {
    // Each round moves on by at least two bytes, so the payload bounds the loop.
    while let Some(len) = read_u16(payload, offset) {
        let Some(unit) = payload.get(offset + 2..offset + 2 + usize::from(len)) else {
            return false;
        };
        if unit.first().is_some_and(|header| is_key(header & NAL_TYPE_MASK)) {
            return true;
        }
        offset += 2 + usize::from(len);
    }
    false
}

const fn is_key(kind: u8) -> bool {
    matches!(kind, IDR_SLICE | SEQUENCE_PARAMETER_SET)
}

const NAL_TYPE_MASK: u8 = 0x1f;
const IDR_SLICE: u8 = 5;
const SEQUENCE_PARAMETER_SET: u8 = 7;
const STAP_A: u8 = 24;
const STAP_B: u8 = 25;
const FU_A: u8 = 28;
const FU_B: u8 = 29;
const FRAGMENT_START: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn key_frames_in_every_packetisation() {
        let rows: [(&[u8], bool, &str); 14] = [
            (&[], false, "nothing"),
            (&[0x65, 1, 2], true, "IDR slice"),
            (&[0x67, 1, 2], true, "sequence parameter set"),
            (&[0x68, 1, 2], false, "picture parameter set"),
            (&[0x41, 1, 2], false, "other slice"),
            (&[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1], true, "STAP-A with a parameter set"),
            (&[0x78, 0, 2, 0x06, 1, 0, 2, 0x65, 1], true, "STAP-A with an IDR slice second"),
            (&[0x78, 0, 2, 0x41, 1], false, "STAP-A without"),
            (&[0x78, 0, 9, 0x65, 1], false, "STAP-A that lies about its length"),
            (&[0x78, 0, 0, 0, 0, 0, 1, 0x65], true, "STAP-A with empty units"),
            (&[0x79, 0, 1, 0, 2, 0x65, 1], true, "STAP-B"),
            (&[0x7c, 0x85, 1], true, "first fragment of an IDR slice"),
            (&[0x7c, 0x05, 1], false, "later fragment"),
            (&[0x7c], false, "fragment cut short"),
        ];
        for (payload, expected, what) in rows {
            assert_eq!(h264_starts_key_frame(payload), expected, "{what}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            h264_starts_key_frame(&payload);
        }
    }
}
