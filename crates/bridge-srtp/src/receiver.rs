use crate::KeyingMaterial;
use crate::cipher::{Cipher, RTCP_HEADER_LEN, SRTCP_ENCRYPTED};
use crate::derivation::Packets;
use crate::error::OpenError;
use crate::profile::Profile;
use crate::replay::{ReplayWindow, extend_sequence_number};
use crate::stream_table::StreamTable;

/// SSRCs of a peer whose state is kept, for RTP and for RTCP each (contract: 1024, least recently
/// used). A stream that was pushed out starts again with rollover counter 0.
pub const MAX_RECEIVE_STREAMS: usize = 1024;

/// Opens the packets of one peer.
pub struct SrtpReceiver {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: StreamTable<ReplayWindow>,
    rtcp_streams: StreamTable<ReplayWindow>,
}

impl SrtpReceiver {
    /// With the peer's keys of `keying`.
    pub fn new(keying: &KeyingMaterial) -> Self {
        Self {
            profile: keying.profile(),
            rtp: Cipher::new(keying.remote(), Packets::Rtp),
            rtcp: Cipher::new(keying.remote(), Packets::Rtcp),
            rtp_streams: StreamTable::new(MAX_RECEIVE_STREAMS),
            rtcp_streams: StreamTable::new(MAX_RECEIVE_STREAMS),
        }
    }

    /// Opens an RTP packet in place and returns its length without the tag.
    ///
    /// `header_len` is the length of the header with CSRCs and extension. State of an SSRC begins
    /// and moves only with authenticated packets. After an error the content is undefined.
    pub fn open_rtp(&mut self, packet: &mut [u8], header_len: usize) -> Result<usize, OpenError> {
        if header_len < RTP_HEADER_LEN
            || packet.len() < header_len.saturating_add(self.profile.tag_len())
        {
            return Err(OpenError::TooShort);
        }
        let seq = u16::from_be_bytes(field(packet, 2)?);
        let ssrc = u32::from_be_bytes(field(packet, 8)?);
        let index = match self.rtp_streams.peek(ssrc) {
            None => u64::from(seq),
            Some(window) => {
                let index = extend_sequence_number(window.newest(), seq);
                window.check(index)?;
                index
            }
        };
        let len = self.rtp.open_rtp(packet, header_len, ssrc, index)?;
        record(&mut self.rtp_streams, ssrc, index);
        Ok(len)
    }

    /// Opens a compound RTCP packet in place and returns its length without index and tag.
    ///
    /// The state is that of the first packet's sender SSRC.
    ///
    /// Differs from JVB: a packet whose E bit is 0 is refused. DTLS-SRTP cannot negotiate
    /// unencrypted SRTCP, and no WebRTC peer sends it.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let overhead = self.profile.rtcp_overhead();
        let plain_len = packet.len().checked_sub(overhead).ok_or(OpenError::TooShort)?;
        if plain_len < RTCP_HEADER_LEN {
            return Err(OpenError::TooShort);
        }
        let ssrc = u32::from_be_bytes(field(packet, 4)?);
        let word_at = self.rtcp.rtcp_word_at(packet.len()).ok_or(OpenError::TooShort)?;
        let word = u32::from_be_bytes(field(packet, word_at)?);
        if word & SRTCP_ENCRYPTED == 0 {
            return Err(OpenError::Unencrypted);
        }
        let index = u64::from(word & !SRTCP_ENCRYPTED);
        if let Some(window) = self.rtcp_streams.peek(ssrc) {
            window.check(index)?;
        }
        self.rtcp.open_rtcp(packet, plain_len, ssrc, word)?;
        record(&mut self.rtcp_streams, ssrc, index);
        Ok(plain_len)
    }

    /// The profile that is in use.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// SSRCs of RTP that have state now.
    pub const fn rtp_stream_count(&self) -> usize {
        self.rtp_streams.len()
    }
}

fn record(streams: &mut StreamTable<ReplayWindow>, ssrc: u32, index: u64) {
    if let Some(window) = streams.get_mut(ssrc) {
        window.record(index);
    } else {
        let inserted = streams.insert(ssrc, ReplayWindow::starting_at(index), |_| true);
        debug_assert!(inserted.is_ok(), "any stream may be evicted");
    }
}

/// `N` bytes of a received packet.
pub(crate) fn field<const N: usize>(packet: &[u8], at: usize) -> Result<[u8; N], OpenError> {
    packet.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(OpenError::TooShort)
}

/// Fixed part of an RTP header (RFC 3550, 5.1).
pub(crate) const RTP_HEADER_LEN: usize = 12;
