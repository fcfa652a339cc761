use std::fmt;

/// Why a received packet was not opened. Peer input: count it by variant, never log it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenError {
    /// Shorter than its header and tag, or the given header length does not fit.
    TooShort,
    /// A packet with this index was opened before.
    Replayed,
    /// Older than the replay window, so that nobody knows whether it was opened before.
    TooOld,
    /// The authentication tag is wrong: forged, damaged, or sealed with other keys or another
    /// rollover counter.
    Unauthenticated,
    /// RTCP whose E bit says that it is not encrypted.
    Unencrypted,
}

/// Why a packet was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealError {
    /// The header is shorter than an RTP or RTCP header.
    TooShort,
    /// Longer than any datagram (64 KiB).
    TooLong,
    /// `out` cannot hold the packet and its tag.
    OutputTooSmall,
    /// Every index of this key was used (2^48 packets of an SSRC, 2^31 RTCP packets): a new
    /// association is needed (RFC 3711, 9.2).
    KeyExhausted,
    /// A packet was sealed under this index before, or it is too old to tell.
    Repeated,
    /// [`MAX_SEND_STREAMS`](crate::MAX_SEND_STREAMS) SSRCs with history are being sent.
    TooManyStreams,
}

/// Why keying material could not be taken from an exporter block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyingError {
    /// Not [`Profile::exporter_len`](crate::Profile::exporter_len) bytes.
    WrongLength,
}

impl OpenError {
    /// Every variant, to make a counter for each.
    pub const ALL: [Self; 5] =
        [Self::TooShort, Self::Replayed, Self::TooOld, Self::Unauthenticated, Self::Unencrypted];
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "packet too short",
            Self::Replayed => "packet replayed",
            Self::TooOld => "packet older than the replay window",
            Self::Unauthenticated => "authentication failed",
            Self::Unencrypted => "RTCP is not encrypted",
        })
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "header too short",
            Self::TooLong => "packet too long",
            Self::OutputTooSmall => "output buffer too small",
            Self::KeyExhausted => "key used up",
            Self::Repeated => "index used before",
            Self::TooManyStreams => "too many streams",
        })
    }
}

impl fmt::Display for KeyingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongLength => f.write_str("wrong length of exported keying material"),
        }
    }
}

impl std::error::Error for OpenError {}
impl std::error::Error for SealError {}
impl std::error::Error for KeyingError {}
