//! What is not understood is refused with a typed error, and that error with an answer.

use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use bridge_signaling::limits::{
    MAX_CANDIDATES, MAX_ENDPOINTS, MAX_FINGERPRINTS, MAX_JSON_DEPTH, MAX_NAME_BYTES,
    MAX_PAYLOAD_TYPES, MAX_XML_BYTES, MAX_XML_DEPTH,
};
use bridge_signaling::{ErrorAnswer, ParseError, StanzaErrorCondition, element_from_str};
use serde_json::{Value, json};

fn endpoint(content: &str) -> String {
    format!(
        "<conference-modify xmlns='jitsi:colibri2' meeting-id='m'><endpoint id='e'>{content}\
         </endpoint></conference-modify>"
    )
}

fn media(content: &str) -> String {
    endpoint(&format!("<media type='audio'>{content}</media>"))
}

fn video_source(content: &str) -> String {
    endpoint(&format!(
        "<sources><media-source type='video' id='v'>{content}</media-source></sources>"
    ))
}

fn connect(attributes: &str, content: &str) -> String {
    format!(
        "<conference-modify xmlns='jitsi:colibri2' meeting-id='m'><connects>\
         <connect {attributes}>{content}</connect></connects></conference-modify>"
    )
}

fn payload_type(attributes: &str) -> String {
    media(&format!("<payload-type xmlns='urn:xmpp:jingle:apps:rtp:1' {attributes}/>"))
}

const CONNECT: &str = "id='c' url='ws://h' protocol='mediajson' type='recorder'";

#[test]
fn xml_that_jvb_cannot_parse_is_a_bad_request() {
    let long_name = format!(
        "<conference-modify xmlns='jitsi:colibri2' meeting-id='{}'/>",
        "m".repeat(MAX_NAME_BYTES + 1)
    );
    let table = [
        "<conference-modify xmlns='jitsi:colibri2'/>".to_owned(),
        "<conference-modify xmlns='jitsi:colibri2' meeting-id=' '/>".to_owned(),
        "<conference-modify xmlns='urn:x' meeting-id='m'/>".to_owned(),
        "<conference-modified xmlns='jitsi:colibri2'/>".to_owned(),
        "<conference-modify xmlns='jitsi:colibri2' meeting-id='m'>".to_owned(),
        "<conference-modify".to_owned(),
        String::new(),
        long_name,
        "<conference-modify xmlns='jitsi:colibri2' meeting-id='m'><endpoint/></conference-modify>"
            .to_owned(),
        "<conference-modify xmlns='jitsi:colibri2' meeting-id='m'><relay/></conference-modify>"
            .to_owned(),
        endpoint("<media/>"),
        endpoint("<media type='smell'/>"),
        endpoint("<initial-last-n/>"),
        endpoint("<initial-last-n value='many'/>"),
        endpoint("<sources><media-source id='x'/></sources>"),
        endpoint("<sources><media-source type='video'/></sources>"),
        endpoint("<transport><sctp role='peer'/></transport>"),
        endpoint("<transport><sctp port='x'/></transport>"),
        endpoint("<transport><sctp port='65536'/></transport>"),
        endpoint("").replace("id='e'", "id='e' muc-role='king'"),
        endpoint("").replace("id='e'", &format!("id='{}'", "e".repeat(129))),
        connect("id='c' protocol='mediajson' type='recorder'", ""),
        connect("url='ws://h' protocol='mediajson' type='recorder'", ""),
        connect("id='c' url='http://h' protocol='mediajson' type='recorder'", ""),
        connect("id='c' url='ws://h' protocol='rtp' type='recorder'", ""),
        connect("id='c' url='ws://h' protocol='mediajson' type='spy'", ""),
        connect(CONNECT, "<ping interval='1'/>"),
        connect(CONNECT, "<ping interval='1' timeout='soon'/>"),
        connect(CONNECT, "<http-header name='a:b' value='x'/>"),
        connect(CONNECT, "<http-header value='x'/>"),
    ];
    for text in table {
        let error = ConferenceModify::from_xml(&text).expect_err(&text);
        let answer = error.to_error_answer();
        assert_eq!(answer.condition, StanzaErrorCondition::BadRequest, "{text}: {error}");
        assert_eq!(answer.reason, None);
        assert_eq!(error.to_rest().status, 400);
    }
}

