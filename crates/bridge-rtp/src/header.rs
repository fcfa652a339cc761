use crate::bytes::{read_u16, read_u32};
use crate::error::RtpError;
use crate::extension::{ExtensionElement, ExtensionForm, ExtensionIter};

/// The fixed part of every RTP header in bytes.
pub const MIN_RTP_HEADER_LEN: usize = 12;

/// An RTP header parsed once: its values, and where its parts are in the packet.
///
/// Small and `Copy`, so that a packet carries it along. Offsets are relative to the first byte of
/// the packet. Encryption changes neither header length nor offsets, so a header parsed before
/// decryption is valid afterwards; padding is encrypted and therefore read from the packet only when
/// asked for. Methods that take the packet tolerate another packet's bytes: they answer nonsense or
/// nothing, never panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// The M bit.
    pub marker: bool,
    /// The P bit.
    pub has_padding: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// How many CSRCs follow the fixed header, 0 to 15.
    pub csrc_count: u8,
    /// The sequence number as sent.
    pub sequence_number: u16,
    /// In ticks of the payload type's clock.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
    header_len: u16,
    extension: Option<ExtensionBlock>,
}

impl RtpHeader {
    /// Parses the header at the start of `packet`.
    ///
    /// # Errors
    /// [`RtpError::TooShort`], [`RtpError::BadVersion`] or [`RtpError::HeaderBeyondPacket`].
    pub fn parse(packet: &[u8]) -> Result<Self, RtpError> {
        let fixed = packet.first_chunk::<MIN_RTP_HEADER_LEN>().ok_or(RtpError::TooShort)?;
        let [first, second, seq0, seq1, ts0, ts1, ts2, ts3, ssrc0, ssrc1, ssrc2, ssrc3] = *fixed;
        if first >> 6 != VERSION {
            return Err(RtpError::BadVersion);
        }
        let csrc_count = first & CSRC_COUNT_MASK;
        let csrc_end = MIN_RTP_HEADER_LEN + usize::from(csrc_count) * 4;
        let extension = if first & EXTENSION_BIT == 0 {
            None
        } else {
            Some(ExtensionBlock::parse(packet, csrc_end).ok_or(RtpError::HeaderBeyondPacket)?)
        };
        let header_len = extension.map_or(csrc_end, ExtensionBlock::end);
        if header_len > packet.len() {
            return Err(RtpError::HeaderBeyondPacket);
        }
        Ok(Self {
            marker: second & MARKER_BIT != 0,
            has_padding: first & PADDING_BIT != 0,
            payload_type: second & !MARKER_BIT,
            csrc_count,
            sequence_number: u16::from_be_bytes([seq0, seq1]),
            timestamp: u32::from_be_bytes([ts0, ts1, ts2, ts3]),
            ssrc: u32::from_be_bytes([ssrc0, ssrc1, ssrc2, ssrc3]),
            header_len: u16::try_from(header_len).map_err(|_| RtpError::HeaderBeyondPacket)?,
            extension,
        })
    }

    /// Bytes before the payload: fixed header, CSRCs and extension block.
    pub fn header_len(&self) -> usize {
        usize::from(self.header_len)
    }

    /// Whether there is an extension block, even an empty one.
    pub fn has_extension(&self) -> bool {
        self.extension.is_some()
    }

    /// The 16-bit "defined by profile" field of the extension block.
    pub fn extension_profile(&self) -> Option<u16> {
        self.extension.map(|block| block.profile)
    }

    /// How the extension elements are encoded; `None` without block or with an unknown profile,
    /// which includes the encrypted ones of cryptex.
    pub fn extension_form(&self) -> Option<ExtensionForm> {
        self.extension_profile().and_then(ExtensionForm::of_profile)
    }

    /// Whether CSRCs and extensions are encrypted (RFC 9335): nothing can be read from them before
    /// decryption, and the header has to be parsed again afterwards because the profile changes.
    pub fn is_cryptex(&self) -> bool {
        matches!(
            self.extension_profile(),
            Some(CRYPTEX_ONE_BYTE_PROFILE | CRYPTEX_TWO_BYTE_PROFILE)
        )
    }

