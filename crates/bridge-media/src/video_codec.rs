use bridge_rtp::PayloadTypeEncoding;

/// How the frames of a video payload type are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// By the payload descriptor of RFC 7741.
    Vp8,
    /// By the payload descriptor of RFC 9628.
    Vp9,
    /// By the dependency descriptor only.
    Av1,
    /// By the dependency descriptor, or else key frames by the payload.
    H264,
    /// By the dependency descriptor, or else key frames by the payload.
    H265,
    /// By the dependency descriptor, or else not at all.
    Other,
}

impl VideoCodec {
    /// By the signalled encoding name, case-insensitive.
    pub fn from_name(name: &str) -> Self {
        match PayloadTypeEncoding::from_name(name) {
            PayloadTypeEncoding::Vp8 => Self::Vp8,
            PayloadTypeEncoding::Vp9 => Self::Vp9,
            PayloadTypeEncoding::Av1 => Self::Av1,
            PayloadTypeEncoding::H264 => Self::H264,
            // Differs from JVB, which knows no H.265.
            _ if name.eq_ignore_ascii_case("H265") => Self::H265,
            _ => Self::Other,
        }
    }
}