#[test]
fn values_on_which_jvb_fails_while_processing_are_an_internal_error() {
    let source = "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0'";
    let table = [
        payload_type("name='VP8'"),
        payload_type("id='100'"),
        payload_type("id='x' name='VP8'"),
        payload_type("id='128' name='VP8'"),
        payload_type("id='100' name='VP8' clockrate='fast'"),
        payload_type("id='100' name='VP8' channels='-2'"),
        media("<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='0' uri='u'/>"),
        media("<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='256' uri='u'/>"),
        video_source(&format!("{source} ssrc='x'/>")),
        video_source(&format!("{source} ssrc='4294967296'/>")),
        video_source(&format!("{source} ssrc='1' videoType='hologram'/>")),
    ];
    for text in table {
        let error = ConferenceModify::from_xml(&text).expect_err(&text);
        assert!(matches!(error, ParseError::Unusable { .. }), "{text}: {error}");
        let answer = error.to_error_answer();
        assert_eq!(answer.condition, StanzaErrorCondition::InternalServerError);
        assert!(answer.text.is_some_and(|text| !text.is_empty()));
        assert_eq!(error.to_rest().status, 500);
    }
}

#[test]
fn what_cannot_be_used_is_skipped_without_error() {
    let ice = "xmlns='urn:xmpp:jingle:transports:ice-udp:1'";
    let dtls = "xmlns='urn:xmpp:jingle:apps:dtls:0'";
    let request = ConferenceModify::from_xml(&endpoint(&format!(
        "<transport><transport {ice} ice-generation='none'>\
           <candidate ip='192.0.2.1' port='70000' foundation='1' type='host'/>\
           <candidate ip='192.0.2.1' port='1' foundation='1' type='psychic'/>\
           <candidate port='1' foundation='1' type='host'/>\
           <candidate ip='peer.local' port='1' foundation='1' type='prflx'/>\
           <remote-candidate ip='192.0.2.1'/>\
           <fingerprint {dtls} setup='active'>AA</fingerprint>\
           <fingerprint {dtls} hash='sha-256'> </fingerprint>\
           <fingerprint {dtls} hash='SHA-256' setup='maybe'>AA</fingerprint>\
           <web-socket xmlns='http://jitsi.org/protocol/colibri'/>\
         </transport></transport><capability/>\
         <sources><media-source type='audio' id='a'>\
           <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' name='a'/>\
           <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='-1' videoType='hologram'/>\
         </media-source></sources>"
    )))
    .unwrap();
    let endpoint = &request.endpoints[0];
    let transport = endpoint.transport.as_ref().and_then(|t| t.ice.as_ref()).unwrap();
    assert_eq!(transport.ice_generation, None);
    assert_eq!(transport.candidates.len(), 1);
    assert_eq!(transport.candidates[0].ip, "peer.local");
    assert_eq!(transport.fingerprints.len(), 1);
    assert_eq!(transport.fingerprints[0].setup, None);
    assert_eq!(transport.fingerprints[0].hash, "sha-256");
    assert!(transport.web_sockets.is_empty() && endpoint.capabilities.is_empty());
    let sources = &endpoint.sources.as_ref().unwrap().media_sources[0].sources;
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0].ssrc, u32::MAX);
}

#[test]
fn json_of_a_wrong_shape_is_refused() {
    let endpoint = |endpoint: Value| json!({"meeting-id": "m", "endpoints": [endpoint]});
    let table = [
        json!([]),
        json!("x"),
        json!(null),
        json!({}),
        json!({"meeting-id": " "}),
        json!({"meeting-id": 7}),
        json!({"meeting-id": "m", "create": "true"}),
        json!({"meeting-id": "m", "endpoints": {}}),
        json!({"meeting-id": "m", "endpoints": ["e"]}),
        json!({"meeting-id": "m", "relays": [{}]}),
        json!({"meeting-id": "m", "connects": [{"id": "c", "url": "ws://h", "type": "recorder"}]}),
        json!({"meeting-id": "m", "connects": [{"id": "c", "url": "ws://h", "type": "recorder",
            "protocol": "mediajson", "headers": {"a\r\nb": "x"}}]}),
        endpoint(json!({})),
        endpoint(json!({"id": ""})),
        endpoint(json!({"id": "e", "muc-role": "king"})),
        endpoint(json!({"id": "e", "medias": [{}]})),
        endpoint(json!({"id": "e", "medias": [{"type": "audio", "extmap-allow-mixed": 1}]})),
        endpoint(json!({"id": "e", "medias": [{"type": "audio", "rtp-hdrexts": [{"id": "1"}]}]})),
        endpoint(json!({"id": "e", "capabilities": [{"name": "source-names"}]})),
        endpoint(json!({"id": "e", "sources": {}})),
        endpoint(json!({"id": "e", "sources": [{"type": "audio", "id": "a", "sources": [true]}]})),
        endpoint(json!({"id": "e", "transport": {"sctp": {"port": "5000"}}})),
        endpoint(json!({"id": "e", "transport": {"transport": 1}})),
        endpoint(json!({"id": "e", "initial-last-n": {}})),
        endpoint(json!({"id": "e", "force-mute": {"audio": 1}})),
    ];
    for value in table {
        let error = ConferenceModify::from_json(&value).expect_err(&value.to_string());
        assert_eq!(error.to_rest().status, 400, "{value}");
        assert!(error.to_rest().message.starts_with("Failed to parse ConferenceModify JSON:"));
    }
    assert!(ConferenceModified::from_json(&json!([])).is_err());
    assert!(ConferenceModify::from_json_with_meeting_id(&json!({"meeting-id": "x"}), "").is_err());
}