    /// The extension elements in the order of the packet. Empty unless [`Self::extension_form`].
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> ExtensionIter<'a> {
        match (self.extension, self.extension_form()) {
            (Some(block), Some(form)) => {
                ExtensionIter::new(packet, block.offset(), block.end(), form)
            }
            _ => ExtensionIter::empty(),
        }
    }

    /// The first element with this id.
    pub fn find_extension(&self, packet: &[u8], id: u8) -> Option<ExtensionElement> {
        self.extensions(packet).find(|element| element.id == id)
    }

    /// The data of the first element with this id.
    pub fn extension_data<'a>(&self, packet: &'a [u8], id: u8) -> Option<&'a [u8]> {
        self.find_extension(packet, id)?.data(packet)
    }

    /// The contributing sources.
    pub fn csrcs<'a>(&self, packet: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
        (0..usize::from(self.csrc_count))
            .map_while(|index| read_u32(packet, MIN_RTP_HEADER_LEN + index * 4))
    }

    /// How many bytes at the end of a decrypted packet are padding, at most everything behind the
    /// header: an exaggerated count is clamped, as JVB does.
    pub fn padding_len(&self, packet: &[u8]) -> usize {
        let body_len = packet.len().saturating_sub(self.header_len());
        if !self.has_padding || body_len == 0 {
            return 0;
        }
        packet.last().map_or(0, |&count| usize::from(count).min(body_len))
    }

    /// The payload of a decrypted packet without padding.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        let end = packet.len() - self.padding_len(packet);
        packet.get(self.header_len()..end).unwrap_or_default()
    }

    /// The twelve bytes of the fixed header with the values of this struct. The version is 2; the X
    /// bit tells whether there is an extension block.
    pub fn fixed_bytes(&self) -> [u8; MIN_RTP_HEADER_LEN] {
        let first = (VERSION << 6)
            | if self.has_padding { PADDING_BIT } else { 0 }
            | if self.extension.is_some() { EXTENSION_BIT } else { 0 }
            | (self.csrc_count & CSRC_COUNT_MASK);
        let second = (self.payload_type & !MARKER_BIT) | if self.marker { MARKER_BIT } else { 0 };
        let [seq0, seq1] = self.sequence_number.to_be_bytes();
        let [ts0, ts1, ts2, ts3] = self.timestamp.to_be_bytes();
        let [ssrc0, ssrc1, ssrc2, ssrc3] = self.ssrc.to_be_bytes();
        [first, second, seq0, seq1, ts0, ts1, ts2, ts3, ssrc0, ssrc1, ssrc2, ssrc3]
    }

    /// Where the CSRC list ends and an extension block would start.
    pub(crate) fn csrc_end(&self) -> usize {
        MIN_RTP_HEADER_LEN + usize::from(self.csrc_count & CSRC_COUNT_MASK) * 4
    }

    /// The same values over an extension block of `words` words, or over none.
    pub(crate) fn with_extension(mut self, block: Option<(ExtensionForm, u16)>) -> Option<Self> {
        let start = self.csrc_end();
        self.extension = match block {
            None => None,
            Some((form, words)) => {
                let offset = u8::try_from(start + EXTENSION_HEADER_LEN).ok()?;
                Some(ExtensionBlock { profile: form.profile(), offset, words })
            }
        };
        self.header_len = u16::try_from(self.extension.map_or(start, ExtensionBlock::end)).ok()?;
        Some(self)
    }

    /// Everything behind the header, padding included.
    pub fn payload_with_padding<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet.get(self.header_len()..).unwrap_or_default()
    }
}

/// Where the extension data is; the four bytes of profile and length precede it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ExtensionBlock {
    profile: u16,
    offset: u8,
    words: u16,
}

impl ExtensionBlock {
    fn parse(packet: &[u8], start: usize) -> Option<Self> {
        let profile = read_u16(packet, start)?;
        let words = read_u16(packet, start + 2)?;
        let offset = u8::try_from(start + EXTENSION_HEADER_LEN).ok()?;
        Some(Self { profile, offset, words })
    }

    fn offset(self) -> usize {
        usize::from(self.offset)
    }

    fn end(self) -> usize {
        self.offset() + usize::from(self.words) * 4
    }
}

pub(crate) const EXTENSION_HEADER_LEN: usize = 4;
pub(crate) const PADDING_BIT: u8 = 0x20;
pub(crate) const EXTENSION_BIT: u8 = 0x10;
pub(crate) const MARKER_BIT: u8 = 0x80;
const CSRC_COUNT_MASK: u8 = 0x0f;
const VERSION: u8 = 2;
const CRYPTEX_ONE_BYTE_PROFILE: u16 = 0xc0de;
const CRYPTEX_TWO_BYTE_PROFILE: u16 = 0xc2de;

