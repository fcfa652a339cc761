//! No input makes a reader panic, and what was built is read back the same.

use bridge_signaling::bridge_channel::BridgeChannelMessage;
use bridge_signaling::colibri2::{
    ConferenceModified, ConferenceModify, Endpoint, ForceMute, InitialLastN, Media, MediaKind,
    MediaSource, Parameter, PayloadType, Relay, RtpHeaderExtension, Sctp, SctpRole, Source,
    Sources, SsrcGroup, SsrcGroupSemantics, Transport,
};
use bridge_signaling::ice_udp::{
    Candidate, CandidateType, DtlsFingerprint, DtlsSetup, IceUdpTransport, WebSocket,
};
use bridge_signaling::{ErrorAnswer, VideoType, element_from_str};
use bridge_units::EndpointId;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

const REQUEST: &str =
    include_str!("fixtures/xml/01-create-conference-and-first-endpoint-request1.xml");
const JSON_REQUEST: &str =
    include_str!("fixtures/json/01-create-conference-and-first-endpoint-request1.json");

/// Any JSON, with the member names that are looked at.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9:. -]{0,12}".prop_map(Value::from),
        Just(Value::from("audio")),
        Just(Value::from("urn:xmpp:jingle:transports:ice-udp:1")),
    ];
    let names = prop_oneof![
        Just("id"),
        Just("type"),
        Just("endpoints"),
        Just("relays"),
        Just("medias"),
        Just("payload-types"),
        Just("parameters"),
        Just("rtcp-fbs"),
        Just("rtp-hdrexts"),
        Just("transport"),
        Just("xmlns"),
        Just("candidates"),
        Just("fingerprints"),
        Just("sctp"),
        Just("port"),
        Just("sources"),
        Just("ssrc-groups"),
        Just("ssrc"),
        Just("connects"),
        Just("name"),
        Just("value"),
        Just("constraints"),
        Just("maxHeight"),
        Just("to"),
        Just("from"),
        Just("lastN"),
        Just("mappedSources"),
        Just("web-sockets"),
    ];
    leaf.prop_recursive(8, 128, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((names.clone(), inner), 0..6).prop_map(|members| {
                let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::from(members.collect::<Map<_, _>>())
            }),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\u{e4}\u{1f600}]{0,20}"
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.<&'\"-]{1,20}"
}

fn media() -> impl Strategy<Value = Media> {
    let payload_type =
        (0..128_u8, name(), any::<Option<u32>>(), 1..3_u16, vec((name(), text()), 0..3));
    let payload_type = payload_type.prop_map(|(id, name, clockrate, channels, parameters)| {
        // JSON keeps parameters in an object: no order, no name twice.
        let mut parameters: Vec<_> = parameters
            .into_iter()
            .map(|(name, value)| Parameter { name: Some(name), value })
            .collect();
        parameters.sort_by(|a, b| a.name.cmp(&b.name));
        parameters.dedup_by(|a, b| a.name == b.name);
        PayloadType { clockrate, channels, parameters, ..PayloadType::new(id, name, 0) }
    });
    let extension = (1..=255_u8, text()).prop_map(|(id, uri)| RtpHeaderExtension::new(id, uri));
    let kind = prop_oneof![Just(MediaKind::Audio), Just(MediaKind::Video), Just(MediaKind::Data)];
    (kind, vec(payload_type, 0..3), vec(extension, 0..3), any::<bool>()).prop_map(
        |(kind, payload_types, header_extensions, extmap_allow_mixed)| Media {
            kind,
            payload_types,
            header_extensions,
            extmap_allow_mixed,
        },
    )
}

fn sources() -> impl Strategy<Value = Sources> {
    let video_type = prop_oneof![Just(None), Just(Some(VideoType::Desktop))];
    let source = (any::<u32>(), proptest::option::of(text()), video_type)
        .prop_map(|(ssrc, name, video_type)| Source { name, video_type, ..Source::new(ssrc) });
    let semantics = prop_oneof![
        Just(SsrcGroupSemantics::Simulcast),
        Just(SsrcGroupSemantics::Fid),
        Just(SsrcGroupSemantics::Other("X".to_owned())),
    ];
    let group = (semantics, vec(any::<u32>(), 0..4))
        .prop_map(|(semantics, ssrcs)| SsrcGroup { semantics, ssrcs });
    let media_source = (name(), any::<bool>(), vec(source, 0..4), vec(group, 0..3)).prop_map(
        |(id, synthetic, sources, ssrc_groups)| MediaSource {
            synthetic,
            sources,
            ssrc_groups,
            ..MediaSource::new(MediaKind::Video, id)
        },
    );
    vec(media_source, 0..3).prop_map(|media_sources| Sources { media_sources })
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let related = (proptest::option::of(text()), any::<Option<u16>>());
    (name(), name(), any::<u16>(), any::<u32>(), related).prop_map(
        |(foundation, ip, port, priority, (rel_addr, rel_port))| Candidate {
            component: 1,
            foundation,
            generation: 0,
            id: None,
            ip,
            network: 0,
            port,
            priority,
            protocol: "udp".to_owned(),
            kind: CandidateType::Srflx,
            rel_addr,
            rel_port,
            tcptype: None,
        },
    )
}

