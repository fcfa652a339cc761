//! The messages of the bridge channel: forms that clients and bridges send, and what is dropped.

use bridge_signaling::VideoType;
use bridge_signaling::bridge_channel::{
    BridgeChannelMessage as M, EndpointMessage, MessageError, VideoConstraints,
};
use bridge_signaling::limits::{MAX_BRIDGE_CHANNEL_BYTES, MAX_JSON_DEPTH, MAX_NAME_BYTES};
use serde_json::{Value, json};

/// One of each, as clients and bridges write them.
const MESSAGES: [&str; 24] = [
    r#"{"colibriClass":"ClientHello"}"#,
    r#"{"colibriClass":"ServerHello"}"#,
    r#"{"colibriClass":"ServerHello","version":"2.3.300-gabcdef01"}"#,
    r#"{"colibriClass":"EndpointMessage","to":"","msgPayload":{"type":"e2e-ping-request","id":9}}"#,
    r#"{"colibriClass":"EndpointMessage","to":" ","from":"1a2b3c4d","msgPayload":null,"x":[1.5]}"#,
    r#"{"colibriClass":"EndpointStats","bitrate":{"upload":800,"download":1900},"jvbRTT":28}"#,
    r#"{"colibriClass":"EndpointStats","from":"1a2b3c4d","to":"x","connectionQuality":95.25}"#,
    r#"{"colibriClass":"LastNChangedEvent","lastN":6}"#,
    r#"{"colibriClass":"ReceiverVideoConstraints"}"#,
    r#"{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"onStageSources":["2b3c-v0"],"selectedSources":[],"defaultConstraints":{"maxHeight":180,"maxFrameRate":-1.0},"constraints":{"2b3c-v0":{"maxHeight":720,"maxFrameRate":15.0}},"assumedBandwidthBps":-1}"#,
    r#"{"colibriClass":"ReceiverAudioSubscription","all":true,"include":["2b3c-a0.fr"],"exclude":["3c4d-a0"]}"#,
    r#"{"colibriClass":"SourceVideoTypeMessage","sourceName":"1a2b-v1","videoType":"DESKTOP_HIGH_FPS"}"#,
    r#"{"colibriClass":"SourceVideoTypeMessage","sourceName":"1a2b-v1","videoType":"NONE","endpointId":"1a2b"}"#,
    r#"{"colibriClass":"VideoTypeMessage","videoType":"CAMERA"}"#,
    r#"{"colibriClass":"DominantSpeakerEndpointChangeEvent","dominantSpeakerEndpoint":"2b3c","previousSpeakers":["1a2b"],"silence":false}"#,
    r#"{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"3c4d","active":"false"}"#,
    r#"{"colibriClass":"ForwardedSources","forwardedSources":[]}"#,
    r#"{"colibriClass":"VideoSourcesMap","mappedSources":[{"source":"2b3c-v0","owner":"2b3c","ssrc":4000000001,"rtx":305419897,"videoType":"CAMERA","mid":"v0"}]}"#,
    r#"{"colibriClass":"AudioSourcesMap","mappedSources":[{"source":"2b3c-a0","owner":null,"ssrc":2596069105}]}"#,
    r#"{"colibriClass":"SenderSourceConstraints","sourceName":"1a2b-v0","maxHeight":180}"#,
    r#"{"colibriClass":"ConnectionStats","estimatedDownlinkBandwidth":1800000}"#,
    r#"{"colibriClass":"SyntheticSourceSendingChangeEvent","sourceName":"5555-a0.fr","sending":true,"timestamp":480000}"#,
    r#"{"colibriClass":"AddReceiver","bridgeId":"bridge-one","sourceName":"2b3c-v0","videoConstraints":{"maxHeight":360,"maxFrameRate":-1.0}}"#,
    r#"{"colibriClass":"RemoveReceiver","bridgeId":"bridge-one","endpointId":"2b3c"}"#,
];

#[test]
fn every_message_is_read_and_written_the_same() {
    for text in MESSAGES {
        let message = M::parse(text).unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(message.to_json(), value);
        assert_eq!(M::parse(&message.to_json_string()), Ok(message.clone()));
        assert_eq!(value["colibriClass"], message.colibri_class());
    }
}

