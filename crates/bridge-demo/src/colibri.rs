//! The colibri2 requests of the focus, in the form that Jicofo gives them, and what their answers
//! say.

use bridge_signaling::colibri2::{
    Capability, ConferenceModified, ConferenceModify, Endpoint, ErrorReason, InitialLastN, Media,
    MediaKind, MediaSource, Parameter, PayloadType, RtcpFb, RtpHeaderExtension, Sctp,
    Source as ColibriSource, Sources, SsrcGroup as ColibriGroup, SsrcGroupSemantics, Transport,
};
use bridge_signaling::ice_udp::{Candidate, DtlsFingerprint, DtlsSetup, IceUdpTransport};
use bridge_signaling::{ErrorAnswer, VideoType};
use bridge_units::{EndpointId, MediaType};

use crate::media::{
    AUDIO_CODECS, AUDIO_EXTENSIONS, OfferedCodec, OfferedExtension, VIDEO_CODECS, VIDEO_EXTENSIONS,
};
use crate::sdp::{Answer, BridgeTransport, GroupSemantics, Source, SsrcGroup};

/// Allocates an endpoint; with `room`, also its conference.
pub(crate) fn create_endpoint(
    meeting_id: &str,
    room: Option<&str>,
    id: &str,
    stats_id: &str,
) -> ConferenceModify {
    let endpoint = Endpoint {
        create: true,
        stats_id: Some(stats_id.to_owned()),
        capabilities: vec![Capability::SourceNames],
        medias: vec![
            media(MediaKind::Audio, AUDIO_CODECS, AUDIO_EXTENSIONS),
            media(MediaKind::Video, VIDEO_CODECS, VIDEO_EXTENSIONS),
        ],
        transport: Some(Transport {
            ice_controlling: true,
            sctp: Some(Sctp::default()),
            ..Transport::default()
        }),
        sources: Some(Sources::default()),
        ..Endpoint::new(endpoint_id(id))
    };
    ConferenceModify {
        create: room.is_some(),
        name: room.map(|room| format!("{room}@demo.localhost")),
        endpoints: vec![endpoint],
        ..ConferenceModify::new(meeting_id)
    }
}

/// Tells what the endpoint answered; the transport and the initial last-n only the first time.
pub(crate) fn update_endpoint(
    meeting_id: &str,
    id: &str,
    answer: &Answer,
    is_first: bool,
) -> ConferenceModify {
    let transport = Transport { ice: Some(peer_transport(answer)), ..Transport::default() };
    let media_sources = answer.sources.iter().map(media_source).collect();
    let endpoint = Endpoint {
        transport: is_first.then_some(transport),
        sources: Some(Sources { media_sources }),
        initial_last_n: is_first.then_some(InitialLastN { value: -1 }),
        ..Endpoint::new(endpoint_id(id))
    };
    ConferenceModify { endpoints: vec![endpoint], ..ConferenceModify::new(meeting_id) }
}

/// Ends one endpoint.
pub(crate) fn expire_endpoint(meeting_id: &str, id: &str) -> ConferenceModify {
    let endpoints = vec![Endpoint::expired(endpoint_id(id))];
    ConferenceModify { endpoints, ..ConferenceModify::new(meeting_id) }
}

/// Ends the conference.
pub(crate) fn expire_conference(meeting_id: &str) -> ConferenceModify {
    ConferenceModify { expire: true, ..ConferenceModify::new(meeting_id) }
}

/// The transport of the endpoint that was created, and the bridge's feedback sources. `None` if the
/// answer lacks what an offer needs.
pub(crate) fn allocation(
    answer: &ConferenceModified,
    id: &str,
) -> Option<(BridgeTransport, Vec<Source>)> {
    let endpoint = answer.endpoints.iter().find(|endpoint| endpoint.id.as_str() == id)?;
    let transport = endpoint.transport.as_ref()?;
    let ice = transport.ice.as_ref()?;
    let setup = |fingerprint: &DtlsFingerprint| fingerprint.setup.unwrap_or(DtlsSetup::Actpass);
    let fingerprints: Vec<(String, String)> = ice
        .fingerprints
        .iter()
        .map(|f| (format!("{} {}", f.hash, f.fingerprint), setup(f).as_str().to_owned()))
        .collect();
    if fingerprints.is_empty() {
        return None;
    }
    let bridge = BridgeTransport {
        ufrag: ice.ufrag.clone()?,
        pwd: ice.pwd.clone()?,
        fingerprints,
        candidates: ice.candidates.iter().map(candidate_value).collect(),
        sctp_port: transport.sctp.and_then(|sctp| sctp.port),
    };
    let feedback = answer.sources.iter().flat_map(|sources| &sources.media_sources);
    Some((bridge, feedback.filter_map(feedback_source).collect()))
}

