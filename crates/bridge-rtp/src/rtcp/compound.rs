use super::description::{Application, Goodbye, SourceDescription};
use super::extended_report::ExtendedReport;
use super::feedback::{FullIntraRequest, Nack, PictureLossIndication, ReceiverEstimatedMaxBitrate};
use super::report::{ReceiverReport, SenderReport};
use super::transport_feedback::TransportFeedback;
use super::{RTCP_HEADER_LEN, feedback_format, packet_type};
use crate::error::RtcpError;

/// A decrypted RTCP datagram in which every sub-packet is well-formed.
///
/// As JVB does, one malformed sub-packet refuses the whole compound, sub-packets of an unknown type
/// are kept as such, and any first packet will do (reduced size, RFC 5506).
#[derive(Clone, Copy, Debug)]
pub struct RtcpCompound<'a> {
    bytes: &'a [u8],
}

/// One RTCP packet of a compound.
#[derive(Clone, Copy, Debug)]
pub enum RtcpPacket<'a> {
    /// SR.
    SenderReport(SenderReport<'a>),
    /// RR.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES.
    SourceDescription(SourceDescription<'a>),
    /// BYE.
    Goodbye(Goodbye<'a>),
    /// APP.
    Application(Application<'a>),
    /// XR.
    ExtendedReport(ExtendedReport<'a>),
    /// Generic NACK.
    Nack(Nack<'a>),
    /// Transport-wide congestion control feedback.
    TransportFeedback(TransportFeedback<'a>),
    /// PLI.
    PictureLossIndication(PictureLossIndication),
    /// FIR.
    FullIntraRequest(FullIntraRequest<'a>),
    /// REMB.
    ReceiverEstimatedMaxBitrate(ReceiverEstimatedMaxBitrate<'a>),
    /// Another packet type, or another format of a feedback type.
    Unknown(UnknownRtcp<'a>),
}

/// A packet of a type or format that is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRtcp<'a> {
    /// The packet type.
    pub packet_type: u8,
    /// The five bits of the first byte: a count, a subtype or a format.
    pub count: u8,
    /// Everything behind the four-byte header, without padding.
    pub body: &'a [u8],
}

/// Iterates over the packets of a compound, with the bytes of each.
#[derive(Clone, Debug)]
pub struct RtcpIter<'a> {
    rest: &'a [u8],
}

impl<'a> RtcpCompound<'a> {
    /// Checks every sub-packet of `bytes`.
    ///
    /// # Errors
    /// Every variant of [`RtcpError`] but those of writing.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtcpError> {
        if bytes.is_empty() {
            return Err(RtcpError::TooShort);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (raw, behind) = RawPacket::split(rest)?;
            RtcpPacket::parse(&raw)?;
            rest = behind;
        }
        Ok(Self { bytes })
    }

    /// The packets in order, each with its own bytes: header, body and padding.
    pub fn packets(&self) -> RtcpIter<'a> {
        RtcpIter { rest: self.bytes }
    }

    /// The datagram.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> IntoIterator for RtcpCompound<'a> {
    type Item = (RtcpPacket<'a>, &'a [u8]);
    type IntoIter = RtcpIter<'a>;

    fn into_iter(self) -> RtcpIter<'a> {
        self.packets()
    }
}

impl<'a> Iterator for RtcpIter<'a> {
    type Item = (RtcpPacket<'a>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // The compound was checked when it was made, so that an error ends nothing but an empty rest.
        let (raw, behind) = RawPacket::split(self.rest).ok()?;
        self.rest = behind;
        Some((RtcpPacket::parse(&raw).ok()?, raw.bytes))
    }
}

impl<'a> RtcpPacket<'a> {
    fn parse(raw: &RawPacket<'a>) -> Result<Self, RtcpError> {
        let &RawPacket { packet_type, count, body, .. } = raw;
        Ok(match (packet_type, count) {
            (packet_type::SENDER_REPORT, _) => {
                Self::SenderReport(SenderReport::parse(count, body)?)
            }
            (packet_type::RECEIVER_REPORT, _) => {
                Self::ReceiverReport(ReceiverReport::parse(count, body)?)
            }
            (packet_type::SOURCE_DESCRIPTION, _) => {
                Self::SourceDescription(SourceDescription::parse(count, body)?)
            }
            (packet_type::GOODBYE, _) => Self::Goodbye(Goodbye::parse(count, body)?),
            (packet_type::APPLICATION, _) => Self::Application(Application::parse(count, body)?),
            (packet_type::EXTENDED_REPORT, _) => Self::ExtendedReport(ExtendedReport::parse(body)?),
            (packet_type::TRANSPORT_FEEDBACK, feedback_format::NACK) => {
                Self::Nack(Nack::parse(body)?)
            }
            (packet_type::TRANSPORT_FEEDBACK, feedback_format::TRANSPORT_CC) => {
                Self::TransportFeedback(TransportFeedback::parse(body)?)
            }
            (packet_type::PAYLOAD_FEEDBACK, feedback_format::PICTURE_LOSS_INDICATION) => {
                Self::PictureLossIndication(PictureLossIndication::parse(body)?)
            }
            (packet_type::PAYLOAD_FEEDBACK, feedback_format::FULL_INTRA_REQUEST) => {
                Self::FullIntraRequest(FullIntraRequest::parse(body)?)
            }
            (packet_type::PAYLOAD_FEEDBACK, feedback_format::APPLICATION_LAYER)
                if ReceiverEstimatedMaxBitrate::is_in(body) =>
            {
                Self::ReceiverEstimatedMaxBitrate(ReceiverEstimatedMaxBitrate::parse(body)?)
            }
            (packet_type::TRANSPORT_FEEDBACK | packet_type::PAYLOAD_FEEDBACK, _)
                if body.len() < FEEDBACK_SSRCS_LEN =>
            {
                return Err(RtcpError::BodyTooShort);
            }
            _ => Self::Unknown(UnknownRtcp { packet_type, count, body }),
        })
    }
}

/// A sub-packet whose header is valid.
struct RawPacket<'a> {
    packet_type: u8,
    count: u8,
    body: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> RawPacket<'a> {
    /// The first packet of `bytes` and what is behind it.
    fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), RtcpError> {
        let &[first, packet_type, len0, len1] = bytes.first_chunk().ok_or(RtcpError::TooShort)?;
        if first >> 6 != VERSION {
            return Err(RtcpError::BadVersion);
        }
        let len = (usize::from(u16::from_be_bytes([len0, len1])) + 1) * 4;
        let (bytes, behind) = bytes.split_at_checked(len).ok_or(RtcpError::LengthBeyondPacket)?;
        let body = bytes.get(RTCP_HEADER_LEN..).unwrap_or_default();
        let body = if first & PADDING_BIT == 0 { body } else { without_padding(body)? };
        Ok((Self { packet_type, count: first & COUNT_MASK, body, bytes }, behind))
    }
}

/// RFC 3550 section 6.4.1: the last byte counts the padding, itself included, in whole words.
fn without_padding(body: &[u8]) -> Result<&[u8], RtcpError> {
    let padding = usize::from(*body.last().ok_or(RtcpError::BadPadding)?);
    if padding == 0 || !padding.is_multiple_of(4) {
        return Err(RtcpError::BadPadding);
    }
    let len = body.len().checked_sub(padding).ok_or(RtcpError::BadPadding)?;
    body.get(..len).ok_or(RtcpError::BadPadding)
}

const VERSION: u8 = 2;
const PADDING_BIT: u8 = 0x20;
const COUNT_MASK: u8 = 0x1f;
/// Every feedback packet has a sender and a media SSRC.
const FEEDBACK_SSRCS_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::ExtendedBlock;

    const EMPTY_RR: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 7];
    const PLI: [u8; 12] = [0x81, 206, 0, 2, 0, 0, 0, 7, 0, 0, 0, 8];

    #[test]
    fn yields_packets_in_order_with_their_bytes() {
        let bytes = [&EMPTY_RR[..], &PLI].concat();
        let packets: Vec<_> = RtcpCompound::parse(&bytes).unwrap().packets().collect();
        let [
            (RtcpPacket::ReceiverReport(rr), rr_bytes),
            (RtcpPacket::PictureLossIndication(pli), pli_bytes),
        ] = &packets[..]
        else {
            panic!("{packets:?}");
        };
        assert_eq!((rr.sender_ssrc, *rr_bytes), (7, &EMPTY_RR[..]));
        assert_eq!((pli.sender_ssrc, pli.media_ssrc, *pli_bytes), (7, 8, &PLI[..]));
    }

    #[test]
    fn reduced_size_and_unknown_types_are_kept() {
        let bytes =
            [&PLI[..], &[0x83, 222, 0, 1, 1, 2, 3, 4], &[0x8b, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]]
                .concat();
        let packets: Vec<_> = RtcpCompound::parse(&bytes).unwrap().into_iter().collect();
        assert_eq!(packets.len(), 3);
        let RtcpPacket::Unknown(unknown) = packets[1].0 else { panic!("unknown") };
        assert_eq!(unknown, UnknownRtcp { packet_type: 222, count: 3, body: &[1, 2, 3, 4] });
        let RtcpPacket::Unknown(unknown) = packets[2].0 else { panic!("unknown") };
        assert_eq!(unknown.count, feedback_format::CONGESTION_CONTROL);
    }

    #[test]
    fn one_malformed_packet_refuses_all() {
        for (tail, expected) in [
            (&[0x80, 201, 0][..], RtcpError::TooShort),
            (&[0x40, 201, 0, 1, 0, 0, 0, 7], RtcpError::BadVersion),
            (&[0x80, 201, 0, 2, 0, 0, 0, 7], RtcpError::LengthBeyondPacket),
            (&[0x80, 201, 0, 0], RtcpError::BodyTooShort),
            (&[0x81, 201, 0, 1, 0, 0, 0, 7], RtcpError::BodyTooShort),
            (&[0x80, 200, 0, 1, 0, 0, 0, 7], RtcpError::BodyTooShort),
            (&[0x9f, 206, 0, 1, 0, 0, 0, 7], RtcpError::BodyTooShort),
            (&[0xa0, 222, 0, 1, 0, 0, 0, 0], RtcpError::BadPadding),
            (&[0xa0, 222, 0, 1, 0, 0, 0, 3], RtcpError::BadPadding),
            (&[0xa0, 222, 0, 1, 0, 0, 0, 8], RtcpError::BadPadding),
            (&[0xa0, 222, 0, 0], RtcpError::BadPadding),
        ] {
            let bytes = [&EMPTY_RR[..], tail].concat();
            assert_eq!(RtcpCompound::parse(&bytes).unwrap_err(), expected, "{tail:02x?}");
        }
        assert_eq!(RtcpCompound::parse(&[]).unwrap_err(), RtcpError::TooShort);
    }

    #[test]
    fn padding_is_no_body() {
        let bytes = [0xa0, 222, 0, 2, 1, 2, 3, 4, 0, 0, 0, 4];
        let compound = RtcpCompound::parse(&bytes).unwrap();
        let (RtcpPacket::Unknown(unknown), raw) = compound.packets().next().unwrap() else {
            panic!("unknown");
        };
        assert_eq!(unknown.body, [1, 2, 3, 4]);
        assert_eq!(raw, bytes);
    }

    fn exhaust_blocks(report: &ExtendedReport<'_>) -> usize {
        report
            .blocks()
            .map(|block| match block {
                ExtendedBlock::Answers(answers) => answers.iter().count(),
                _ => 1,
            })
            .sum()
    }

    fn exhaust(packet: RtcpPacket<'_>) -> usize {
        match packet {
            RtcpPacket::SenderReport(sr) => sr.blocks.iter().count(),
            RtcpPacket::ReceiverReport(rr) => rr.blocks.iter().count(),
            RtcpPacket::SourceDescription(sdes) => sdes.items().count(),
            RtcpPacket::Goodbye(bye) => bye.ssrcs().count() + bye.reason.map_or(0, <[u8]>::len),
            RtcpPacket::Application(app) => app.data.len(),
            RtcpPacket::ExtendedReport(xr) => exhaust_blocks(&xr),
            RtcpPacket::Nack(nack) => nack.sequence_numbers().count(),
            RtcpPacket::TransportFeedback(feedback) => {
                let count = feedback.statuses().count();
                assert_eq!(count, usize::from(feedback.status_count));
                count
            }
            RtcpPacket::PictureLossIndication(_) => 1,
            RtcpPacket::FullIntraRequest(fir) => fir.entries().count(),
            RtcpPacket::ReceiverEstimatedMaxBitrate(remb) => remb.ssrcs().count(),
            RtcpPacket::Unknown(unknown) => unknown.body.len(),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_tolerated(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(compound) = RtcpCompound::parse(&bytes) {
                compound.packets().for_each(|(packet, _)| { exhaust(packet); });
            }
        }

        #[test]
        fn any_body_of_any_type_is_tolerated(
            packets in prop::collection::vec(
                (0_u8..64, 198_u8..210, prop::collection::vec(any::<u8>(), 0..80)), 1..4,
            ),
        ) {
            let mut bytes = Vec::new();
            for (first, packet_type, body) in &packets {
                let words = u8::try_from(body.len() / 4).unwrap();
                bytes.extend([0x80 | first, *packet_type, 0, words]);
                bytes.extend(&body[..usize::from(words) * 4]);
            }
            if let Ok(compound) = RtcpCompound::parse(&bytes) {
                let lens: usize = compound.packets().map(|(packet, raw)| {
                    exhaust(packet);
                    raw.len()
                }).sum();
                prop_assert_eq!(lens, bytes.len());
                prop_assert_eq!(compound.packets().count(), packets.len());
            }
        }
    }
}
