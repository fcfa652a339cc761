//! Payload types and header extensions that an endpoint negotiated. They are added and overwritten,
//! never removed (JVB: `Colibri2ConferenceHandler`, `PayloadTypeUtil`).

use bridge_shard::{MediaDescription, PayloadType};
use bridge_signaling::colibri2;
use bridge_units::MediaType;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that was negotiated so far, by payload type number and extension id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NegotiatedMedia {
    payload_types: BTreeMap<u8, PayloadType>,
    header_extensions: BTreeMap<u8, String>,
    extmap_allow_mixed: bool,
}

impl NegotiatedMedia {
    /// Adds the `media` elements of one request; whether anything changed.
    pub(crate) fn apply(&mut self, medias: &[colibri2::Media]) -> bool {
        let Some(last) = medias.last() else { return false };
        let before = self.clone();
        for media in medias {
            if let Some(kind) = media.kind.media_type() {
                for signalled in &media.payload_types {
                    let payload_type = negotiated(signalled, kind);
                    self.payload_types.insert(payload_type.number, payload_type);
                }
            }
            for extension in &media.header_extensions {
                if HEADER_EXTENSION_URIS.contains(&extension.uri.as_str()) {
                    self.header_extensions.insert(extension.id, extension.uri.clone());
                }
            }
        }
        // As in JVB the last media element decides for the whole endpoint.
        self.extmap_allow_mixed = last.extmap_allow_mixed;
        *self != before
    }

    /// The picture that the data plane gets.
    pub(crate) fn description(&self) -> Arc<MediaDescription> {
        let extensions = self.header_extensions.iter().map(|(&id, uri)| (id, uri.clone()));
        Arc::new(MediaDescription {
            payload_types: self.payload_types.values().cloned().collect(),
            header_extensions: extensions.collect(),
            extmap_allow_mixed: self.extmap_allow_mixed,
        })
    }

    /// Whether there is a payload type of this encoding name, in lower case.
    pub(crate) fn has_payload_type(&self, name: &str) -> bool {
        self.payload_types.values().any(|payload_type| payload_type.name == name)
    }

    /// Whether there is any payload type of this kind, so that the endpoint can receive it.
    pub(crate) fn accepts(&self, media: MediaType) -> bool {
        self.payload_types.values().any(|payload_type| payload_type.media == media)
    }
}

fn negotiated(signalled: &colibri2::PayloadType, media: MediaType) -> PayloadType {
    let feedback = signalled.rtcp_fbs.iter().map(|fb| match fb.subtype.as_deref() {
        None | Some("") => fb.kind.clone(),
        Some(subtype) => format!("{} {subtype}", fb.kind),
    });
    PayloadType {
        number: signalled.id,
        name: signalled.name.to_ascii_lowercase(),
        clock_rate: signalled.clockrate.unwrap_or(match media {
            MediaType::Audio => DEFAULT_AUDIO_CLOCK_HZ,
            MediaType::Video => VIDEO_CLOCK_HZ,
        }),
        media,
        apt: signalled.parameter("apt").and_then(|apt| apt.trim().parse().ok()),
        feedback: feedback.collect(),
    }
}

/// The extensions that a bridge knows; others are skipped.
const HEADER_EXTENSION_URIS: [&str; 13] = [
    "urn:ietf:params:rtp-hdrext:csrc-audio-level",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "http://tools.ietf.org/html/draft-ietf-avtext-framemarking-07",
    "urn:ietf:params:rtp-hdrext:ohb",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:toffset",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    "urn:3gpp:video-orientation",
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
    "urn:ietf:params:rtp-hdrext:sdes:mid",
];

/// RFC 3551 section 6 gives most static audio payload types this clock.
const DEFAULT_AUDIO_CLOCK_HZ: u32 = 8_000;
/// RFC 3551 section 5: the clock of all video payload formats in use.
const VIDEO_CLOCK_HZ: u32 = 90_000;

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_signaling::colibri2::{Media, MediaKind, Parameter, RtcpFb, RtpHeaderExtension};

    fn media(kind: MediaKind, types: &[(u8, &str)], extensions: &[(u8, &str)]) -> Media {
        let mut media = Media::new(kind);
        for &(id, name) in types {
            media.payload_types.push(colibri2::PayloadType::new(id, name, 90_000));
        }
        for &(id, uri) in extensions {
            media.header_extensions.push(RtpHeaderExtension::new(id, uri));
        }
        media
    }

    #[test]
    fn types_and_extensions_are_added_and_overwritten_never_removed() {
        let mut negotiated = NegotiatedMedia::default();
        let mid = HEADER_EXTENSION_URIS[12];
        assert!(negotiated.apply(&[media(MediaKind::Video, &[(100, "VP8")], &[(10, mid)])]));
        assert!(negotiated.apply(&[media(MediaKind::Video, &[(100, "VP9"), (101, "x")], &[])]));
        let description = negotiated.description();
        let names: Vec<_> =
            description.payload_types.iter().map(|p| (p.number, p.name.as_str())).collect();
        assert_eq!(names, [(100, "vp9"), (101, "x")]);
        assert_eq!(description.header_extensions, [(10, mid.to_owned())]);
    }

    #[test]
    fn the_same_media_again_changes_nothing() {
        let mut negotiated = NegotiatedMedia::default();
        let list = [media(MediaKind::Audio, &[(111, "opus")], &[])];
        assert!(negotiated.apply(&list));
        assert!(!negotiated.apply(&list));
        assert!(!negotiated.apply(&[]));
    }

    #[test]
    fn unknown_extensions_and_other_media_are_skipped() {
        let mut negotiated = NegotiatedMedia::default();
        negotiated.apply(&[
            media(MediaKind::Audio, &[], &[(1, "urn:example:unknown")]),
            media(MediaKind::Application, &[(5, "data")], &[]),
        ]);
        assert_eq!(*negotiated.description(), MediaDescription::default());
        assert!(!negotiated.accepts(MediaType::Audio) && !negotiated.accepts(MediaType::Video));
    }

    #[test]
    fn feedback_and_apt_are_read() {
        let mut rtx = colibri2::PayloadType::new(96, "RTX", 90_000);
        rtx.parameters.push(Parameter::new("apt", "100"));
        let fb = |kind: &str, subtype: Option<&str>| RtcpFb {
            kind: kind.into(),
            subtype: subtype.map(Into::into),
        };
        rtx.rtcp_fbs = vec![fb("nack", None), fb("nack", Some("pli")), fb("ccm", Some("fir"))];
        let read = negotiated(&rtx, MediaType::Video);
        assert_eq!((read.apt, read.name.as_str()), (Some(100), "rtx"));
        assert_eq!(read.feedback, ["nack", "nack pli", "ccm fir"]);
    }

    #[test]
    fn the_last_media_element_decides_on_mixed_extensions() {
        let mut negotiated = NegotiatedMedia::default();
        let mut mixed = Media::new(MediaKind::Audio);
        mixed.extmap_allow_mixed = true;
        negotiated.apply(&[mixed.clone(), Media::new(MediaKind::Video)]);
        assert!(!negotiated.extmap_allow_mixed);
        negotiated.apply(&[Media::new(MediaKind::Video), mixed]);
        assert!(negotiated.extmap_allow_mixed);
    }
}
