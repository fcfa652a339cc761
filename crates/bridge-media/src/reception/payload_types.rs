use bridge_rtp::PayloadTypeEncoding;
use bridge_units::MediaType;

use crate::video_codec::VideoCodec;

/// A payload type that an endpoint negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedPayloadType<'a> {
    /// 0 to 127; others are ignored.
    pub number: u8,
    /// The encoding name, case-insensitive.
    pub name: &'a str,
    /// Audio or video.
    pub media: MediaType,
    /// For RTX: the payload type that it repairs.
    pub apt: Option<u8>,
}

/// What a payload type carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PayloadKind {
    Audio,
    Video(VideoCodec),
    /// Retransmissions of packets of the payload type with this number.
    Rtx(u8),
    /// Forward error correction, which the bridge does not use.
    Fec,
}

/// An endpoint's payload types by number.
#[derive(Debug)]
pub(super) struct PayloadTypes {
    kinds: [Option<PayloadKind>; 128],
}

impl PayloadTypes {
    pub(super) fn new<'a>(types: impl IntoIterator<Item = ReceivedPayloadType<'a>>) -> Self {
        let mut kinds = [None; 128];
        for payload_type in types {
            if let Some(slot) = kinds.get_mut(usize::from(payload_type.number)) {
                *slot = kind_of(&payload_type);
            }
        }
        Self { kinds }
    }

    pub(super) fn kind(&self, number: u8) -> Option<PayloadKind> {
        self.kinds.get(usize::from(number)).copied().flatten()
    }

    /// The codec of a payload type of video itself.
    pub(super) fn codec(&self, number: u8) -> Option<VideoCodec> {
        match self.kind(number)? {
            PayloadKind::Video(codec) => Some(codec),
            PayloadKind::Audio | PayloadKind::Rtx(_) | PayloadKind::Fec => None,
        }
    }
}

/// RTX without `apt` cannot be undone: it is as good as not negotiated. Audio has no retransmissions.
fn kind_of(payload_type: &ReceivedPayloadType<'_>) -> Option<PayloadKind> {
    let encoding = PayloadTypeEncoding::from_name(payload_type.name);
    match (encoding, payload_type.media) {
        (PayloadTypeEncoding::Rtx, _) => payload_type.apt.map(PayloadKind::Rtx),
        (_, MediaType::Audio) => Some(PayloadKind::Audio),
        (_, MediaType::Video)
            if FEC.iter().any(|fec| payload_type.name.eq_ignore_ascii_case(fec)) =>
        {
            Some(PayloadKind::Fec)
        }
        (_, MediaType::Video) => Some(PayloadKind::Video(VideoCodec::from_name(payload_type.name))),
    }
}

const FEC: [&str; 3] = ["ulpfec", "flexfec-03", "flexfec"];
