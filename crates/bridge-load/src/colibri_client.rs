//! One conference of a bridge, over colibri2 in JSON.

use std::net::SocketAddr;

use bridge_dtls::{Fingerprint, Setup};
use bridge_signaling::VideoType;
use bridge_signaling::colibri2::{
    Capability, ConferenceModified, ConferenceModify, Endpoint, InitialLastN, Media, MediaKind,
    MediaSource, Parameter, PayloadType, RtcpFb, RtpHeaderExtension, Sctp, Source, Sources,
    SsrcGroup, SsrcGroupSemantics, Transport,
};
use bridge_signaling::ice_udp::{CandidateType, DtlsFingerprint, DtlsSetup, IceUdpTransport};
use bridge_transport::{CandidateKind, LocalIce, RemoteCandidate, RemoteTransport};
use bridge_units::EndpointId;

use crate::destination::Destination;
use crate::error::LoadError;
use crate::http_client::HttpClient;
use crate::media_stream::{
    AUDIO_LEVEL_ID, AUDIO_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE, TRANSPORT_CC_ID, VIDEO_PAYLOAD_TYPE,
};
use crate::scenario::EndpointPlan;
use crate::stream_id::{StreamId, StreamKind};

/// Speaks for one conference, as Jicofo would.
pub(crate) struct ColibriClient {
    http: HttpClient,
    meeting_id: String,
}

/// An endpoint that does not exist yet.
pub(crate) struct NewEndpoint<'a> {
    pub(crate) plan: &'a EndpointPlan,
    /// Its side of the transport, if it is known already.
    pub(crate) transport: Option<IceUdpTransport>,
    /// Whether it wants a bridge channel.
    pub(crate) sctp: bool,
}

impl ColibriClient {
    pub(crate) const fn new(bridge: SocketAddr, meeting_id: String) -> Self {
        Self { http: HttpClient::new(bridge), meeting_id }
    }

    /// Creates an endpoint, with `create_conference` also the conference. Differs from Jicofo: the
    /// endpoint's own transport is in the same request, which bridges take alike.
    pub(crate) fn create_endpoint(
        &mut self,
        new: NewEndpoint<'_>,
        create_conference: bool,
    ) -> Result<ConferenceModified, LoadError> {
        let request = ConferenceModify {
            create: create_conference,
            name: create_conference.then(|| format!("{}@load.invalid", self.meeting_id)),
            endpoints: vec![endpoint(new)],
            ..ConferenceModify::new(self.meeting_id.as_str())
        };
        self.send(&request, create_conference)
    }

    /// Says an endpoint's side of the transport.
    pub(crate) fn update_transport(
        &mut self,
        number: u32,
        transport: IceUdpTransport,
    ) -> Result<(), LoadError> {
        let transport = Transport { ice: Some(transport), ..Transport::default() };
        let endpoint =
            Endpoint { transport: Some(transport), ..Endpoint::new(endpoint_id(number)) };
        let endpoints = vec![endpoint];
        let request =
            ConferenceModify { endpoints, ..ConferenceModify::new(self.meeting_id.as_str()) };
        self.send(&request, false).map(|_| ())
    }

    /// Ends an endpoint.
    pub(crate) fn expire_endpoint(&mut self, number: u32) -> Result<(), LoadError> {
        let endpoints = vec![Endpoint::expired(endpoint_id(number))];
        let request =
            ConferenceModify { endpoints, ..ConferenceModify::new(self.meeting_id.as_str()) };
        self.send(&request, false).map(|_| ())
    }

    /// Ends the conference.
    pub(crate) fn expire_conference(&mut self) -> Result<(), LoadError> {
        let request =
            ConferenceModify { expire: true, ..ConferenceModify::new(self.meeting_id.as_str()) };
        self.send(&request, false).map(|_| ())
    }

