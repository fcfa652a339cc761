use crate::bytes::write_at;
use crate::error::RtpError;
use crate::extension::{ExtensionElement, ExtensionIter};
use crate::header::{MARKER_BIT, PADDING_BIT, RtpHeader};

/// An RTP packet for reading: a header and the bytes it was parsed from.
#[derive(Clone, Copy, Debug)]
pub struct RtpView<'a> {
    header: RtpHeader,
    bytes: &'a [u8],
}

impl<'a> RtpView<'a> {
    /// Parses the header of `bytes`.
    ///
    /// # Errors
    /// Those of [`RtpHeader::parse`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        Ok(Self { header: RtpHeader::parse(bytes)?, bytes })
    }

    /// From a header that was parsed earlier from these bytes.
    pub fn new(header: RtpHeader, bytes: &'a [u8]) -> Self {
        Self { header, bytes }
    }

    /// The header's values.
    pub fn header(&self) -> &RtpHeader {
        &self.header
    }

    /// The whole packet.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The payload without padding.
    pub fn payload(&self) -> &'a [u8] {
        self.header.payload(self.bytes)
    }

    /// The extension elements in the order of the packet.
    pub fn extensions(&self) -> ExtensionIter<'a> {
        self.header.extensions(self.bytes)
    }

    /// The data of the first extension element with this id.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.header.extension_data(self.bytes, id)
    }
}

/// An RTP packet for rewriting in place. Header struct and bytes stay equal.
#[derive(Debug)]
pub struct RtpPacketMut<'a> {
    header: RtpHeader,
    bytes: &'a mut [u8],
}

impl<'a> RtpPacketMut<'a> {
    /// Parses the header of `bytes`.
    ///
    /// # Errors
    /// Those of [`RtpHeader::parse`].
    pub fn parse(bytes: &'a mut [u8]) -> Result<Self, RtpError> {
        Ok(Self { header: RtpHeader::parse(bytes)?, bytes })
    }

    /// From a header that was parsed earlier from these bytes.
    pub fn new(header: RtpHeader, bytes: &'a mut [u8]) -> Self {
        Self { header, bytes }
    }

    /// Sets the M bit.
    pub fn set_marker(&mut self, marker: bool) {
        self.header.marker = marker;
        self.write_second_byte();
    }

    /// Sets the payload type; only the low 7 bits count.
    pub fn set_payload_type(&mut self, payload_type: u8) {
        self.header.payload_type = payload_type & !MARKER_BIT;
        self.write_second_byte();
    }

    /// Sets the sequence number.
    pub fn set_sequence_number(&mut self, sequence_number: u16) {
        self.header.sequence_number = sequence_number;
        self.write(SEQUENCE_OFFSET, &sequence_number.to_be_bytes());
    }

    /// Sets the RTP timestamp.
    pub fn set_timestamp(&mut self, timestamp: u32) {
        self.header.timestamp = timestamp;
        self.write(TIMESTAMP_OFFSET, &timestamp.to_be_bytes());
    }

    /// Sets the synchronisation source.
    pub fn set_ssrc(&mut self, ssrc: u32) {
        self.header.ssrc = ssrc;
        self.write(SSRC_OFFSET, &ssrc.to_be_bytes());
    }

    /// Cuts the padding off and clears the P bit; answers the new length of the packet, to which the
    /// caller truncates its buffer. A packet that was only padding is left with its header.
    pub fn remove_padding(&mut self) -> usize {
        let len = self.bytes.len() - self.header.padding_len(self.bytes);
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = bytes.get_mut(..len).unwrap_or_default();
        self.header.has_padding = false;
        if let Some(first) = self.bytes.first_mut() {
            *first &= !PADDING_BIT;
        }
        len
    }

    /// The data of an extension element found in this packet, to overwrite it.
    pub fn extension_mut(&mut self, element: ExtensionElement) -> Option<&mut [u8]> {
        element.data_mut(self.bytes)
    }

    /// The payload, padding included, to overwrite it.
    pub fn payload_with_padding_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.header.header_len()..).unwrap_or_default()
    }

    /// The header's values.
    pub fn header(&self) -> &RtpHeader {
        &self.header
    }

    /// The whole packet.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The packet for reading.
    pub fn as_view(&self) -> RtpView<'_> {
        RtpView { header: self.header, bytes: self.bytes }
    }

    fn write_second_byte(&mut self) {
        let marker = if self.header.marker { MARKER_BIT } else { 0 };
        let second = self.header.payload_type | marker;
        self.write(SECOND_BYTE_OFFSET, &[second]);
    }

    fn write(&mut self, offset: usize, value: &[u8]) {
        let written = write_at(self.bytes, offset, value);
        debug_assert!(written.is_some(), "the header was parsed from other bytes");
    }
}

const SECOND_BYTE_OFFSET: usize = 1;
const SEQUENCE_OFFSET: usize = 2;
const TIMESTAMP_OFFSET: usize = 4;
const SSRC_OFFSET: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padding_is_removed_with_its_bit() {
        let mut bytes = [0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 42, 43, 0, 0, 3];
        let mut packet = RtpPacketMut::parse(&mut bytes).unwrap();
        assert_eq!(packet.remove_padding(), 14);
        assert_eq!(packet.as_view().payload(), [42, 43]);
        assert_eq!(packet.remove_padding(), 14);
        let view = RtpView::parse(&bytes[..14]).unwrap();
        assert!(!view.header().has_padding);
        assert_eq!(view.payload(), [42, 43]);
    }

    #[test]
    fn a_packet_of_padding_keeps_its_header() {
        let mut bytes = [0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 255];
        assert_eq!(RtpPacketMut::parse(&mut bytes).unwrap().remove_padding(), 12);
        assert_eq!(RtpView::parse(&bytes[..12]).unwrap().payload(), []);
    }

    #[test]
    fn extensions_are_overwritten_in_place() {
        let mut bytes =
            [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x51, 0xaa, 0xbb, 0, 9];
        let mut packet = RtpPacketMut::parse(&mut bytes).unwrap();
        let element = packet.as_view().extensions().next().unwrap();
        packet.extension_mut(element).unwrap().copy_from_slice(&[1, 2]);
        assert_eq!(packet.as_view().extension(5), Some(&[1, 2][..]));
        packet.payload_with_padding_mut()[0] = 10;
        assert_eq!(bytes[17..], [1, 2, 0, 10]);
    }

    proptest! {
        #[test]
        fn setters_change_only_their_field(
            mut bytes in prop::collection::vec(any::<u8>(), 12..64),
            marker in any::<bool>(),
            payload_type in 0_u8..128,
            sequence_number in any::<u16>(),
            timestamp in any::<u32>(),
            ssrc in any::<u32>(),
        ) {
            bytes[0] = 0x80;
            let original = bytes.clone();
            let mut packet = RtpPacketMut::parse(&mut bytes).unwrap();
            packet.set_marker(marker);
            packet.set_payload_type(payload_type);
            packet.set_sequence_number(sequence_number);
            packet.set_timestamp(timestamp);
            packet.set_ssrc(ssrc);
            let header = *packet.header();
            prop_assert_eq!(RtpHeader::parse(&bytes), Ok(header));
            prop_assert_eq!(
                (header.marker, header.payload_type, header.sequence_number, header.timestamp, header.ssrc),
                (marker, payload_type, sequence_number, timestamp, ssrc)
            );
            prop_assert_eq!(&bytes[12..], &original[12..]);
        }
    }
}
