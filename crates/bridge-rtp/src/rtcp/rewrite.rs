//! Changing single fields of one RTCP packet in place.

use super::{RTCP_HEADER_LEN, packet_type};
use crate::bytes::{read_u8, write_at};

/// Sets the first SSRC of one packet: who sends it. `false` if the packet is too short, or of a type
/// that has none (SDES, BYE).
pub fn set_sender_ssrc(packet: &mut [u8], ssrc: u32) -> bool {
    let has_sender = !matches!(
        read_u8(packet, PACKET_TYPE_OFFSET),
        None | Some(packet_type::SOURCE_DESCRIPTION | packet_type::GOODBYE)
    );
    has_sender && write_at(packet, RTCP_HEADER_LEN, &ssrc.to_be_bytes()).is_some()
}

/// Sets the media SSRC of one transport or payload feedback packet: whom it is about. `false` for
/// another type or a packet that is too short.
pub fn set_media_ssrc(packet: &mut [u8], ssrc: u32) -> bool {
    let is_feedback = matches!(
        read_u8(packet, PACKET_TYPE_OFFSET),
        Some(packet_type::TRANSPORT_FEEDBACK | packet_type::PAYLOAD_FEEDBACK)
    );
    is_feedback && write_at(packet, RTCP_HEADER_LEN + 4, &ssrc.to_be_bytes()).is_some()
}

const PACKET_TYPE_OFFSET: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssrcs_are_overwritten() {
        let mut pli = [0x81, 206, 0, 2, 0, 0, 0, 7, 0, 0, 0, 8];
        assert!(set_sender_ssrc(&mut pli, 0x0a0b_0c0d));
        assert!(set_media_ssrc(&mut pli, 0x0102_0304));
        assert_eq!(pli, [0x81, 206, 0, 2, 10, 11, 12, 13, 1, 2, 3, 4]);
    }

    #[test]
    fn packets_without_the_field_are_left_alone() {
        let mut rr = [0x80, 201, 0, 1, 0, 0, 0, 7];
        assert!(!set_media_ssrc(&mut rr, 1));
        assert!(set_sender_ssrc(&mut rr, 1));
        let mut bye = [0x81, 203, 0, 1, 0, 0, 0, 7];
        assert!(!set_sender_ssrc(&mut bye, 1));
        assert_eq!(bye[7], 7);
        assert!(!set_media_ssrc(&mut [0x81, 206, 0, 1, 0, 0, 0, 7, 0, 0, 0], 1));
        assert!(!set_sender_ssrc(&mut [0x80], 1));
        assert!(!set_sender_ssrc(&mut [], 1));
    }
}