    fn send(
        &mut self,
        request: &ConferenceModify,
        create: bool,
    ) -> Result<ConferenceModified, LoadError> {
        let mut body = request.to_json();
        let answer = if create {
            self.http.send_json("POST", CONFERENCES, &body.to_string())?
        } else {
            if let Some(members) = body.as_object_mut() {
                members.remove("meeting-id");
            }
            let path = format!("{CONFERENCES}/{}", self.meeting_id);
            self.http.send_json("PATCH", &path, &body.to_string())?
        };
        let text = String::from_utf8_lossy(&answer.body);
        let unusable = |why: String| LoadError::Answer(format!("{why}: {}", shorten(&text)));
        if answer.status != 200 {
            return Err(unusable(format!("status {}", answer.status)));
        }
        let json = serde_json::from_slice(&answer.body).map_err(|e| unusable(e.to_string()))?;
        ConferenceModified::from_json(&json).map_err(|e| unusable(e.to_string()))
    }
}

/// Whether the answer has SCTP for this endpoint.
pub(crate) fn has_sctp(answer: &ConferenceModified, number: u32) -> bool {
    let id = endpoint_id(number);
    let endpoint = answer.endpoints.iter().find(|endpoint| endpoint.id == id);
    endpoint.and_then(|endpoint| endpoint.transport.as_ref()?.sctp).is_some()
}

/// The SSRCs that the bridge uses for itself.
pub(crate) fn bridge_ssrcs(answer: &ConferenceModified) -> Vec<u32> {
    let sources = answer.sources.iter().flat_map(|sources| &sources.media_sources);
    let ssrcs = sources.flat_map(|media| &media.sources).map(|source| source.ssrc);
    ssrcs.take(MAX_BRIDGE_SSRCS).collect()
}

/// What the answer says about reaching the bridge as this endpoint.
pub(crate) fn remote_transport(
    answer: &ConferenceModified,
    number: u32,
    destination: Destination,
) -> Result<RemoteTransport, LoadError> {
    let id = endpoint_id(number);
    let unusable = |why: &str| LoadError::Answer(format!("no {why} for endpoint {id}"));
    let endpoint = answer.endpoints.iter().find(|endpoint| endpoint.id == id);
    let ice = endpoint
        .and_then(|endpoint| endpoint.transport.as_ref()?.ice.as_ref())
        .ok_or_else(|| unusable("transport"))?;
    let credentials = ice.ufrag.clone().zip(ice.pwd.clone());
    let mut candidates: Vec<RemoteCandidate> = Vec::new();
    for candidate in ice.candidates.iter().filter(|candidate| candidate.protocol == "udp") {
        let Ok(address) = candidate.ip.parse() else { continue };
        let address = SocketAddr::new(address, candidate.port);
        let Some(address) = destination.of_candidate(address) else { continue };
        if candidates.iter().all(|known| known.address != address) {
            candidates.push(RemoteCandidate {
                address,
                kind: candidate_kind(candidate.kind),
                priority: candidate.priority,
                foundation: candidate.foundation.clone(),
            });
        }
    }
    if ice.candidates.is_empty() {
        return Err(unusable("candidate"));
    }
    if candidates.is_empty() {
        return Err(LoadError::Destination(format!(
            "none of the bridge's candidates ({}) may be sent to; is --connect-to missing?",
            ice.candidates.iter().map(|c| c.ip.as_str()).collect::<Vec<_>>().join(", ")
        )));
    }
    let fingerprints = ice.fingerprints.iter();
    let fingerprints: Vec<Fingerprint> =
        fingerprints.filter_map(|f| Fingerprint::parse(&f.hash, &f.fingerprint).ok()).collect();
    if fingerprints.is_empty() {
        return Err(unusable("fingerprint"));
    }
    let credentials = Some(credentials.ok_or_else(|| unusable("credentials"))?);
    // The bridge offers either role; every endpoint here is the client.
    Ok(RemoteTransport { credentials, candidates, fingerprints, setup: Some(Setup::Passive) })
}

/// What a thin endpoint says of its side: it is the DTLS client.
pub(crate) fn own_transport(ice: &LocalIce, fingerprint: &Fingerprint) -> IceUdpTransport {
    IceUdpTransport {
        ufrag: Some(ice.ufrag.clone()),
        pwd: Some(ice.password.clone()),
        rtcp_mux: true,
        fingerprints: vec![DtlsFingerprint {
            hash: fingerprint.hash().name().to_owned(),
            fingerprint: fingerprint.to_string(),
            setup: Some(DtlsSetup::Active),
            cryptex: false,
        }],
        ..IceUdpTransport::default()
    }
}

