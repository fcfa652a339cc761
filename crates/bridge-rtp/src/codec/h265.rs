use crate::bytes::{read_u8, read_u16};

/// Whether the payload of an H.265 packet (RFC 7798) starts a key frame: it has a parameter set or
/// the start of a slice of an intra random access point, alone, aggregated, or as a first fragment.
/// Aggregates with decoding order numbers are not negotiated by browsers and not looked into.
pub fn h265_starts_key_frame(payload: &[u8]) -> bool {
    let Some(kind) = read_u8(payload, 0).map(nal_type) else { return false };
    match kind {
        AGGREGATION => aggregate_has_key(payload),
        FRAGMENTATION => read_u8(payload, 2)
            .is_some_and(|header| header & FRAGMENT_START != 0 && is_key(header & TYPE_MASK)),
        kind => is_key(kind),
    }
}

fn aggregate_has_key(payload: &[u8]) -> bool {
    let mut offset = UNIT_HEADER_LEN;
    // Each round moves on by at least two bytes, so the payload bounds the loop.
    while let Some(len) = read_u16(payload, offset) {
        let Some(unit) = payload.get(offset + 2..offset + 2 + usize::from(len)) else {
            return false;
        };
        if unit.first().is_some_and(|header| is_key(nal_type(*header))) {
            return true;
        }
        offset += 2 + usize::from(len);
    }
    false
}

const fn nal_type(first: u8) -> u8 {
    (first >> 1) & TYPE_MASK
}

const fn is_key(kind: u8) -> bool {
    matches!(kind, FIRST_IRAP..=LAST_IRAP | VIDEO_PARAMETER_SET | SEQUENCE_PARAMETER_SET)
}

const UNIT_HEADER_LEN: usize = 2;
const TYPE_MASK: u8 = 0x3f;
/// Broken link access, instantaneous refresh and clean random access pictures.
const FIRST_IRAP: u8 = 16;
const LAST_IRAP: u8 = 21;
const VIDEO_PARAMETER_SET: u8 = 32;
const SEQUENCE_PARAMETER_SET: u8 = 33;
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;
const FRAGMENT_START: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn key_frames_in_every_packetisation() {
        let rows: [(&[u8], bool, &str); 10] = [
            (&[], false, "nothing"),
            (&[19 << 1, 1, 0], true, "IDR slice"),
            (&[21 << 1, 1, 0], true, "clean random access"),
            (&[32 << 1, 1, 0], true, "video parameter set"),
            (&[1 << 1, 1, 0], false, "trailing slice"),
            (&[48 << 1, 1, 0, 2, 33 << 1, 1], true, "aggregate with a parameter set"),
            (&[48 << 1, 1, 0, 2, 1 << 1, 1], false, "aggregate without"),
            (&[48 << 1, 1, 0, 9, 33 << 1, 1], false, "aggregate that lies about its length"),
            (&[49 << 1, 1, 0x80 | 19], true, "first fragment"),
            (&[49 << 1, 1, 19], false, "later fragment"),
        ];
        for (payload, expected, what) in rows {
            assert_eq!(h265_starts_key_frame(payload), expected, "{what}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            h265_starts_key_frame(&payload);
        }
    }
}
