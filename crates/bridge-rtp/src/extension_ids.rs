use crate::extension::ExtensionIdSet;

/// A header extension that this bridge knows by its URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionType {
    /// RFC 6464 client-to-mixer audio level.
    AudioLevel,
    /// RFC 6465 mixer-to-client audio level.
    CsrcAudioLevel,
    /// Absolute send time, 24 bits of 6.18 fixed point seconds.
    AbsSendTime,
    /// Frame marking, draft 7.
    FrameMarking,
    /// Original header block (RFC 8723).
    OriginalHeaderBlock,
    /// Transport-wide sequence number.
    TransportCc,
    /// RFC 8852 stream id.
    RtpStreamId,
    /// RFC 8852 stream id of the stream that a retransmission repairs.
    RepairedRtpStreamId,
    /// RFC 5450 transmission time offset.
    TransmissionOffset,
    /// Camera or screen.
    VideoContentType,
    /// 3GPP coordination of video orientation.
    VideoOrientation,
    /// AV1 dependency descriptor, also used with other codecs.
    DependencyDescriptor,
    /// Video layers allocation of the sender.
    VideoLayersAllocation,
    /// RFC 9143 media identification.
    Mid,
}

impl ExtensionType {
    /// The type with this exact URI; `None` is ignored by the bridge.
    pub fn from_uri(uri: &str) -> Option<Self> {
        URIS.iter().find(|(known, _)| *known == uri).map(|&(_, extension_type)| extension_type)
    }

    /// The URI of signalling.
    pub fn uri(self) -> &'static str {
        URIS.iter().find(|(_, extension_type)| *extension_type == self).map_or("", |&(uri, _)| uri)
    }
}

/// The ids that one endpoint's signalling gave to the known extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderExtensionIds {
    /// [`ExtensionType::AudioLevel`].
    pub audio_level: Option<u8>,
    /// [`ExtensionType::CsrcAudioLevel`].
    pub csrc_audio_level: Option<u8>,
    /// [`ExtensionType::AbsSendTime`].
    pub abs_send_time: Option<u8>,
    /// [`ExtensionType::FrameMarking`].
    pub frame_marking: Option<u8>,
    /// [`ExtensionType::OriginalHeaderBlock`].
    pub original_header_block: Option<u8>,
    /// [`ExtensionType::TransportCc`].
    pub transport_cc: Option<u8>,
    /// [`ExtensionType::RtpStreamId`].
    pub rtp_stream_id: Option<u8>,
    /// [`ExtensionType::RepairedRtpStreamId`].
    pub repaired_rtp_stream_id: Option<u8>,
    /// [`ExtensionType::TransmissionOffset`].
    pub transmission_offset: Option<u8>,
    /// [`ExtensionType::VideoContentType`].
    pub video_content_type: Option<u8>,
    /// [`ExtensionType::VideoOrientation`].
    pub video_orientation: Option<u8>,
    /// [`ExtensionType::DependencyDescriptor`].
    pub dependency_descriptor: Option<u8>,
    /// [`ExtensionType::VideoLayersAllocation`].
    pub video_layers_allocation: Option<u8>,
    /// [`ExtensionType::Mid`].
    pub mid: Option<u8>,
}

