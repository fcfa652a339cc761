use crate::world::*;
use bridge_signaling::StanzaErrorCondition;
use bridge_signaling::colibri2::{
    ConferenceModified, ConferenceModify, Connect, ConnectProtocol, ConnectType, ErrorReason,
    ForceMute, Relay,
};

fn connect(id: &str, create: bool, expire: bool) -> Connect {
    Connect {
        id: id.to_owned(),
        url: "wss://asr.example.net/".to_owned(),
        protocol: ConnectProtocol::MediaJson,
        kind: ConnectType::Transcriber,
        audio: true,
        video: false,
        create,
        expire,
        http_headers: Vec::new(),
        ping: None,
        exports: Vec::new(),
        requests: Vec::new(),
    }
}

fn with_connects(connects: Vec<Connect>) -> ConferenceModify {
    ConferenceModify { connects, ..ConferenceModify::new(MEETING) }
}

#[test]
fn any_relay_is_answered_as_where_relays_are_switched_off() {
    let relays = [
        Relay { create: true, ..Relay::new("jvb-b") },
        Relay::new("jvb-b"),
        Relay::expired("jvb-b"),
    ];
    for relay in relays {
        let mut world = World::with_endpoints(&["a"]);
        let request = ConferenceModify { relays: vec![relay], ..ConferenceModify::new(MEETING) };
        let answer = world.request(&request).unwrap_err().to_error_answer();
        assert_eq!(answer.condition, StanzaErrorCondition::FeatureNotImplemented);
        assert_eq!(answer.reason, None);
        assert_eq!(answer.text.as_deref(), Some("Octo is disabled in configuration."));
        assert!(world.exists());
    }
}

#[test]
fn a_new_export_connection_is_not_implemented_and_says_so() {
    let mut world = World::with_endpoints(&["a"]);
    let request = with_connects(vec![connect("transcriber", true, false)]);
    let answer = world.request(&request).unwrap_err().to_error_answer();
    assert_eq!(answer.condition, StanzaErrorCondition::FeatureNotImplemented);
    assert_eq!(answer.reason, Some(ErrorReason::FeatureNotImplemented));
}

#[test]
fn expiring_an_unknown_export_connection_succeeds() {
    let mut world = World::with_endpoints(&["a"]);
    let request = with_connects(vec![connect("transcriber", false, true)]);
    assert_eq!(world.request(&request), Ok(ConferenceModified::default()));
}

#[test]
fn rules_for_export_connections_are_checked_first() {
    let video = Connect { video: true, ..connect("x", true, false) };
    let cases = [
        (vec![video], StanzaErrorCondition::FeatureNotImplemented, "Video"),
        (
            vec![connect("x", false, true), connect("x", false, true)],
            StanzaErrorCondition::BadRequest,
            "Duplicate expire for id=x",
        ),
        (
            vec![connect("x", true, false), connect("x", false, false)],
            StanzaErrorCondition::BadRequest,
            "Multiple connects for id=x",
        ),
        (
            vec![connect("x", false, false), connect("x", false, true)],
            StanzaErrorCondition::BadRequest,
            "Connect update for id=x expired in the same request",
        ),
        (
            vec![connect("y", true, false), connect("x", false, false)],
            StanzaErrorCondition::BadRequest,
            "Connect for unknown id=x without create=true",
        ),
    ];
    for (connects, condition, text) in cases {
        let mut world = World::with_endpoints(&["a"]);
        let answer = world.request(&with_connects(connects)).unwrap_err().to_error_answer();
        assert_eq!((answer.condition, answer.text.as_deref()), (condition, Some(text)));
        let feature = condition == StanzaErrorCondition::FeatureNotImplemented;
        assert_eq!(answer.reason.is_some(), feature, "{text}");
    }
}

#[test]
fn endpoints_of_a_request_stay_applied_when_its_export_connections_fail() {
    let mut world = World::with_endpoints(&["a"]);
    let mut mute = update("a");
    mute.force_mute = Some(ForceMute { audio: true, video: true });
    let connects = vec![connect("x", true, false)];
    let request = ConferenceModify { connects, ..modify(vec![mute]) };
    world.request(&request).unwrap_err();
    assert_eq!(world.session("a").force_mutes, [(true, true)]);
}