fn endpoint(new: NewEndpoint<'_>) -> Endpoint {
    let NewEndpoint { plan, transport, sctp } = new;
    Endpoint {
        create: true,
        stats_id: Some(format!("load-{}", plan.number)),
        capabilities: vec![Capability::SourceNames],
        medias: vec![audio(), video()],
        transport: Some(Transport {
            ice_controlling: true,
            ice: transport,
            sctp: sctp.then(Sctp::default),
            ..Transport::default()
        }),
        sources: Some(sources(plan)),
        initial_last_n: plan.last_n.map(|value| InitialLastN { value }),
        ..Endpoint::new(endpoint_id(plan.number))
    }
}

fn audio() -> Media {
    let opus = PayloadType {
        channels: 2,
        rtcp_fbs: vec![feedback("transport-cc", None)],
        ..PayloadType::new(AUDIO_PAYLOAD_TYPE, "opus", 48_000)
    };
    Media {
        payload_types: vec![opus],
        header_extensions: vec![
            RtpHeaderExtension::new(AUDIO_LEVEL_ID, AUDIO_LEVEL_URI),
            RtpHeaderExtension::new(TRANSPORT_CC_ID, TRANSPORT_CC_URI),
        ],
        ..Media::new(MediaKind::Audio)
    }
}

fn video() -> Media {
    let vp8 = PayloadType {
        rtcp_fbs: vec![
            feedback("ccm", Some("fir")),
            feedback("nack", None),
            feedback("nack", Some("pli")),
            feedback("transport-cc", None),
        ],
        ..PayloadType::new(VIDEO_PAYLOAD_TYPE, "VP8", 90_000)
    };
    let rtx = PayloadType {
        parameters: vec![Parameter::new("apt", VIDEO_PAYLOAD_TYPE.to_string())],
        ..PayloadType::new(RTX_PAYLOAD_TYPE, "rtx", 90_000)
    };
    Media {
        payload_types: vec![vp8, rtx],
        header_extensions: vec![RtpHeaderExtension::new(TRANSPORT_CC_ID, TRANSPORT_CC_URI)],
        ..Media::new(MediaKind::Video)
    }
}

fn feedback(kind: &str, subtype: Option<&str>) -> RtcpFb {
    RtcpFb { kind: kind.to_owned(), subtype: subtype.map(str::to_owned) }
}

fn sources(plan: &EndpointPlan) -> Sources {
    let id = endpoint_id(plan.number);
    let encodings: Vec<u8> = plan
        .streams
        .iter()
        .filter_map(|stream| match stream.id.kind {
            StreamKind::Video(encoding) => Some(encoding),
            _ => None,
        })
        .collect();
    let mut media_sources = Vec::new();
    let ssrc = |kind| StreamId { endpoint: plan.number, kind }.ssrc();
    if plan.streams.iter().any(|stream| stream.id.kind == StreamKind::Audio) {
        let name = format!("{id}-a0");
        media_sources.push(MediaSource {
            sources: vec![Source::named(ssrc(StreamKind::Audio), name.as_str())],
            ..MediaSource::new(MediaKind::Audio, name)
        });
    }
    if !encodings.is_empty() {
        media_sources.push(video_source(format!("{id}-v0"), &encodings, ssrc));
    }
    Sources { media_sources }
}

fn video_source(name: String, encodings: &[u8], ssrc: impl Fn(StreamKind) -> u32) -> MediaSource {
    let media: Vec<u32> = encodings.iter().map(|e| ssrc(StreamKind::Video(*e))).collect();
    let rtx: Vec<u32> = encodings.iter().map(|e| ssrc(StreamKind::Rtx(*e))).collect();
    let mut ssrc_groups: Vec<SsrcGroup> = media
        .iter()
        .zip(&rtx)
        .map(|(media, rtx)| SsrcGroup {
            semantics: SsrcGroupSemantics::Fid,
            ssrcs: vec![*media, *rtx],
        })
        .collect();
    if media.len() > 1 {
        let semantics = SsrcGroupSemantics::Simulcast;
        ssrc_groups.insert(0, SsrcGroup { semantics, ssrcs: media.clone() });
    }
    let camera = |ssrc: &u32| Source {
        video_type: Some(VideoType::Camera),
        ..Source::named(*ssrc, name.as_str())
    };
    MediaSource {
        sources: media.iter().chain(&rtx).map(camera).collect(),
        ssrc_groups,
        ..MediaSource::new(MediaKind::Video, name.as_str())
    }
}