#[test]
fn a_payload_passes_untouched() {
    let text = r#"{"n":18446744073709551615,"to":"x","colibriClass":"EndpointMessage","from":"forged",
        "msgPayload":{"colibriClass":"inner","a":[null,1e3,-5,1.6678410521920386e-96,"\ud83d\ude00"]}}"#;
    let M::EndpointMessage(mut message) = M::parse(text).unwrap() else { panic!("another class") };
    message.from = Some("real".to_owned());
    assert!(!message.is_broadcast());
    assert_eq!(
        M::EndpointMessage(message).to_json(),
        json!({"n": u64::MAX, "to": "x", "colibriClass": "EndpointMessage", "from": "real",
               "msgPayload": {"colibriClass": "inner", "a": [null, 1000.0, -5, 1.6678410521920386e-96, "\u{1f600}"]}})
    );
    assert!(EndpointMessage { to: " \t".to_owned(), ..Default::default() }.is_broadcast());
}

#[test]
fn scalars_are_lenient_and_missing_numbers_are_zero() {
    let table = [
        (json!({"colibriClass": "LastNChangedEvent"}), 0),
        (json!({"colibriClass": "LastNChangedEvent", "lastN": null}), 0),
        (json!({"colibriClass": "LastNChangedEvent", "lastN": "5"}), 5),
        (json!({"colibriClass": "LastNChangedEvent", "lastN": 1.9}), 1),
        (json!({"colibriClass": "LastNChangedEvent", "lastN": -1, "unknown": [1]}), -1),
    ];
    for (value, last_n) in table {
        let M::LastNChangedEvent(event) = M::parse(&value.to_string()).unwrap() else {
            panic!("another class")
        };
        assert_eq!(event.last_n, last_n, "{value}");
    }
    let hello = r#"{"version":5,"colibriClass":"ServerHello"} trailing"#;
    assert_eq!(M::parse(hello).unwrap().to_json()["version"], "5");
}

#[test]
fn constraints_have_defaults_and_old_members_are_skipped() {
    let text = r#"{"colibriClass":"ReceiverVideoConstraints","lastN":null,"onStageEndpoints":["x"],
        "constraints":{"v":{"maxHeight":-1,"ideal":1},"w":{}},"defaultConstraints":{"maxHeight":180}}"#;
    let M::ReceiverVideoConstraints(message) = M::parse(text).unwrap() else {
        panic!("another class")
    };
    assert_eq!(message.last_n, None);
    assert_eq!(message.on_stage_sources, None);
    assert_eq!(message.default_constraints, Some(VideoConstraints::from_max_height(180)));
    let constraints = message.constraints.unwrap();
    assert_eq!(constraints["v"], VideoConstraints::from_max_height(-1));
    assert!(constraints["w"].is_disabled() && !constraints["v"].is_disabled());
}

