use bridge_units::Bitrate;

use crate::bytes::read_u32;
use crate::error::RtcpError;

/// Generic NACK (RFC 4585 section 6.2.1).
#[derive(Clone, Copy, Debug)]
pub struct Nack<'a> {
    /// Who asks.
    pub sender_ssrc: u32,
    /// The stream asked for.
    pub media_ssrc: u32,
    pairs: &'a [[u8; 4]],
}

/// Picture loss indication (RFC 4585 section 6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLossIndication {
    /// Who asks.
    pub sender_ssrc: u32,
    /// The stream asked for.
    pub media_ssrc: u32,
}

/// Full intra request (RFC 5104 section 4.3.1). The streams asked for are in the entries.
#[derive(Clone, Copy, Debug)]
pub struct FullIntraRequest<'a> {
    /// Who asks.
    pub sender_ssrc: u32,
    /// 0 by the RFC, not checked.
    pub media_ssrc: u32,
    entries: &'a [[u8; FIR_ENTRY_LEN]],
}

/// One stream of a full intra request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirEntry {
    /// The stream asked for.
    pub ssrc: u32,
    /// Rises with each new request, stays with a repetition.
    pub sequence_number: u8,
}

/// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb).
#[derive(Clone, Copy, Debug)]
pub struct ReceiverEstimatedMaxBitrate<'a> {
    /// Who estimates.
    pub sender_ssrc: u32,
    /// The estimate; one that does not fit 64 bits is saturated.
    pub bitrate: Bitrate,
    ssrcs: &'a [[u8; 4]],
}

impl<'a> Nack<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, RtcpError> {
        let (sender_ssrc, media_ssrc, fci) = split_ssrcs(body)?;
        Ok(Self { sender_ssrc, media_ssrc, pairs: fci.as_chunks().0 })
    }

    /// The sequence numbers asked for, in the order of the packet. At most 17 for each four bytes.
    pub fn sequence_numbers(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.pairs.iter().flat_map(|&[pid0, pid1, blp0, blp1]| {
            let pid = u16::from_be_bytes([pid0, pid1]);
            let following = u16::from_be_bytes([blp0, blp1]);
            let lost = (0..16_u16).filter(move |bit| (following >> bit) & 1 != 0);
            std::iter::once(pid).chain(lost.map(move |bit| pid.wrapping_add(bit + 1)))
        })
    }
}

impl PictureLossIndication {
    pub(super) fn parse(body: &[u8]) -> Result<Self, RtcpError> {
        let (sender_ssrc, media_ssrc, _) = split_ssrcs(body)?;
        Ok(Self { sender_ssrc, media_ssrc })
    }
}

impl<'a> FullIntraRequest<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, RtcpError> {
        let (sender_ssrc, media_ssrc, fci) = split_ssrcs(body)?;
        let (entries, rest) = fci.as_chunks();
        if !rest.is_empty() {
            return Err(RtcpError::MalformedBody);
        }
        Ok(Self { sender_ssrc, media_ssrc, entries })
    }

    /// The streams asked for.
    pub fn entries(&self) -> impl Iterator<Item = FirEntry> + use<'a> {
        self.entries.iter().map(|&[s0, s1, s2, s3, sequence_number, ..]| FirEntry {
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            sequence_number,
        })
    }
}

impl<'a> ReceiverEstimatedMaxBitrate<'a> {
    /// Whether an application layer feedback is a REMB.
    pub(super) fn is_in(body: &[u8]) -> bool {
        body.get(SSRCS_LEN..).is_some_and(|fci| fci.starts_with(&REMB_NAME))
    }

    pub(super) fn parse(body: &'a [u8]) -> Result<Self, RtcpError> {
        let (sender_ssrc, _, fci) = split_ssrcs(body)?;
        let (head, ssrcs) = fci.split_first_chunk::<8>().ok_or(RtcpError::BodyTooShort)?;
        let [_, _, _, _, count, exponent_mantissa, mantissa1, mantissa0] = *head;
        let exponent = u32::from(exponent_mantissa >> 2);
        let mantissa = u32::from_be_bytes([0, exponent_mantissa & 3, mantissa1, mantissa0]);
        let bps = u128::from(mantissa) << exponent;
        let (ssrcs, _) = ssrcs.as_chunks();
        Ok(Self {
            sender_ssrc,
            bitrate: Bitrate::from_bps(u64::try_from(bps).unwrap_or(u64::MAX)),
            ssrcs: ssrcs.get(..usize::from(count)).ok_or(RtcpError::BodyTooShort)?,
        })
    }

