/// The encodings that a bridge treats differently, by their signalled name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PayloadTypeEncoding {
    /// Parsed from its payload descriptor.
    Vp8,
    /// Parsed from its payload descriptor.
    Vp9,
    /// Parsed from the dependency descriptor.
    Av1,
    /// Parsed from the dependency descriptor if there is one.
    H264,
    /// RFC 2198 redundancy: of audio, or of video, which is not parsed.
    Red,
    /// RFC 4588 retransmission.
    Rtx,
    /// Audio.
    Opus,
    /// RFC 4733 tones.
    TelephoneEvent,
    /// Any other name, forwarded by what its media type allows.
    Other,
}

impl PayloadTypeEncoding {
    /// By name, case-insensitive. Answers to JVB's class of this name.
    pub fn from_name(name: &str) -> Self {
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(Self::Other, |&(_, encoding)| encoding)
    }
}

const NAMES: [(&str, PayloadTypeEncoding); 8] = [
    ("VP8", PayloadTypeEncoding::Vp8),
    ("VP9", PayloadTypeEncoding::Vp9),
    ("AV1", PayloadTypeEncoding::Av1),
    ("H264", PayloadTypeEncoding::H264),
    ("RED", PayloadTypeEncoding::Red),
    ("RTX", PayloadTypeEncoding::Rtx),
    ("OPUS", PayloadTypeEncoding::Opus),
    ("telephone-event", PayloadTypeEncoding::TelephoneEvent),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_insensitive() {
        for (name, expected) in [
            ("vp8", PayloadTypeEncoding::Vp8),
            ("VP9", PayloadTypeEncoding::Vp9),
            ("av1", PayloadTypeEncoding::Av1),
            ("h264", PayloadTypeEncoding::H264),
            ("rtx", PayloadTypeEncoding::Rtx),
            ("Red", PayloadTypeEncoding::Red),
            ("opus", PayloadTypeEncoding::Opus),
            ("TELEPHONE-EVENT", PayloadTypeEncoding::TelephoneEvent),
            ("H265", PayloadTypeEncoding::Other),
            ("ulpfec", PayloadTypeEncoding::Other),
            ("", PayloadTypeEncoding::Other),
        ] {
            assert_eq!(PayloadTypeEncoding::from_name(name), expected, "{name}");
        }
    }
}
