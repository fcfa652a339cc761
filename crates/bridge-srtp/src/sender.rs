use crate::KeyingMaterial;
use crate::cipher::{Cipher, RTCP_HEADER_LEN, SRTCP_ENCRYPTED};
use crate::derivation::Packets;
use crate::error::{OpenError, SealError};
use crate::profile::Profile;
use crate::receiver::{RTP_HEADER_LEN, field};
use crate::replay::{ReplayWindow, extend_sequence_number};
use crate::stream_table::StreamTable;

/// SSRCs whose rollover counter is remembered for one receiver.
///
/// Differs from JVB, which keeps 1024 and forgets the least recently used: a stream that comes
/// back would start again at counter 0 and use nonces a second time, which breaks GCM. Here only
/// streams that never rolled over are forgotten, when 4096 others were used since, and the limit is
/// higher since a sender's streams are our own choice.
pub const MAX_SEND_STREAMS: usize = 4096;

/// Longest sealed packet: more than any datagram, and far from the 2^16 blocks of a keystream.
const MAX_PACKET_LEN: usize = 1 << 16;

/// Seals the packets for one peer.
pub struct SrtpSender {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    /// The indexes that were used of each SSRC.
    streams: StreamTable<ReplayWindow>,
    /// One index for all SSRCs: each must only rise, and a shared one needs no table that could
    /// forget (RFC 3711, 3.4).
    next_rtcp_index: u32,
}

impl SrtpSender {
    /// With our keys of `keying`.
    pub fn new(keying: &KeyingMaterial) -> Self {
        Self {
            profile: keying.profile(),
            rtp: Cipher::new(keying.local(), Packets::Rtp),
            rtcp: Cipher::new(keying.local(), Packets::Rtcp),
            streams: StreamTable::new(MAX_SEND_STREAMS),
            next_rtcp_index: 0,
        }
    }

    /// Seals an RTP packet given in two parts into `out` and returns its length there, which is
    /// `header.len() + payload.len() + profile.rtp_overhead()`.
    ///
    /// `header` is the whole header as it goes out, with CSRCs and extension. Sequence numbers of
    /// an SSRC may go back, also across a wrap, but each index is used once: two packets under one
    /// index would break GCM, and what is forwarded carries numbers that its sender chose. One that
    /// was used, or is too old to tell, is refused with [`SealError::Repeated`].
    ///
    /// Differs from JVB, which seals whatever it is given; retransmissions have an SSRC and numbers
    /// of their own (RFC 4588).
    pub fn seal_rtp(
        &mut self,
        header: &[u8],
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        if header.len() < RTP_HEADER_LEN {
            return Err(SealError::TooShort);
        }
        let len = header.len() + payload.len() + self.profile.tag_len();
        if len > MAX_PACKET_LEN {
            return Err(SealError::TooLong);
        }
        let out = out.get_mut(..len).ok_or(SealError::OutputTooSmall)?;
        let seq = u16::from_be_bytes(sealed_field(header, 2)?);
        let ssrc = u32::from_be_bytes(sealed_field(header, 8)?);
        let index = self.advance(ssrc, seq)?;
        self.rtp.seal_rtp(header, payload, out, ssrc, index);
        Ok(len)
    }