    /// The streams that the estimate covers.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.ssrcs.iter().map(|ssrc| u32::from_be_bytes(*ssrc))
    }
}

/// Sender SSRC, media SSRC and the feedback control information behind them.
pub(super) fn split_ssrcs(body: &[u8]) -> Result<(u32, u32, &[u8]), RtcpError> {
    let sender_ssrc = read_u32(body, 0).ok_or(RtcpError::BodyTooShort)?;
    let media_ssrc = read_u32(body, 4).ok_or(RtcpError::BodyTooShort)?;
    Ok((sender_ssrc, media_ssrc, body.get(SSRCS_LEN..).unwrap_or_default()))
}

/// Exponent and mantissa of a REMB: the mantissa has 18 bits, the rest is cut off.
pub(super) fn remb_exponent_mantissa(bitrate: Bitrate) -> (u8, u32) {
    let mut mantissa = bitrate.bps();
    let mut exponent = 0;
    while mantissa > MAX_REMB_MANTISSA {
        mantissa >>= 1;
        exponent += 1;
    }
    (exponent, u32::try_from(mantissa).expect("18 bits fit 32"))
}

pub(super) const REMB_NAME: [u8; 4] = *b"REMB";
pub(super) const FIR_ENTRY_LEN: usize = 8;
const SSRCS_LEN: usize = 8;
const MAX_REMB_MANTISSA: u64 = (1 << 18) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    const SSRCS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 2];

    fn body(fci: &[u8]) -> Vec<u8> {
        [&SSRCS, fci].concat()
    }

    #[test]
    fn nack_pairs_of_the_reference() {
        let fci = [0xaf, 0x20, 0x80, 0x20, 0xaf, 0x32, 0x00, 0x28];
        let bytes = body(&fci);
        let nack = Nack::parse(&bytes).unwrap();
        assert_eq!((nack.sender_ssrc, nack.media_ssrc), (1, 2));
        let expected = [44_832, 44_838, 44_848, 44_850, 44_854, 44_856];
        assert_eq!(nack.sequence_numbers().collect::<Vec<_>>(), expected);
        let bytes = body(&[0xff, 0xfa, 0x10, 0x28]);
        let wrapping: Vec<_> = Nack::parse(&bytes).unwrap().sequence_numbers().collect();
        assert_eq!(wrapping, [65_530, 65_534, 0, 7]);
        assert_eq!(Nack::parse(&SSRCS).unwrap().sequence_numbers().count(), 0);
    }

    #[test]
    fn fir_entries() {
        let bytes = body(&[0, 0, 0, 9, 42, 0, 0, 0, 0, 0, 0, 10, 43, 0, 0, 0]);
        let entries: Vec<_> = FullIntraRequest::parse(&bytes).unwrap().entries().collect();
        let entry = |ssrc, sequence_number| FirEntry { ssrc, sequence_number };
        assert_eq!(entries, [entry(9, 42), entry(10, 43)]);
        let odd = body(&[0; 12]);
        assert_eq!(FullIntraRequest::parse(&odd).unwrap_err(), RtcpError::MalformedBody);
    }

    #[test]
    fn remb_saturates_and_checks_its_count() {
        let mut fci = *b"REMB\x01\xff\xff\xff\x00\x00\x00\x07";
        let bytes = body(&fci);
        let remb = ReceiverEstimatedMaxBitrate::parse(&bytes).unwrap();
        assert_eq!(remb.bitrate, Bitrate::from_bps(u64::MAX));
        assert_eq!(remb.ssrcs().collect::<Vec<_>>(), [7]);
        fci[4] = 2;
        let refused = ReceiverEstimatedMaxBitrate::parse(&body(&fci)).unwrap_err();
        assert_eq!(refused, RtcpError::BodyTooShort);
        assert!(!ReceiverEstimatedMaxBitrate::is_in(&body(b"RAMB")));
    }

    #[test]
    fn remb_keeps_eighteen_bits() {
        for (bps, expected) in [
            (0, 0),
            (262_143, 262_143),
            (262_145, 262_144),
            (50_000_000, 49_999_872),
            (u64::MAX, 262_143 << 46),
        ] {
            let (exponent, mantissa) = remb_exponent_mantissa(Bitrate::from_bps(bps));
            assert_eq!(u64::from(mantissa) << exponent, expected, "{bps}");
        }
    }

    #[test]
    fn feedback_needs_both_ssrcs() {
        assert_eq!(PictureLossIndication::parse(&SSRCS[..7]).unwrap_err(), RtcpError::BodyTooShort);
        assert_eq!(Nack::parse(&SSRCS[..4]).unwrap_err(), RtcpError::BodyTooShort);
    }
}