/// Whether the bridge does not know the conference (any more).
pub(crate) fn is_conference_not_found(error: &ErrorAnswer) -> bool {
    error.reason == Some(ErrorReason::ConferenceNotFound)
}

/// An error in words.
pub(crate) fn describe(error: &ErrorAnswer) -> String {
    match &error.text {
        Some(text) => format!("{}: {text}", error.condition.as_str()),
        None => error.condition.as_str().to_owned(),
    }
}

fn endpoint_id(id: &str) -> EndpointId {
    EndpointId::new(id).expect("endpoint ids of the focus are eight digits")
}

fn media(kind: MediaKind, codecs: &[OfferedCodec], extensions: &[OfferedExtension]) -> Media {
    Media {
        payload_types: codecs.iter().map(payload_type).collect(),
        header_extensions: extensions
            .iter()
            .map(|extension| RtpHeaderExtension::new(extension.id, extension.uri))
            .collect(),
        extmap_allow_mixed: true,
        ..Media::new(kind)
    }
}

fn payload_type(codec: &OfferedCodec) -> PayloadType {
    let parameters = codec.parameters.iter();
    let feedback = codec.feedback.iter();
    PayloadType {
        channels: u16::from(codec.channels),
        parameters: parameters.map(|(name, value)| Parameter::new(*name, *value)).collect(),
        rtcp_fbs: feedback
            .map(|(kind, subtype)| RtcpFb {
                kind: (*kind).to_owned(),
                subtype: (!subtype.is_empty()).then(|| (*subtype).to_owned()),
            })
            .collect(),
        ..PayloadType::new(codec.payload_type, codec.name, codec.clock_rate)
    }
}

/// No candidates: as with Jicofo, the bridge learns the peer's addresses from its checks.
fn peer_transport(answer: &Answer) -> IceUdpTransport {
    let (hash, fingerprint) = answer.fingerprint.clone();
    IceUdpTransport {
        ufrag: Some(answer.ufrag.clone()),
        pwd: Some(answer.pwd.clone()),
        rtcp_mux: true,
        fingerprints: vec![DtlsFingerprint {
            hash: hash.to_ascii_lowercase(),
            fingerprint,
            setup: DtlsSetup::from_name(&answer.setup),
            cryptex: false,
        }],
        ..IceUdpTransport::default()
    }
}

fn media_source(source: &Source) -> MediaSource {
    let is_video = source.media_type == MediaType::Video;
    let ssrcs = source.ssrcs.iter().map(|&ssrc| ColibriSource {
        video_type: is_video.then_some(VideoType::Camera),
        ..ColibriSource::named(ssrc, source.name.as_str())
    });
    let groups = source.groups.iter().map(|group| ColibriGroup {
        semantics: match group.semantics {
            GroupSemantics::Simulcast => SsrcGroupSemantics::Simulcast,
            GroupSemantics::Retransmission => SsrcGroupSemantics::Fid,
        },
        ssrcs: group.ssrcs.clone(),
    });
    MediaSource {
        sources: ssrcs.collect(),
        ssrc_groups: groups.collect(),
        ..MediaSource::new(source.media_type.into(), source.name.as_str())
    }
}

/// Signalled to pages as sources of `jvb`, as Jicofo does.
fn feedback_source(source: &MediaSource) -> Option<Source> {
    Some(Source {
        media_type: source.kind.media_type()?,
        owner: "jvb".to_owned(),
        name: source.id.clone(),
        ssrcs: source.sources.iter().map(|source| source.ssrc).collect(),
        groups: source.ssrc_groups.iter().filter_map(known_group).collect(),
    })
}