fn endpoint_id(number: u32) -> EndpointId {
    EndpointId::new(&format!("{number:08x}")).expect("eight digits are an id")
}

fn candidate_kind(kind: CandidateType) -> CandidateKind {
    match kind {
        CandidateType::Host => CandidateKind::Host,
        CandidateType::Srflx => CandidateKind::ServerReflexive,
        CandidateType::Prflx => CandidateKind::PeerReflexive,
        CandidateType::Relay => CandidateKind::Relayed,
    }
}

/// The start of what the bridge said.
fn shorten(text: &str) -> String {
    text.chars().take(MAX_QUOTED).collect()
}

const CONFERENCES: &str = "/colibri/v2/conferences";
pub(crate) const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const TRANSPORT_CC_URI: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// One for each kind of media, and some more.
const MAX_BRIDGE_SSRCS: usize = 8;
const MAX_QUOTED: usize = 300;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::arguments::Arguments;
    use crate::scenario::{self, Scenario};

    #[test]
    fn sources_are_signalled_as_jicofo_does() {
        let bridge = "http://127.0.0.1:1".parse().unwrap();
        let arguments = Arguments { simulcast: true, ..Arguments::new(bridge, Scenario::Meeting) };
        let sources = sources(&scenario::endpoint(&arguments, 1, 10));
        let [audio, video] = &sources.media_sources[..] else { panic!("{sources:?}") };
        assert_eq!((audio.id.as_str(), audio.sources.len()), ("00000001-a0", 1));
        assert_eq!((video.id.as_str(), video.sources.len()), ("00000001-v0", 6));
        let shapes: Vec<(&str, usize)> =
            video.ssrc_groups.iter().map(|g| (g.semantics.as_str(), g.ssrcs.len())).collect();
        assert_eq!(shapes, [("SIM", 3), ("FID", 2), ("FID", 2), ("FID", 2)]);
    }

    #[test]
    fn candidates_elsewhere_are_left_out() {
        let fingerprint = ["AB"; 32].join(":");
        let answer = |ip: &str| {
            ConferenceModified::from_json(&json!({ "endpoints": [{
                "id": "00000001",
                "transport": { "transport": {
                    "xmlns": "urn:xmpp:jingle:transports:ice-udp:1", "ufrag": "u", "pwd": "p",
                    "fingerprints": [
                        { "hash": "sha-256", "fingerprint": fingerprint, "setup": "actpass" }
                    ],
                    "candidates": [{
                        "component": 1, "foundation": "1", "generation": 0, "ip": ip,
                        "port": 10_000, "priority": 1, "protocol": "udp", "type": "host"
                    }]
                }, "sctp": { "port": 5_000, "role": "SERVER" } }
            }], "sources": [
                { "type": "audio", "id": "jvb-a0", "sources": [{ "ssrc": 7, "name": "jvb-a0" }] },
                { "type": "video", "id": "jvb-v0", "sources": [{ "ssrc": 9, "name": "jvb-v0" }] }
            ]}))
            .unwrap()
        };
        let good = answer("127.0.0.1");
        assert!(has_sctp(&good, 1) && !has_sctp(&good, 2));
        assert_eq!(bridge_ssrcs(&good), [7, 9]);
        let bridge = "http://127.0.0.1:1".parse().unwrap();
        let plain = Destination::new(bridge, None).unwrap();
        let moved = Destination::new(bridge, Some("127.0.0.1".parse().unwrap())).unwrap();
        let found = remote_transport(&answer("192.0.2.1"), 1, moved).unwrap();
        assert_eq!(found.candidates[0].address.to_string(), "127.0.0.1:10000");
        assert_eq!((found.fingerprints.len(), found.setup), (1, Some(Setup::Passive)));
        let refused = remote_transport(&answer("192.0.2.1"), 1, plain).unwrap_err();
        assert!(refused.to_string().contains("--connect-to"), "{refused}");
        assert!(remote_transport(&answer("127.0.0.1"), 2, plain).is_err());
    }
}