fn transport() -> impl Strategy<Value = Transport> {
    let fingerprint = (name(), any::<bool>()).prop_map(|(fingerprint, cryptex)| DtlsFingerprint {
        hash: "sha-256".to_owned(),
        fingerprint,
        setup: Some(DtlsSetup::Actpass),
        cryptex,
    });
    let generation = proptest::option::of(1..u32::MAX);
    let web_socket =
        prop_oneof![Just(WebSocket::Active), text().prop_map(|url| WebSocket::Url(url + "/"))];
    let ice = (
        proptest::option::of(text()),
        generation,
        vec(fingerprint, 0..3),
        vec(candidate(), 0..3),
        vec(web_socket, 0..2),
    );
    let ice = ice.prop_map(|(ufrag, ice_generation, fingerprints, candidates, web_sockets)| {
        IceUdpTransport {
            ufrag,
            pwd: None,
            ice_generation,
            rtcp_mux: true,
            fingerprints,
            web_sockets,
            candidates,
        }
    });
    let sctp = proptest::option::of(any::<Option<u16>>());
    (any::<(bool, bool, bool)>(), proptest::option::of(ice), sctp).prop_map(
        |((ice_controlling, use_unique_port, ice_restart), ice, sctp)| Transport {
            ice_controlling,
            use_unique_port,
            ice_restart,
            ice,
            sctp: sctp.map(|port| Sctp { role: Some(SctpRole::Client), port }),
        },
    )
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let id = "[ -~]{1,20}".prop_map(|id| EndpointId::new(&id).expect("not empty and short"));
    let settings = (any::<Option<(bool, bool)>>(), any::<Option<i32>>(), any::<Option<bool>>());
    (
        id,
        any::<(bool, bool)>(),
        vec(media(), 0..3),
        proptest::option::of(transport()),
        proptest::option::of(sources()),
        settings,
    )
        .prop_map(|(id, (create, expire), medias, transport, sources, settings)| {
            let (force_mute, initial_last_n, diarize) = settings;
            Endpoint {
                create,
                expire,
                diarize,
                medias,
                transport,
                sources,
                force_mute: force_mute.map(|(audio, video)| ForceMute { audio, video }),
                initial_last_n: initial_last_n.map(|value| InitialLastN { value }),
                ..Endpoint::new(id)
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn requests_survive_both_forms(
        endpoints in vec(endpoint(), 0..3),
        remote in vec(endpoint(), 0..2),
        name in proptest::option::of(text()),
        rtcstats_enabled in any::<bool>(),
    ) {
        let relay = Relay { endpoints: remote, ..Relay::new("r") };
        let request = ConferenceModify {
            name, rtcstats_enabled, endpoints, relays: vec![relay], ..ConferenceModify::new("m")
        };
        let from_xml = ConferenceModify::from_xml(&request.to_xml());
        prop_assert_eq!(from_xml.as_ref(), Ok(&request));
        let from_json = ConferenceModify::from_json(&request.to_json());
        prop_assert_eq!(from_json.as_ref(), Ok(&request));
    }

    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        let _ = ConferenceModify::from_xml(&text);
        let _ = ConferenceModified::from_xml(&text);
        let _ = BridgeChannelMessage::parse(&text);
    }

    #[test]
    fn damaged_xml_is_read_without_panic(at in 0..REQUEST.len(), with in "[<>/'\" =a-z0-9]{0,4}") {
        let mut text = REQUEST.to_owned();
        prop_assume!(text.is_char_boundary(at));
        text.truncate(at);
        text.push_str(&with);
        let rest = REQUEST.get(at + with.len()..).unwrap_or_default();
        text.push_str(rest);
        if let Ok(element) = element_from_str(&text) {
            let _ = ErrorAnswer::from_element(&element);
            if let Ok(request) = ConferenceModify::from_element(&element) {
                prop_assert_eq!(ConferenceModify::from_xml(&request.to_xml()), Ok(request));
            }
        }
    }

    #[test]
    fn damaged_json_is_read_without_panic(at in 0..JSON_REQUEST.len(), with in "[\\[\\]{}\",:0-9]{1}") {
        let mut text = JSON_REQUEST.to_owned();
        prop_assume!(text.is_char_boundary(at) && text.is_char_boundary(at + 1));
        text.replace_range(at..=at, &with);
        if let Ok(value) = serde_json::from_str::<Value>(&text)
            && let Ok(request) = ConferenceModify::from_json(&value)
        {
            prop_assert_eq!(ConferenceModify::from_json(&request.to_json()), Ok(request));
        }
    }

    #[test]
    fn any_json_is_read_without_panic(value in any_json()) {
        if let Ok(request) = ConferenceModify::from_json_with_meeting_id(&value, "m") {
            let again = ConferenceModify::from_json(&request.to_json());
            prop_assert_eq!(again.as_ref(), Ok(&request));
            let _ = request.to_xml();
        }
        let _ = ConferenceModified::from_json(&value);
    }

    #[test]
    fn any_message_is_read_without_panic_and_written_the_same(
        value in any_json(),
        class in "(EndpointMessage|EndpointStats|ReceiverVideoConstraints|VideoSourcesMap|AddReceiver)",
    ) {
        if let Value::Object(mut object) = value {
            object.insert("colibriClass".to_owned(), class.into());
            if let Ok(message) = BridgeChannelMessage::parse(&Value::from(object).to_string()) {
                let again = BridgeChannelMessage::parse(&message.to_json_string());
                prop_assert_eq!(again, Ok(message));
            }
        }
    }
}