#[test]
fn the_old_audio_subscription_reads_as_the_new_one() {
    let read = |members: &str| {
        let text = format!(r#"{{"colibriClass":"ReceiverAudioSubscription"{members}}}"#);
        match M::parse(&text) {
            Ok(M::ReceiverAudioSubscription(m)) => Ok((m.all, m.include, m.exclude)),
            Ok(_) => panic!("another class"),
            Err(error) => Err(error),
        }
    };
    let (none, a) = (Vec::new, || vec!["a".to_owned()]);
    assert_eq!(read(""), Ok((false, none(), none())));
    assert_eq!(read(r#","mode":"All","include":["a"]"#), Ok((true, none(), none())));
    assert_eq!(read(r#","mode":"None","all":true"#), Ok((false, none(), none())));
    assert_eq!(read(r#","mode":"Include","list":["a"]"#), Ok((false, a(), none())));
    assert_eq!(read(r#","mode":"Exclude","list":["a"]"#), Ok((true, none(), a())));
    assert_eq!(read(r#","mode":"all""#), Err(MessageError::InvalidValue("mode")));
    assert_eq!(read(r#","list":["a"],"all":true"#), Ok((true, none(), none())));
}

#[test]
fn video_types_are_read_in_any_case() {
    for name in ["camera", "desktop", "Desktop_High_FPS", "disabled", "none"] {
        let text = format!(r#"{{"colibriClass":"VideoTypeMessage","videoType":"{name}"}}"#);
        let M::VideoTypeMessage(message) = M::parse(&text).unwrap() else { panic!("another") };
        assert_eq!(Some(message.video_type), VideoType::from_name(name));
        assert_eq!(message.video_type.as_lower(), name.to_ascii_lowercase());
    }
}

#[test]
fn what_is_dropped_says_why() {
    use MessageError as E;
    let table = [
        ("", E::NotJson),
        ("{", E::NotJson),
        ("null", E::NotObject),
        ("[]", E::NotObject),
        ("{}", E::NoClass),
        (r#"{"colibriClass":null}"#, E::NoClass),
        (r#"{"colibriClass":7}"#, E::NoClass),
        (r#"{"colibriClass":"clienthello"}"#, E::UnknownClass),
        (r#"{"colibriClass":"PinnedEndpointChangedEvent"}"#, E::UnknownClass),
        (r#"{"colibriClass":"ClientHello","colibriClass":"ClientHello"}"#, E::NotJson),
        (r#"{"colibriClass":"EndpointMessage","to":"","p":{"a":1,"b":{"c":1,"c":2}}}"#, E::NotJson),
        (r#"{"colibriClass":"EndpointMessage"}"#, E::Missing("to")),
        (r#"{"colibriClass":"EndpointMessage","to":null}"#, E::Missing("to")),
        (r#"{"colibriClass":"EndpointMessage","to":{}}"#, E::WrongType("to")),
        (r#"{"colibriClass":"LastNChangedEvent","lastN":[]}"#, E::WrongType("lastN")),
        (r#"{"colibriClass":"LastNChangedEvent","lastN":"x"}"#, E::WrongType("lastN")),
        (r#"{"colibriClass":"LastNChangedEvent","lastN":4294967296}"#, E::InvalidValue("lastN")),
        (r#"{"colibriClass":"VideoTypeMessage"}"#, E::Missing("videoType")),
        (r#"{"colibriClass":"VideoTypeMessage","videoType":"x"}"#, E::InvalidValue("videoType")),
        (
            r#"{"colibriClass":"ReceiverVideoConstraints","constraints":{"v":{"maxHeight":-2}}}"#,
            E::InvalidValue("maxHeight"),
        ),
        (
            r#"{"colibriClass":"ReceiverVideoConstraints","defaultConstraints":{"maxFrameRate":-0.5}}"#,
            E::InvalidValue("maxFrameRate"),
        ),
        (
            r#"{"colibriClass":"ReceiverVideoConstraints","selectedSources":"v"}"#,
            E::WrongType("selectedSources"),
        ),
        (
            r#"{"colibriClass":"ReceiverVideoConstraints","onStageSources":[{}]}"#,
            E::WrongType("onStageSources"),
        ),
    ];
    for (text, error) in table {
        assert_eq!(M::parse(text), Err(error), "{text}");
    }
}

#[test]
fn size_depth_and_names_are_bounded() {
    let message = |payload: &str| {
        M::parse(&format!(r#"{{"colibriClass":"EndpointMessage","to":"","p":{payload}}}"#))
    };
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(message(&nested(MAX_JSON_DEPTH - 2)).is_ok());
    assert_eq!(message(&nested(MAX_JSON_DEPTH)), Err(MessageError::NotJson));
    assert_eq!(message(&nested(100_000)), Err(MessageError::NotJson));
    let large = format!("\"{}\"", "x".repeat(MAX_BRIDGE_CHANNEL_BYTES));
    assert_eq!(message(&large), Err(MessageError::TooLarge));
    let to = "x".repeat(MAX_NAME_BYTES + 1);
    let text = format!(r#"{{"colibriClass":"EndpointMessage","to":"{to}"}}"#);
    assert_eq!(M::parse(&text), Err(MessageError::TooLarge));
}
