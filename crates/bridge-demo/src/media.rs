//! The codecs and header extensions that the focus offers to every page: the set, the numbers and
//! the order of a Jicofo with its default configuration, but VP8 first, which every browser encodes
//! cheaply.

/// A codec of an offer.
#[derive(Clone, Copy, Debug)]
pub struct OfferedCodec {
    /// RTP payload type.
    pub payload_type: u8,
    /// Encoding name.
    pub name: &'static str,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Audio channels; 1 for video.
    pub channels: u8,
    /// Format parameters in order.
    pub parameters: &'static [(&'static str, &'static str)],
    /// RTCP feedback: type and subtype, which may be empty.
    pub feedback: &'static [(&'static str, &'static str)],
}

/// A header extension of an offer.
#[derive(Clone, Copy, Debug)]
pub struct OfferedExtension {
    /// Local identifier.
    pub id: u8,
    /// What it means.
    pub uri: &'static str,
}

/// Audio codecs, preferred first.
pub const AUDIO_CODECS: &[OfferedCodec] = &[
    OfferedCodec {
        payload_type: 111,
        name: "opus",
        clock_rate: 48_000,
        channels: 2,
        parameters: &[("minptime", "10"), ("useinbandfec", "1")],
        feedback: &[("transport-cc", "")],
    },
    OfferedCodec {
        payload_type: 126,
        name: "telephone-event",
        clock_rate: 8_000,
        channels: 1,
        parameters: &[],
        feedback: &[],
    },
];

/// Video codecs and their retransmission formats, preferred first.
pub const VIDEO_CODECS: &[OfferedCodec] = &[
    video(100, "VP8", &[]),
    rtx(96, &[("apt", "100")]),
    video(101, "VP9", &[("profile-id", "0")]),
    rtx(97, &[("apt", "101")]),
    video(
        107,
        "H264",
        &[
            ("level-asymmetry-allowed", "1"),
            ("packetization-mode", "1"),
            ("profile-level-id", "42e01f"),
        ],
    ),
    rtx(99, &[("apt", "107")]),
    video(41, "AV1", &[]),
    rtx(42, &[("apt", "41")]),
];

/// Header extensions of audio.
pub const AUDIO_EXTENSIONS: &[OfferedExtension] = &[
    OfferedExtension { id: 1, uri: "urn:ietf:params:rtp-hdrext:ssrc-audio-level" },
    TRANSPORT_CC,
    MID,
];

/// Header extensions of video.
pub const VIDEO_EXTENSIONS: &[OfferedExtension] = &[
    OfferedExtension { id: 3, uri: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" },
    TRANSPORT_CC,
    MID,
    OfferedExtension {
        id: 11,
        uri: "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    },
];

const TRANSPORT_CC: OfferedExtension = OfferedExtension {
    id: 5,
    uri: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
};

const MID: OfferedExtension =
    OfferedExtension { id: 10, uri: "urn:ietf:params:rtp-hdrext:sdes:mid" };

const VIDEO_FEEDBACK: &[(&str, &str)] =
    &[("ccm", "fir"), ("nack", ""), ("nack", "pli"), ("transport-cc", "")];

const fn video(
    payload_type: u8,
    name: &'static str,
    parameters: &'static [(&'static str, &'static str)],
) -> OfferedCodec {
    OfferedCodec {
        payload_type,
        name,
        clock_rate: 90_000,
        channels: 1,
        parameters,
        feedback: VIDEO_FEEDBACK,
    }
}

const fn rtx(payload_type: u8, apt: &'static [(&'static str, &'static str)]) -> OfferedCodec {
    OfferedCodec {
        payload_type,
        name: "rtx",
        clock_rate: 90_000,
        channels: 1,
        parameters: apt,
        feedback: &[],
    }
}
