/// The most bytes that [`SrtpSender::seal_rtp`](crate::SrtpSender::seal_rtp) adds to a packet.
pub const MAX_RTP_OVERHEAD: usize = 16;
/// The most bytes that [`SrtpSender::seal_rtcp`](crate::SrtpSender::seal_rtcp) adds to a compound
/// packet: the largest tag and the index word.
pub const MAX_RTCP_OVERHEAD: usize = 16 + SRTCP_INDEX_LEN;

/// Length of the word with the E bit and the SRTCP index (RFC 3711, 3.4).
pub(crate) const SRTCP_INDEX_LEN: usize = 4;
/// Longest master or session encryption key.
pub(crate) const MAX_KEY_LEN: usize = 32;
/// Longest master salt.
pub(crate) const MAX_SALT_LEN: usize = 14;

/// An SRTP protection profile that can be negotiated with `use_srtp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `SRTP_AEAD_AES_128_GCM` (RFC 7714).
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM` (RFC 7714).
    AeadAes256Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80` (RFC 5764): what every WebRTC peer must support.
    Aes128CmHmacSha1_80,
}

impl Profile {
    /// Every profile of this crate.
    pub const ALL: [Self; 3] =
        [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::Aes128CmHmacSha1_80];

    /// The profile with this IANA value of `use_srtp`.
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            0x0001 => Some(Self::Aes128CmHmacSha1_80),
            0x0007 => Some(Self::AeadAes128Gcm),
            0x0008 => Some(Self::AeadAes256Gcm),
            _ => None,
        }
    }

    /// The profile with this name in the configuration (`jmt.srtp.protection-profiles`).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// The IANA value in `use_srtp`.
    pub const fn id(self) -> u16 {
        match self {
            Self::Aes128CmHmacSha1_80 => 0x0001,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
        }
    }

    /// The IANA name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
            Self::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
        }
    }

    /// Bytes of a master key, and of a session encryption key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmHmacSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a master salt, and of a session salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// Bytes that sealing adds to an RTP packet.
    pub const fn rtp_overhead(self) -> usize {
        self.tag_len()
    }

    /// Bytes that sealing adds to a compound RTCP packet.
    pub const fn rtcp_overhead(self) -> usize {
        self.tag_len() + SRTCP_INDEX_LEN
    }

    /// Bytes to take from the DTLS exporter: two keys and two salts (RFC 5764, 4.2).
    pub const fn exporter_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    /// Bytes of an authentication tag; the same for RTP and RTCP in these profiles.
    pub(crate) const fn tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_lead_back_to_the_profile() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_id(profile.id()), Some(profile));
            assert_eq!(Profile::from_name(profile.name()), Some(profile));
            assert!(profile.rtp_overhead() <= MAX_RTP_OVERHEAD);
            assert!(profile.rtcp_overhead() <= MAX_RTCP_OVERHEAD);
        }
        for unknown in [0, 2, 5, 6, 9, u16::MAX] {
            assert_eq!(Profile::from_id(unknown), None);
        }
        assert_eq!(Profile::from_name("SRTP_NULL_HMAC_SHA1_80"), None);
    }

    #[test]
    fn exporter_lengths_are_those_of_rfc_5764_and_7714() {
        assert_eq!(Profile::Aes128CmHmacSha1_80.exporter_len(), 60);
        assert_eq!(Profile::AeadAes128Gcm.exporter_len(), 56);
        assert_eq!(Profile::AeadAes256Gcm.exporter_len(), 88);
    }
}
