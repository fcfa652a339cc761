use std::error::Error;
use std::fmt;

/// Why RTP bytes were refused. Peer input: count it by variant, do not log it per packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RtpError {
    /// Less than the fixed header of 12 bytes.
    TooShort,
    /// The version is not 2.
    BadVersion,
    /// CSRCs or the extension block end beyond the packet.
    HeaderBeyondPacket,
    /// A retransmission with less than the two bytes of the original sequence number: a probe.
    NoOriginalSequence,
    /// The output does not fit into the buffer.
    BufferTooSmall,
    /// An extension to be written has id 0 or more than 255 bytes.
    BadExtension,
}

/// Why RTCP bytes were refused. Peer input: count it by variant, do not log it per packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RtcpError {
    /// No packet at all, or fewer than four bytes left where a header must be.
    TooShort,
    /// The version of a sub-packet is not 2.
    BadVersion,
    /// The length field of a sub-packet points beyond the datagram.
    LengthBeyondPacket,
    /// Padding of zero bytes, of no whole words, or of more bytes than the body has.
    BadPadding,
    /// The body is shorter than its type or its count field demands.
    BodyTooShort,
    /// The body contradicts itself, for example an item that ends beyond its packet.
    MalformedBody,
    /// The output does not fit into the buffer.
    BufferTooSmall,
    /// More entries than the count field of the type can tell.
    TooManyEntries,
}

impl fmt::Display for RtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "shorter than an RTP header",
            Self::BadVersion => "RTP version is not 2",
            Self::HeaderBeyondPacket => "RTP header is longer than the packet",
            Self::NoOriginalSequence => "retransmission without original sequence number",
            Self::BufferTooSmall => "output buffer is too small",
            Self::BadExtension => "header extension cannot be encoded",
        })
    }
}

impl fmt::Display for RtcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "shorter than an RTCP header",
            Self::BadVersion => "RTCP version is not 2",
            Self::LengthBeyondPacket => "RTCP length is beyond the datagram",
            Self::BadPadding => "RTCP padding is invalid",
            Self::BodyTooShort => "RTCP body is too short",
            Self::MalformedBody => "RTCP body is malformed",
            Self::BufferTooSmall => "output buffer is too small",
            Self::TooManyEntries => "more entries than an RTCP count field can tell",
        })
    }
}

impl Error for RtpError {}
impl Error for RtcpError {}
