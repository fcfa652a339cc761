//! Retransmission payloads (RFC 4588): the original sequence number before the payload.

use crate::bytes::read_u16;
use crate::error::RtpError;
use crate::header::RtpHeader;

/// Bytes of the original sequence number before the payload.
pub const RTX_OSN_LEN: usize = 2;

/// What a retransmission carries instead of the original's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtxStream {
    /// The payload type whose `apt` is the original's.
    pub payload_type: u8,
    /// The retransmission SSRC of the flow identification group.
    pub ssrc: u32,
    /// The next number of the retransmission stream, which counts on its own.
    pub sequence_number: u16,
}

/// The original sequence number in a retransmission; `None` if payload minus padding has less than
/// two bytes, which is a bandwidth probe.
pub fn rtx_original_sequence(packet: &[u8], header: &RtpHeader) -> Option<u16> {
    read_u16(header.payload(packet), 0)
}

/// Writes `packet` as a retransmission into `out`; answers its length, two more than the original's.
///
/// # Errors
/// [`RtpError::BufferTooSmall`], or [`RtpError::HeaderBeyondPacket`] if `header` does not belong to
/// `packet`.
pub fn rtx_encapsulate(
    packet: &[u8],
    header: &RtpHeader,
    stream: RtxStream,
    out: &mut [u8],
) -> Result<usize, RtpError> {
    let header_len = header.header_len();
    let (head, payload) =
        packet.split_at_checked(header_len).ok_or(RtpError::HeaderBeyondPacket)?;
    let len = packet.len() + RTX_OSN_LEN;
    let out = out.get_mut(..len).ok_or(RtpError::BufferTooSmall)?;
    let (out_head, out_payload) = out.split_at_mut(header_len);
    let (out_osn, out_payload) = out_payload.split_at_mut(RTX_OSN_LEN);
    out_head.copy_from_slice(head);
    out_osn.copy_from_slice(&header.sequence_number.to_be_bytes());
    out_payload.copy_from_slice(payload);
    let mut values = *header;
    values.payload_type = stream.payload_type;
    values.ssrc = stream.ssrc;
    values.sequence_number = stream.sequence_number;
    overwrite_fixed(out_head, &values)?;
    Ok(len)
}

/// Turns a retransmission back into its original, in place: the header moves two bytes towards the
/// payload, over the original sequence number. Answers the original, which starts [`RTX_OSN_LEN`]
/// bytes after `packet` did.
///
/// # Errors
/// [`RtpError::NoOriginalSequence`] for a probe, which is to be dropped; the packet is then
/// unchanged.
pub fn rtx_decapsulate<'a>(
    packet: &'a mut [u8],
    header: &RtpHeader,
    payload_type: u8,
    ssrc: u32,
) -> Result<(RtpHeader, &'a mut [u8]), RtpError> {
    let sequence_number =
        rtx_original_sequence(packet, header).ok_or(RtpError::NoOriginalSequence)?;
    let mut original = *header;
    original.payload_type = payload_type;
    original.ssrc = ssrc;
    original.sequence_number = sequence_number;
    packet.copy_within(..header.header_len(), RTX_OSN_LEN);
    let packet = packet.get_mut(RTX_OSN_LEN..).unwrap_or_default();
    overwrite_fixed(packet, &original)?;
    Ok((original, packet))
}

fn overwrite_fixed(packet: &mut [u8], header: &RtpHeader) -> Result<(), RtpError> {
    crate::bytes::write_at(packet, 0, &header.fixed_bytes()).ok_or(RtpError::HeaderBeyondPacket)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: RtxStream = RtxStream { payload_type: 97, ssrc: 0x0102_0304, sequence_number: 1 };

    #[test]
    fn original_sequence_precedes_the_payload() {
        let packet = [0x80, 0xe0, 0xab, 0xcd, 0, 0, 0, 9, 0, 0, 0, 7, 42, 43];
        let header = RtpHeader::parse(&packet).unwrap();
        let mut out = [0; 16];
        assert_eq!(rtx_encapsulate(&packet, &header, STREAM, &mut out), Ok(16));
        assert_eq!(out, [0x80, 0xe1, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 0xab, 0xcd, 42, 43]);
        let short = &mut out[..15];
        assert_eq!(rtx_encapsulate(&packet, &header, STREAM, short), Err(RtpError::BufferTooSmall));
        let foreign = rtx_encapsulate(&packet[..11], &header, STREAM, &mut out);
        assert_eq!(foreign, Err(RtpError::HeaderBeyondPacket));
    }

    #[test]
    fn a_probe_has_no_original() {
        // Two bytes of payload, of which one is padding.
        let mut probe = [0xa0, 97, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 0, 1];
        let before = probe;
        let header = RtpHeader::parse(&probe).unwrap();
        assert_eq!(rtx_original_sequence(&probe, &header), None);
        let result = rtx_decapsulate(&mut probe, &header, 96, 7);
        assert_eq!(result.unwrap_err(), RtpError::NoOriginalSequence);
        assert_eq!(probe, before);
    }

    proptest! {
        #[test]
        fn decapsulation_undoes_encapsulation(
            mut bytes in prop::collection::vec(any::<u8>(), 12..120),
            first in prop_oneof![Just(0x80_u8), Just(0x90), Just(0x82), Just(0x93)],
        ) {
            bytes[0] = first;
            let Ok(header) = RtpHeader::parse(&bytes) else { return Ok(()) };
            let mut rtx = [0; 200];
            let len = rtx_encapsulate(&bytes, &header, STREAM, &mut rtx).unwrap();
            let rtx = &mut rtx[..len];
            let rtx_header = RtpHeader::parse(rtx).unwrap();
            prop_assert_eq!(rtx_original_sequence(rtx, &rtx_header), Some(header.sequence_number));
            let (original, packet) =
                rtx_decapsulate(rtx, &rtx_header, header.payload_type, header.ssrc).unwrap();
            prop_assert_eq!(original, header);
            prop_assert_eq!(&packet[..], &bytes[..]);
        }
    }
}
