//! How much of a payload anybody but a decoder reads.

use bridge_rtp::codec::{
    DependencyDescriptor, Vp8Descriptor, Vp9Descriptor, h264_starts_key_frame,
};

use super::CapturedPacket;
use crate::simulation::SimulatedCodec;

/// How many bytes of the payload are kept.
pub(crate) fn head_len(codec: SimulatedCodec, payload: &[u8]) -> usize {
    let len = match codec {
        SimulatedCodec::Vp8 => Vp8Descriptor::parse(payload).map(|descriptor| {
            let header = if descriptor.is_keyframe { VP8_KEY_HEADER } else { VP8_HEADER };
            usize::from(descriptor.len) + if descriptor.is_start_of_frame { header } else { 0 }
        }),
        SimulatedCodec::Vp9 | SimulatedCodec::Vp9NonFlexible => {
            Vp9Descriptor::parse(payload).map(|d| usize::from(d.len))
        }
        SimulatedCodec::Av1 => Some(AV1_AGGREGATION_HEADER),
        SimulatedCodec::H264 => Some(h264_head_len(payload)),
    };
    len.unwrap_or(payload.len()).min(payload.len())
}

/// Whether the packet is the first of a key frame; of layered pictures, of the lowest layer's.
pub(crate) fn starts_key_frame(codec: SimulatedCodec, packet: &CapturedPacket) -> bool {
    // A parser of descriptors wants to see that something follows.
    let mut payload = packet.head.clone();
    payload.push(0);
    match codec {
        SimulatedCodec::Vp8 => {
            Vp8Descriptor::parse(&payload).is_some_and(|descriptor| descriptor.is_keyframe)
        }
        SimulatedCodec::Vp9 | SimulatedCodec::Vp9NonFlexible => Vp9Descriptor::parse(&payload)
            .is_some_and(|descriptor| {
                descriptor.is_keyframe()
                    && descriptor.is_start_of_frame
                    && descriptor.spatial_id() == 0
            }),
        SimulatedCodec::Av1 => packet.extensions.iter().any(|(_, data)| {
            DependencyDescriptor::parse(data, None)
                .is_ok_and(|descriptor| descriptor.is_keyframe && descriptor.is_start_of_frame)
        }),
        SimulatedCodec::H264 => h264_starts_key_frame(&packet.head),
    }
}

/// Parameter sets and the headers of units (RFC 6184), slices without their data.
fn h264_head_len(payload: &[u8]) -> usize {
    match payload.first().map(|first| first & NAL_TYPE) {
        Some(STAP_A) => aggregate_head_len(payload),
        Some(FU_A) => 2,
        Some(kind) if is_parameter_set(kind) => payload.len(),
        _ => 1,
    }
}

/// Up to the header of the first unit that is no parameter set.
fn aggregate_head_len(payload: &[u8]) -> usize {
    let mut offset = 1;
    loop {
        let Some(&[high, low, header]) = payload.get(offset..offset + 3) else {
            return payload.len();
        };
        if !is_parameter_set(header & NAL_TYPE) {
            return offset + 3;
        }
        offset += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
}

const fn is_parameter_set(kind: u8) -> bool {
    matches!(kind, 6..=9)
}

/// RFC 6386 section 9.1.
const VP8_HEADER: usize = 3;
const VP8_KEY_HEADER: usize = 10;
const AV1_AGGREGATION_HEADER: usize = 1;
const NAL_TYPE: u8 = 0x1f;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decoders_read_is_left_out() {
        let vp8_key =
            [0x90, 0xe0, 0x80, 1, 2, 0x20, 0x10, 2, 0, 0x9d, 1, 0x2a, 64, 1, 180, 0, 7, 7];
        assert_eq!(head_len(SimulatedCodec::Vp8, &vp8_key), 16);
        let vp8_delta = [0x90, 0xe0, 0x80, 1, 2, 0x20, 0x11, 2, 0, 7, 7];
        assert_eq!(head_len(SimulatedCodec::Vp8, &vp8_delta), 9);
        let stap = [0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1, 0, 3, 0x65, 9, 9];
        assert_eq!(head_len(SimulatedCodec::H264, &stap), 12);
        assert_eq!(head_len(SimulatedCodec::H264, &stap[..9]), 9);
        assert_eq!(head_len(SimulatedCodec::H264, &[0x7c, 0x85, 1, 1]), 2);
        assert_eq!(head_len(SimulatedCodec::Av1, &[0x18, 1, 1]), 1);
        assert_eq!(head_len(SimulatedCodec::Vp9, &[]), 0);
    }
}