// 12 + 15 * 4 + 4 = 76: the start of extension data always fits 8 bits.
const _: () = assert!(MIN_RTP_HEADER_LEN + 15 * 4 + EXTENSION_HEADER_LEN <= 255);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACKET: [u8; 32] = [
        0xb1, 0xe0, 0x12, 0x34, 0, 0, 0x10, 0, 0xde, 0xad, 0xbe,
        0xef, // fixed, P, X, one CSRC
        1, 2, 3, 4, // CSRC
        0xbe, 0xde, 0, 1, 0x30, 0xff, 0, 0, // audio level with id 3
        9, 8, 7, 6, 5, // payload
        0, 0, 3, // padding
    ];

    #[test]
    fn reads_every_field() {
        let header = RtpHeader::parse(&PACKET).unwrap();
        assert!(header.marker && header.has_padding && header.has_extension());
        assert_eq!(header.payload_type, 96);
        assert_eq!(header.sequence_number, 0x1234);
        assert_eq!(header.timestamp, 0x1000);
        assert_eq!(header.ssrc, 0xdead_beef);
        assert_eq!(header.csrcs(&PACKET).collect::<Vec<_>>(), [0x0102_0304]);
        assert_eq!(header.header_len(), 24);
        assert_eq!(header.extension_profile(), Some(0xbede));
        assert_eq!(header.extension_data(&PACKET, 3), Some(&[0xff][..]));
        assert_eq!(header.extension_data(&PACKET, 4), None);
        assert_eq!(header.padding_len(&PACKET), 3);
        assert_eq!(header.payload(&PACKET), [9, 8, 7, 6, 5]);
        assert_eq!(header.payload_with_padding(&PACKET), &PACKET[24..]);
        assert_eq!(header.fixed_bytes(), PACKET[..12]);
    }

    #[test]
    fn refuses_what_is_no_packet() {
        for len in 0..24 {
            let expected = if len < 12 { RtpError::TooShort } else { RtpError::HeaderBeyondPacket };
            assert_eq!(RtpHeader::parse(&PACKET[..len]), Err(expected), "{len}");
        }
        let mut wrong_version = PACKET;
        wrong_version[0] = 0x31;
        assert_eq!(RtpHeader::parse(&wrong_version), Err(RtpError::BadVersion));
        let mut long_extension = PACKET;
        long_extension[19] = 4;
        assert_eq!(RtpHeader::parse(&long_extension), Err(RtpError::HeaderBeyondPacket));
    }

    #[test]
    fn padding_count_is_clamped_to_the_header() {
        let mut packet = PACKET;
        packet[31] = 200;
        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!(header.padding_len(&packet), 8);
        assert_eq!(header.payload(&packet), []);
        assert_eq!(header.padding_len(&packet[..24]), 0);
    }

    #[test]
    fn encrypted_extensions_are_not_read() {
        for profile in [0xc0_u8, 0xc2] {
            let mut packet = PACKET;
            packet[16..18].copy_from_slice(&[profile, 0xde]);
            let header = RtpHeader::parse(&packet).unwrap();
            assert!(header.is_cryptex());
            assert_eq!(header.extensions(&packet).count(), 0);
        }
        assert!(!RtpHeader::parse(&PACKET).unwrap().is_cryptex());
    }

    proptest! {
        #[test]
        fn any_bytes_are_tolerated(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            other in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Some(first) = bytes.first_mut() {
                *first = 0x80 | (*first & 0x3f);
            }
            if let Ok(header) = RtpHeader::parse(&bytes) {
                prop_assert!(header.header_len() <= bytes.len());
                for packet in [&bytes, &other] {
                    for element in header.extensions(packet) {
                        prop_assert!(element.id != 0);
                        prop_assert!(element.data(packet).is_some());
                        prop_assert!(usize::from(element.offset) <= header.header_len());
                    }
                    header.csrcs(packet).count();
                    header.payload(packet);
                }
                let tail = header.padding_len(&bytes) + header.payload(&bytes).len();
                prop_assert_eq!(header.header_len() + tail, bytes.len());
            }
        }
    }
}
