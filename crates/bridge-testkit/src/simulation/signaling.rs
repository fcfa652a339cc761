//! The part of the focus and of a client's signalling.

use super::audio_payload::{OPUS, RED};
use super::bridge::{CLIENT_CERTIFICATE, MEETING, SimulationError};
use super::client::Abilities;
use super::codec::SimulatedCodec;
use super::rtp_writer::{AUDIO_LEVEL_ID, DEPENDENCY_DESCRIPTOR_ID, MID_ID, TRANSPORT_CC_ID};
use super::video_sender::VideoSettings;
use bridge_dtls::{Fingerprint, FingerprintHash, Setup};
use bridge_rtp::ExtensionType;
use bridge_signaling::colibri2::{
    Capability, ConferenceModified, ConferenceModify, Endpoint, Media, MediaKind, MediaSource,
    Parameter, PayloadType, RtcpFb, RtpHeaderExtension, Sctp, Source, Sources, SsrcGroup,
    SsrcGroupSemantics, Transport,
};
use bridge_signaling::ice_udp::{DtlsFingerprint, DtlsSetup, IceUdpTransport};
use bridge_signaling::{VideoType, colibri2};
use bridge_transport::{CandidateKind, LocalIce, RemoteCandidate, RemoteTransport};
use bridge_units::EndpointId;
use std::net::SocketAddr;

pub(crate) fn create(
    id: &EndpointId,
    audio: u32,
    videos: &[VideoSettings],
    abilities: Abilities,
) -> ConferenceModify {
    let mut capabilities = vec![Capability::SourceNames];
    if abilities.few_ssrcs {
        capabilities.push(Capability::SsrcRewriting);
    }
    if abilities.mids {
        capabilities.push(Capability::RtpMidDemux);
    }
    let endpoint = Endpoint {
        create: true,
        stats_id: Some(format!("stats-{id}")),
        capabilities,
        medias: vec![audio_media(abilities), video_media(abilities)],
        transport: Some(Transport {
            ice_controlling: true,
            sctp: Some(Sctp::default()),
            ..Transport::default()
        }),
        sources: Some(sources(id, audio, videos)),
        ..Endpoint::new(id.clone())
    };
    modify(endpoint)
}

/// The client's transport description.
pub(crate) fn update(id: &EndpointId, local: &LocalIce) -> ConferenceModify {
    let fingerprint = CLIENT_CERTIFICATE.fingerprint(FingerprintHash::Sha256);
    let fingerprint = DtlsFingerprint {
        hash: "sha-256".into(),
        fingerprint: fingerprint.to_string(),
        setup: Some(DtlsSetup::Active),
        cryptex: false,
    };
    let ice = IceUdpTransport {
        ufrag: Some(local.ufrag.clone()),
        pwd: Some(local.password.clone()),
        rtcp_mux: true,
        fingerprints: vec![fingerprint],
        ..IceUdpTransport::default()
    };
    let transport = Transport { ice: Some(ice), ..Transport::default() };
    modify(Endpoint { transport: Some(transport), ..Endpoint::new(id.clone()) })
}

pub(crate) fn expire(id: &EndpointId) -> ConferenceModify {
    modify(Endpoint::expired(id.clone()))
}

/// What the bridge said of its transport.
pub(crate) fn remote(
    answer: &ConferenceModified,
    id: &EndpointId,
) -> Result<RemoteTransport, SimulationError> {
    let endpoint = answer.endpoints.iter().find(|endpoint| endpoint.id == *id);
    let transport = endpoint.and_then(|endpoint| endpoint.transport.as_ref());
    let ice = transport.and_then(|transport| transport.ice.as_ref());
    let ice = ice.ok_or(SimulationError::Incomplete("transport"))?;
    let candidates = ice.candidates.iter().filter_map(|candidate| {
        Some(RemoteCandidate {
            address: SocketAddr::new(candidate.ip.parse().ok()?, candidate.port),
            kind: CandidateKind::Host,
            priority: candidate.priority,
            foundation: candidate.foundation.clone(),
        })
    });
    let fingerprints = ice.fingerprints.iter();
    Ok(RemoteTransport {
        credentials: ice.ufrag.clone().zip(ice.pwd.clone()),
        candidates: candidates.collect(),
        fingerprints: fingerprints
            .filter_map(|f| Fingerprint::parse(&f.hash, &f.fingerprint).ok())
            .collect(),
        setup: Some(Setup::Passive),
    })
}