fn known_group(group: &ColibriGroup) -> Option<SsrcGroup> {
    let semantics = match group.semantics {
        SsrcGroupSemantics::Simulcast => GroupSemantics::Simulcast,
        SsrcGroupSemantics::Fid => GroupSemantics::Retransmission,
        SsrcGroupSemantics::FecFr | SsrcGroupSemantics::Other(_) => return None,
    };
    Some(SsrcGroup { semantics, ssrcs: group.ssrcs.clone() })
}

/// RFC 8839 section 5.1, without the name of the attribute.
fn candidate_value(candidate: &Candidate) -> String {
    let Candidate { foundation, component, protocol, priority, ip, port, kind, .. } = candidate;
    let kind = kind.as_str();
    let mut value =
        format!("{foundation} {component} {protocol} {priority} {ip} {port} typ {kind}");
    if let (Some(address), Some(port)) = (&candidate.rel_addr, candidate.rel_port) {
        value.push_str(&format!(" raddr {address} rport {port}"));
    }
    value.push_str(&format!(" generation {}", candidate.generation));
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(id: &str) -> ConferenceModified {
        let candidate = Candidate {
            component: 1,
            foundation: "1".into(),
            generation: 0,
            id: None,
            ip: "127.0.0.1".into(),
            network: 0,
            port: 10_000,
            priority: 2_130_706_431,
            protocol: "udp".into(),
            kind: bridge_signaling::ice_udp::CandidateType::Host,
            rel_addr: None,
            rel_port: None,
            tcptype: None,
        };
        let ice = IceUdpTransport {
            ufrag: Some("uf".into()),
            pwd: Some("pw".into()),
            fingerprints: vec![DtlsFingerprint {
                hash: "sha-256".into(),
                fingerprint: "AA".into(),
                setup: None,
                cryptex: false,
            }],
            candidates: vec![candidate],
            ..IceUdpTransport::default()
        };
        let transport = Transport { ice: Some(ice), ..Transport::default() };
        let endpoint = Endpoint { transport: Some(transport), ..Endpoint::new(endpoint_id(id)) };
        let feedback = MediaSource {
            sources: vec![ColibriSource::named(7, "jvb-v0")],
            ..MediaSource::new(MediaKind::Video, "jvb-v0")
        };
        ConferenceModified {
            endpoints: vec![endpoint],
            sources: Some(Sources { media_sources: vec![feedback] }),
            ..ConferenceModified::default()
        }
    }

    #[test]
    fn an_allocation_becomes_attributes() {
        let (transport, feedback) = allocation(&created("a"), "a").expect("complete");
        assert_eq!(transport.fingerprints, [("sha-256 AA".into(), "actpass".into())]);
        assert_eq!(
            transport.candidates,
            ["1 1 udp 2130706431 127.0.0.1 10000 typ host generation 0"]
        );
        assert_eq!(feedback.first().map(|source| source.ssrcs.clone()), Some(vec![7]));
    }

    #[test]
    fn incomplete_allocations_are_refused() {
        assert_eq!(allocation(&created("a"), "b"), None);
        assert_eq!(allocation(&ConferenceModified::default(), "a"), None);
        let mut answer = created("a");
        let ice = answer.endpoints[0].transport.as_mut().and_then(|t| t.ice.as_mut());
        ice.expect("there is one").fingerprints.clear();
        assert_eq!(allocation(&answer, "a"), None);
    }

    #[test]
    fn requests_have_the_form_of_jicofos() {
        let create = create_endpoint("m", Some("lobby"), "a1b2c3d4", "Ada");
        assert!(create.create);
        assert_eq!(create.name.as_deref(), Some("lobby@demo.localhost"));
        let endpoint = &create.endpoints[0];
        assert!(endpoint.create && endpoint.has_capability(&Capability::SourceNames));
        assert!(endpoint.transport.as_ref().is_some_and(|t| t.ice_controlling && t.sctp.is_some()));
        assert!(!create_endpoint("m", None, "a1b2c3d4", "Ada").create);
        let expire = expire_conference("m");
        assert!(expire.expire && expire.endpoints.is_empty());
    }
}