#[test]
fn more_than_the_limits_is_refused_as_a_whole() {
    let many = |count: usize, one: &str| one.repeat(count);
    let opus = "<payload-type xmlns='urn:xmpp:jingle:apps:rtp:1' id='1' name='x'/>";
    let candidate = "<candidate ip='h.local' port='1' foundation='1' type='host'/>";
    let fingerprint = "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='h'>A</fingerprint>";
    let ice = |content: String| {
        endpoint(&format!(
            "<transport><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'>{content}\
             </transport></transport>"
        ))
    };
    let table = [
        (media(&many(MAX_PAYLOAD_TYPES, opus)), media(&many(MAX_PAYLOAD_TYPES + 1, opus))),
        (ice(many(MAX_CANDIDATES, candidate)), ice(many(MAX_CANDIDATES + 1, candidate))),
        (ice(many(MAX_FINGERPRINTS, fingerprint)), ice(many(MAX_FINGERPRINTS + 1, fingerprint))),
    ];
    for (enough, too_many) in table {
        assert!(ConferenceModify::from_xml(&enough).is_ok());
        let error = ConferenceModify::from_xml(&too_many).unwrap_err();
        assert!(matches!(error, ParseError::TooMany { .. }), "{error}");
        assert_eq!(error.to_error_answer().condition, StanzaErrorCondition::BadRequest);
    }
    let endpoints: Vec<Value> =
        (0..=MAX_ENDPOINTS).map(|id| json!({"id": id.to_string()})).collect();
    assert_eq!(
        ConferenceModify::from_json(&json!({"meeting-id": "m", "endpoints": endpoints})),
        Err(ParseError::TooMany { what: "endpoints", limit: MAX_ENDPOINTS })
    );
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize, open: &str, close: &str| open.repeat(depth) + &close.repeat(depth);
    assert!(element_from_str(&nested(MAX_XML_DEPTH, "<a xmlns='x'>", "</a>")).is_ok());
    let too_deep = ParseError::TooDeep { limit: MAX_XML_DEPTH };
    for (open, close) in [
        ("<a xmlns='x'>", "</a>"),
        ("<a xmlns='x' b='/>'>", "</a>"),
        ("<a xmlns='x' b=\"</a>\">", "</a>"),
        ("<a xmlns='x'><![CDATA[</a></a>]]>", "</a>"),
    ] {
        let text = nested(MAX_XML_DEPTH + 1, open, close);
        assert_eq!(element_from_str(&text).unwrap_err(), too_deep, "{open}");
    }
    let wide = format!("<a xmlns='x'>{}</a>", "<b/><c></c>".repeat(1_000));
    assert!(element_from_str(&wide).is_ok());
    assert!(element_from_str("<?xml version='1.0'?><a xmlns='x'/>").is_ok());
    assert_eq!(
        element_from_str(&" ".repeat(MAX_XML_BYTES + 1)).unwrap_err(),
        ParseError::TooLarge { limit: MAX_XML_BYTES }
    );
    let mut value = json!(1);
    for _ in 0..MAX_JSON_DEPTH {
        value = json!([value]);
    }
    assert_eq!(
        ConferenceModify::from_json(&json!({"meeting-id": "m", "noise": value})),
        Err(ParseError::TooDeep { limit: MAX_JSON_DEPTH })
    );
}

#[test]
fn errors_without_condition_or_with_an_invented_reason_are_not_read() {
    let stanzas = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'";
    let read = |content: &str| {
        let text = format!("<error xmlns='jabber:client' type='cancel'>{content}</error>");
        ErrorAnswer::from_element(&element_from_str(&text).unwrap())
    };
    assert!(read("").is_err());
    assert!(read(&format!("<gone {stanzas}/>")).is_err());
    assert!(
        read(&format!("<conflict {stanzas}/><error xmlns='jitsi:colibri2' reason='x'/>")).is_err()
    );
    let unspecified =
        read(&format!("<conflict {stanzas}/><error xmlns='jitsi:colibri2'/>")).unwrap();
    assert_eq!(unspecified.reason.map(|reason| reason.as_str()), Some("unspecified"));
    let rest = ErrorAnswer::new(StanzaErrorCondition::Conflict).with_text("there").to_rest();
    assert_eq!((rest.status, rest.message.as_str()), (400, "Failed to create conference: there"));
}
