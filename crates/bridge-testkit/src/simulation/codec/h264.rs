//! RFC 6184, packetisation mode 1: a STAP-A with the parameter sets, then fragments.

use super::LayerFrame;

pub(super) fn head(frame: &LayerFrame, part: u16, parts: u16) -> Vec<u8> {
    let first_slice_part = u16::from(frame.key);
    if part < first_slice_part {
        return parameter_sets();
    }
    let kind = if frame.key { IDR_SLICE } else { SLICE };
    let starts = part == first_slice_part;
    let ends = part + 1 == parts;
    if starts && ends {
        return vec![REFERENCE | kind];
    }
    vec![REFERENCE | FU_A, u8::from(starts) << 7 | u8::from(ends) << 6 | kind]
}

/// A sequence and a picture parameter set as Chromium's encoder makes them, and the head of a
/// supplemental unit, which takes the rest of the packet.
fn parameter_sets() -> Vec<u8> {
    let mut head = vec![REFERENCE | STAP_A];
    for unit in [SEQUENCE_PARAMETER_SET, PICTURE_PARAMETER_SET] {
        head.extend_from_slice(&u16::try_from(unit.len()).unwrap_or(0).to_be_bytes());
        head.extend_from_slice(unit);
    }
    let supplement = PARAMETER_SET_PACKET_BYTES + 2;
    head.extend_from_slice(&u16::try_from(supplement).unwrap_or(0).to_be_bytes());
    head.extend_from_slice(&[SUPPLEMENT, USER_DATA]);
    head
}

/// Bytes behind the head of the first packet of a key frame.
pub(crate) const PARAMETER_SET_PACKET_BYTES: usize = 60;

const REFERENCE: u8 = 0x60;
const SLICE: u8 = 1;
const IDR_SLICE: u8 = 5;
const SUPPLEMENT: u8 = 6;
const USER_DATA: u8 = 5;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const SEQUENCE_PARAMETER_SET: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50];
const PICTURE_PARAMETER_SET: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