    /// As [`Self::seal_rtp`], with a payload of `payload_len` bytes that `fill` writes where it is
    /// sealed: for payloads that differ from one receiver to the next, or come in parts.
    ///
    /// # Errors
    /// Those of [`Self::seal_rtp`]; `fill` is not called then.
    pub fn seal_rtp_with(
        &mut self,
        header: &[u8],
        payload_len: usize,
        out: &mut [u8],
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<usize, SealError> {
        if header.len() < RTP_HEADER_LEN {
            return Err(SealError::TooShort);
        }
        let len = header.len() + payload_len + self.profile.tag_len();
        if len > MAX_PACKET_LEN {
            return Err(SealError::TooLong);
        }
        let out = out.get_mut(..len).ok_or(SealError::OutputTooSmall)?;
        let seq = u16::from_be_bytes(sealed_field(header, 2)?);
        let ssrc = u32::from_be_bytes(sealed_field(header, 8)?);
        let index = self.advance(ssrc, seq)?;
        let (out_header, rest) = out.split_at_mut(header.len());
        let (payload, tag) = rest.split_at_mut(payload_len);
        out_header.copy_from_slice(header);
        fill(payload);
        self.rtp.seal_rtp_in_place(header, payload, tag, ssrc, index);
        Ok(len)
    }

    /// Seals an RTP packet that is at the beginning of `out` already; answers the sealed length.
    ///
    /// # Errors
    ///
    /// As [`Self::seal_rtp`].
    pub fn seal_rtp_in_place(
        &mut self,
        out: &mut [u8],
        header_len: usize,
        payload_len: usize,
    ) -> Result<usize, SealError> {
        let Parts { header, payload, tag, ssrc, index, len } =
            self.parts(out, header_len, payload_len)?;
        self.rtp.seal_rtp_in_place(header, payload, tag, ssrc, index);
        Ok(len)
    }

    /// Seals `payload` behind a header of `header_len` bytes that is at the beginning of `out`
    /// already; answers the sealed length.
    ///
    /// # Errors
    ///
    /// As [`Self::seal_rtp`].
    pub fn seal_rtp_payload(
        &mut self,
        out: &mut [u8],
        header_len: usize,
        payload: &[u8],
    ) -> Result<usize, SealError> {
        let parts = self.parts(out, header_len, payload.len())?;
        let Parts { header, payload: out, tag, ssrc, index, len } = parts;
        self.rtp.seal_rtp_payload(header, payload, out, tag, (ssrc, index));
        Ok(len)
    }

    /// Seals a compound RTCP packet into `out` and returns its length there, which is
    /// `packet.len() + profile.rtcp_overhead()`.
    pub fn seal_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Result<usize, SealError> {
        if packet.len() < RTCP_HEADER_LEN {
            return Err(SealError::TooShort);
        }
        let len = packet.len() + self.profile.rtcp_overhead();
        if len > MAX_PACKET_LEN {
            return Err(SealError::TooLong);
        }
        let out = out.get_mut(..len).ok_or(SealError::OutputTooSmall)?;
        let ssrc = u32::from_be_bytes(sealed_field(packet, 4)?);
        let index = self.next_rtcp_index;
        if index & SRTCP_ENCRYPTED != 0 {
            return Err(SealError::KeyExhausted);
        }
        self.next_rtcp_index += 1;
        self.rtcp.seal_rtcp(packet, out, ssrc, SRTCP_ENCRYPTED | index);
        Ok(len)
    }

    /// The profile that is in use.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// SSRCs of RTP that have state now.
    pub const fn rtp_stream_count(&self) -> usize {
        self.streams.len()
    }

    /// The index of a packet about to be sent.
    /// Header, payload, tag, SSRC and index of a packet that is about to be sealed in `out`.
    fn parts<'o>(
        &mut self,
        out: &'o mut [u8],
        header_len: usize,
        payload_len: usize,
    ) -> Result<Parts<'o>, SealError> {
        if header_len < RTP_HEADER_LEN {
            return Err(SealError::TooShort);
        }
        let len = header_len + payload_len + self.profile.tag_len();
        if len > MAX_PACKET_LEN {
            return Err(SealError::TooLong);
        }
        let out = out.get_mut(..len).ok_or(SealError::OutputTooSmall)?;
        let (header, rest) = out.split_at_mut(header_len);
        let (payload, tag) = rest.split_at_mut(payload_len);
        let seq = u16::from_be_bytes(sealed_field(header, 2)?);
        let ssrc = u32::from_be_bytes(sealed_field(header, 8)?);
        let index = self.advance(ssrc, seq)?;
        Ok(Parts { header, payload, tag, ssrc, index, len })
    }

    fn advance(&mut self, ssrc: u32, seq: u16) -> Result<u64, SealError> {
        if let Some(used) = self.streams.get_mut(ssrc) {
            let index = extend_sequence_number(used.newest(), seq);
            if index > MAX_RTP_INDEX {
                return Err(SealError::KeyExhausted);
            }
            used.check(index).map_err(|_| SealError::Repeated)?;
            used.record(index);
            return Ok(index);
        }
        let index = u64::from(seq);
        self.streams
            .insert(ssrc, ReplayWindow::starting_at(index), |used| used.newest() >> 16 == 0)
            .map_err(|_| SealError::TooManyStreams)?;
        Ok(index)
    }
}

/// A packet where it is sealed.
struct Parts<'o> {
    header: &'o [u8],
    payload: &'o mut [u8],
    tag: &'o mut [u8],
    ssrc: u32,
    index: u64,
    len: usize,
}

fn sealed_field<const N: usize>(packet: &[u8], at: usize) -> Result<[u8; N], SealError> {
    field(packet, at).map_err(|_: OpenError| SealError::TooShort)
}

/// Indexes have 48 bits.
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;