impl HeaderExtensionIds {
    /// From signalled (id, uri) pairs. Unknown URIs and id 0 are ignored; the last of two pairs with
    /// the same URI wins.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (u8, &'a str)>) -> Self {
        let mut ids = Self::default();
        for (id, uri) in pairs {
            if let (1.., Some(extension_type)) = (id, ExtensionType::from_uri(uri)) {
                *ids.slot(extension_type) = Some(id);
            }
        }
        ids
    }

    /// Gives `extension_type` this id, or none.
    pub fn set(&mut self, extension_type: ExtensionType, id: Option<u8>) {
        *self.slot(extension_type) = id;
    }

    /// The ids that survive forwarding to the endpoint with these ids: audio level, video
    /// orientation and, for packets that were parsed by it, the dependency descriptor. Everything
    /// else is hop by hop.
    pub fn forwarded(&self, with_dependency_descriptor: bool) -> ExtensionIdSet {
        let descriptor = self.dependency_descriptor.filter(|_| with_dependency_descriptor);
        [self.audio_level, self.video_orientation, descriptor].into_iter().flatten().collect()
    }

    fn slot(&mut self, extension_type: ExtensionType) -> &mut Option<u8> {
        match extension_type {
            ExtensionType::AudioLevel => &mut self.audio_level,
            ExtensionType::CsrcAudioLevel => &mut self.csrc_audio_level,
            ExtensionType::AbsSendTime => &mut self.abs_send_time,
            ExtensionType::FrameMarking => &mut self.frame_marking,
            ExtensionType::OriginalHeaderBlock => &mut self.original_header_block,
            ExtensionType::TransportCc => &mut self.transport_cc,
            ExtensionType::RtpStreamId => &mut self.rtp_stream_id,
            ExtensionType::RepairedRtpStreamId => &mut self.repaired_rtp_stream_id,
            ExtensionType::TransmissionOffset => &mut self.transmission_offset,
            ExtensionType::VideoContentType => &mut self.video_content_type,
            ExtensionType::VideoOrientation => &mut self.video_orientation,
            ExtensionType::DependencyDescriptor => &mut self.dependency_descriptor,
            ExtensionType::VideoLayersAllocation => &mut self.video_layers_allocation,
            ExtensionType::Mid => &mut self.mid,
        }
    }
}

const URIS: [(&str, ExtensionType); 14] = [
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", ExtensionType::AudioLevel),
    ("urn:ietf:params:rtp-hdrext:csrc-audio-level", ExtensionType::CsrcAudioLevel),
    ("http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", ExtensionType::AbsSendTime),
    ("http://tools.ietf.org/html/draft-ietf-avtext-framemarking-07", ExtensionType::FrameMarking),
    ("urn:ietf:params:rtp-hdrext:ohb", ExtensionType::OriginalHeaderBlock),
    (
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        ExtensionType::TransportCc,
    ),
    ("urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", ExtensionType::RtpStreamId),
    ("urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", ExtensionType::RepairedRtpStreamId),
    ("urn:ietf:params:rtp-hdrext:toffset", ExtensionType::TransmissionOffset),
    (
        "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
        ExtensionType::VideoContentType,
    ),
    ("urn:3gpp:video-orientation", ExtensionType::VideoOrientation),
    (
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
        ExtensionType::DependencyDescriptor,
    ),
    (
        "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
        ExtensionType::VideoLayersAllocation,
    ),
    ("urn:ietf:params:rtp-hdrext:sdes:mid", ExtensionType::Mid),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_signalled_pairs() {
        let ids = HeaderExtensionIds::from_pairs([
            (1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
            (0, "urn:3gpp:video-orientation"),
            (9, "urn:example:unknown"),
            (4, "urn:ietf:params:rtp-hdrext:sdes:mid"),
            (5, "urn:ietf:params:rtp-hdrext:sdes:mid"),
        ]);
        let expected = HeaderExtensionIds {
            audio_level: Some(1),
            mid: Some(5),
            ..HeaderExtensionIds::default()
        };
        assert_eq!(ids, expected);
    }

    #[test]
    fn each_type_has_its_own_uri_and_slot() {
        for (index, (uri, extension_type)) in (1_u8..).zip(URIS) {
            assert_eq!(ExtensionType::from_uri(uri), Some(extension_type));
            assert_eq!(extension_type.uri(), uri);
            let from_pair = HeaderExtensionIds::from_pairs([(index, uri)]);
            let mut set = HeaderExtensionIds::default();
            set.set(extension_type, Some(index));
            assert_eq!(from_pair, set);
            assert_ne!(set, HeaderExtensionIds::default());
        }
    }

    #[test]
    fn only_three_extensions_are_forwarded() {
        let ids = HeaderExtensionIds::from_pairs((1_u8..).zip(URIS.map(|(uri, _)| uri)));
        let forwarded = |with| (1..=14).filter(|&id| ids.forwarded(with).contains(id)).count();
        assert_eq!(forwarded(false), 2);
        assert_eq!(forwarded(true), 3);
        assert!(ids.forwarded(true).contains(ids.dependency_descriptor.unwrap()));
        assert!(HeaderExtensionIds::default().forwarded(true).is_empty());
    }
}