fn modify(endpoint: Endpoint) -> ConferenceModify {
    ConferenceModify { endpoints: vec![endpoint], ..ConferenceModify::new(MEETING) }
}

fn sources(id: &EndpointId, audio: u32, videos: &[VideoSettings]) -> Sources {
    let mut media_sources = vec![media_source(MediaKind::Audio, &format!("{id}-a0"), &[audio])];
    for video in videos {
        let ssrcs = video.ssrcs();
        let all: Vec<u32> = ssrcs.iter().flat_map(|(media, rtx)| [*media, *rtx]).collect();
        let mut source = media_source(MediaKind::Video, &video.name, &all);
        if video.is_screen {
            for ssrc in &mut source.sources {
                ssrc.video_type = Some(VideoType::Desktop);
            }
        }
        if ssrcs.len() > 1 {
            let media = ssrcs.iter().map(|(media, _)| *media).collect();
            source
                .ssrc_groups
                .push(SsrcGroup { semantics: SsrcGroupSemantics::Simulcast, ssrcs: media });
        }
        for (media, rtx) in ssrcs {
            let group = SsrcGroup { semantics: SsrcGroupSemantics::Fid, ssrcs: vec![media, rtx] };
            source.ssrc_groups.push(group);
        }
        media_sources.push(source);
    }
    Sources { media_sources }
}

fn media_source(kind: MediaKind, name: &str, ssrcs: &[u32]) -> MediaSource {
    let mut source = MediaSource::new(kind, name);
    source.sources = ssrcs.iter().map(|ssrc| Source::named(*ssrc, name)).collect();
    source
}

fn audio_media(abilities: Abilities) -> Media {
    let mut media = Media::new(MediaKind::Audio);
    let mut opus = PayloadType::new(OPUS, "opus", 48_000);
    opus.rtcp_fbs = vec![feedback("transport-cc", None)];
    media.payload_types = vec![opus];
    if abilities.redundant_audio {
        let mut red = PayloadType::new(RED, "red", 48_000);
        red.parameters.push(Parameter { name: None, value: format!("{OPUS}/{OPUS}") });
        media.payload_types.push(red);
    }
    let mut list = vec![(AUDIO_LEVEL_ID, ExtensionType::AudioLevel), TRANSPORT_CC];
    list.extend(abilities.mids.then_some(MID));
    media.header_extensions = extensions(&list);
    media
}

fn video_media(abilities: Abilities) -> Media {
    let mut media = Media::new(MediaKind::Video);
    for codec in SimulatedCodec::ALL {
        let mut payload_type = PayloadType::new(codec.payload_type(), codec.name(), 90_000);
        payload_type.rtcp_fbs = vec![
            feedback("nack", None),
            feedback("nack", Some("pli")),
            feedback("ccm", Some("fir")),
            feedback("transport-cc", None),
        ];
        let mut rtx = PayloadType::new(codec.rtx_payload_type(), "rtx", 90_000);
        rtx.parameters.push(Parameter::new("apt", codec.payload_type().to_string()));
        media.payload_types.extend([payload_type, rtx]);
    }
    let descriptor = (DEPENDENCY_DESCRIPTOR_ID, ExtensionType::DependencyDescriptor);
    let mut list = vec![TRANSPORT_CC, descriptor];
    list.extend(abilities.mids.then_some(MID));
    media.header_extensions = extensions(&list);
    media.extmap_allow_mixed = true;
    media
}

fn feedback(kind: &str, subtype: Option<&str>) -> RtcpFb {
    RtcpFb { kind: kind.into(), subtype: subtype.map(Into::into) }
}

fn extensions(list: &[(u8, ExtensionType)]) -> Vec<colibri2::RtpHeaderExtension> {
    list.iter().map(|(id, kind)| RtpHeaderExtension::new(*id, kind.uri())).collect()
}

const TRANSPORT_CC: (u8, ExtensionType) = (TRANSPORT_CC_ID, ExtensionType::TransportCc);
const MID: (u8, ExtensionType) = (MID_ID, ExtensionType::Mid);
