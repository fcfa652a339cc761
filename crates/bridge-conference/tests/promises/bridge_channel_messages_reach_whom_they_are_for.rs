use crate::world::*;
use bridge_conference::ConferenceSettings;
use bridge_shard::SessionEventKind;
use bridge_signaling::colibri2::{Endpoint, MediaKind, MucRole};
use serde_json::{Value, json};
use std::time::Duration;

/// Endpoints with open channels, of which those that begin with `v` are visitors.
fn call(ids: &[&str]) -> World {
    let mut world = World::new();
    world.create_conference();
    for id in ids {
        let muc_role = id.starts_with('v').then_some(MucRole::Visitor);
        world.modify(Endpoint { muc_role, ..new_endpoint(id) }).unwrap();
        world.open_channel(id);
    }
    world.forget_messages();
    world
}

fn hello(to: &str) -> String {
    json!({ "colibriClass": "EndpointMessage", "to": to, "msgPayload": { "type": "hello", "n": 7 } })
        .to_string()
}

fn settings_of(world: &World, id: &str) -> Value {
    let state = world.conference().debug_state();
    let controller = &state["endpoints"][id]["bitrate_controller"];
    controller["bitrate_allocator"]["allocationSettings"].clone()
}

#[test]
fn client_hello_is_answered_on_the_data_channel() {
    let mut world = call(&["a", "b"]);
    world.say("a", r#"{"colibriClass":"ClientHello"}"#);
    assert_eq!(world.heard("a", "ServerHello"), [json!({ "colibriClass": "ServerHello" })]);
    assert!(world.heard("b", "ServerHello").is_empty());
}

#[test]
fn the_version_is_told_only_if_it_is_announced() {
    let announced_version = Some("2.3.212-g1a2b3c4".to_owned());
    let settings = ConferenceSettings { announced_version, ..settings() };
    let mut world = World::with(settings, |environment| environment);
    world.create_conference();
    world.create("a");
    world.open_channel("a");
    world.say("a", r#"{"colibriClass":"ClientHello"}"#);
    assert_eq!(world.heard("a", "ServerHello")[0]["version"], "2.3.212-g1a2b3c4");
}

#[test]
fn a_data_channel_that_opens_gets_the_forwarded_sources_and_no_hello() {
    let mut world = World::with_endpoints(&["a"]);
    world.open_channel("a");
    let empty = json!({ "colibriClass": "ForwardedSources", "forwardedSources": [] });
    assert_eq!(world.heard("a", "ForwardedSources"), [empty]);
    assert!(world.session("a").messages.is_empty());
}

#[test]
fn a_broadcast_goes_to_all_others_visitors_included() {
    let mut world = call(&["a", "b", "v"]);
    world.say("a", &hello(""));
    let expected = json!({
        "colibriClass": "EndpointMessage",
        "to": "",
        "from": "a",
        "msgPayload": { "type": "hello", "n": 7 },
    });
    assert_eq!(world.heard("b", "EndpointMessage"), std::slice::from_ref(&expected));
    assert_eq!(world.heard("v", "EndpointMessage"), [expected]);
    assert!(world.heard("a", "EndpointMessage").is_empty());
}

#[test]
fn a_blank_address_is_a_broadcast_and_a_missing_one_is_refused() {
    let mut world = call(&["a", "b"]);
    world.say("a", &hello("  "));
    assert_eq!(world.heard("b", "EndpointMessage").len(), 1);
    world.say("a", r#"{"colibriClass":"EndpointMessage","msgPayload":{}}"#);
    assert!(world.heard("b", "EndpointMessage").is_empty());
    assert_eq!(world.conference().counters().messages_malformed, 1);
}

#[test]
fn the_sender_cannot_be_forged_and_other_members_stay() {
    let mut world = call(&["a", "b"]);
    let text = r#"{"to":"b","from":"mallory","x":null,"y":[1,{"z":2.5}],"colibriClass":"EndpointMessage"}"#;
    world.say("a", text);
    let expected = json!({
        "colibriClass": "EndpointMessage", "to": "b", "from": "a", "x": null, "y": [1, { "z": 2.5 }],
    });
    assert_eq!(world.heard("b", "EndpointMessage"), [expected]);
}

#[test]
fn an_addressed_message_goes_to_that_endpoint_only() {
    let mut world = call(&["a", "b", "c", "v"]);
    for to in ["b", "v", "a"] {
        world.say("a", &hello(to));
        for id in ["a", "b", "c", "v"] {
            let count = world.heard(id, "EndpointMessage").len();
            assert_eq!(count, usize::from(id == to), "to {to} at {id}");
        }
    }
}

#[test]
fn a_message_for_nobody_is_dropped_without_an_answer() {
    let mut world = call(&["a", "b"]);
    world.say("a", &hello("nobody"));
    world.say("a", &hello(&"x".repeat(500)));
    assert!(world.session("a").messages.is_empty() && world.session("b").messages.is_empty());
    assert_eq!(world.conference().counters().messages_ignored, 2);
}

#[test]
fn visitors_send_neither_messages_nor_statistics() {
    let mut world = call(&["a", "v"]);
    world.say("v", &hello("a"));
    world.say("v", &hello(""));
    world.say("v", r#"{"colibriClass":"EndpointStats","bitrate":1}"#);
    assert!(world.session("a").messages.is_empty());
}

#[test]
fn statistics_go_to_everybody_else_with_their_sender() {
    let mut world = call(&["a", "b", "v"]);
    world.say("a", r#"{"colibriClass":"EndpointStats","from":"b","jvbRTT":31}"#);
    let expected = json!({ "colibriClass": "EndpointStats", "from": "a", "jvbRTT": 31 });
    assert_eq!(world.heard("b", "EndpointStats"), std::slice::from_ref(&expected));
    assert_eq!(world.heard("v", "EndpointStats"), [expected]);
    assert!(world.session("a").messages.is_empty());
}

#[test]
fn statistics_are_not_filtered_in_a_large_conference() {
    let ids: Vec<String> = (0..100).map(|n| format!("e{n}")).collect();
    let mut world = call(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    world.say("e0", r#"{"colibriClass":"EndpointStats"}"#);
    let heard = ids.iter().filter(|id| !world.heard(id, "EndpointStats").is_empty()).count();
    assert_eq!(heard, 99);
}

#[test]
fn messages_for_a_closed_channel_are_lost_and_counted() {
    let mut world = call(&["a", "b"]);
    world.event("b", SessionEventKind::ChannelClosed);
    world.say("a", &hello("b"));
    assert!(world.session("b").messages.is_empty());
    let state = world.conference().debug_state();
    assert_eq!(state["endpoints"]["b"]["message_transport"]["numOutgoingMessagesDropped"], 1);
    world.open_channel("b");
    assert!(world.heard("b", "EndpointMessage").is_empty());
    assert_eq!(world.heard("b", "ForwardedSources").len(), 1);
}

#[test]
fn what_cannot_be_read_is_dropped_counted_and_closes_nothing() {
    let mut world = call(&["a", "b"]);
    let malformed = ["", "[]", "no json", "{}", r#"{"colibriClass":7}"#, r#"{"colibriClass":"#];
    for text in malformed {
        world.say("a", text);
    }
    for class in ["SelectedEndpointsChangedEvent", "PinnedEndpointChangedEvent", "X"] {
        world.say("a", &json!({ "colibriClass": class }).to_string());
    }
    let counters = *world.conference().counters();
    assert_eq!((counters.messages_malformed, counters.messages_unknown_class), (6, 3));
    assert_eq!(counters.messages_received, 0);
    world.say("a", &hello("b"));
    assert_eq!(world.heard("b", "EndpointMessage").len(), 1);
}

#[test]
fn messages_that_only_bridges_send_are_ignored() {
    let mut world = call(&["a", "b"]);
    for text in [
        r#"{"colibriClass":"ServerHello"}"#,
        r#"{"colibriClass":"ForwardedSources","forwardedSources":[]}"#,
        r#"{"colibriClass":"ConnectionStats","estimatedDownlinkBandwidth":1}"#,
    ] {
        world.say("a", text);
    }
    assert_eq!(world.conference().counters().messages_ignored, 3);
    assert!(world.session("a").messages.is_empty() && world.session("b").messages.is_empty());
}

#[test]
fn the_receivers_constraints_are_kept() {
    let mut world = call(&["a"]);
    assert_eq!(settings_of(&world, "a")["default_constraints"]["maxHeight"], 0);
    world.say("a", r#"{"colibriClass":"LastNChangedEvent","lastN":4}"#);
    assert_eq!(settings_of(&world, "a")["last_n"], 4);
    world.say(
        "a",
        r#"{"colibriClass":"ReceiverVideoConstraints","lastN":20,"onStageSources":["b-v0"],
            "constraints":{"b-v0":{"maxHeight":720,"maxFrameRate":30}}}"#,
    );
    let settings = settings_of(&world, "a");
    assert_eq!(settings["last_n"], 20);
    assert_eq!(settings["on_stage_sources"], json!(["b-v0"]));
    assert_eq!(settings["default_constraints"]["maxHeight"], 180);
    assert_eq!(settings["video_constraints"]["b-v0"]["maxHeight"], 720);
}

#[test]
fn constraints_that_are_invalid_change_nothing() {
    let mut world = call(&["a"]);
    let before = settings_of(&world, "a");
    world.say(
        "a",
        r#"{"colibriClass":"ReceiverVideoConstraints","lastN":3,
            "constraints":{"b-v0":{"maxHeight":-2}}}"#,
    );
    assert_eq!(settings_of(&world, "a"), before);
    assert_eq!(world.conference().counters().messages_malformed, 1);
}

#[test]
fn audio_subscriptions_are_kept() {
    let mut world = call(&["a"]);
    world.say("a", r#"{"colibriClass":"ReceiverAudioSubscription","all":true,"exclude":["b-a0"]}"#);
    let state = world.conference().debug_state();
    let expected = json!({ "all": true, "include": [], "exclude": ["b-a0"] });
    assert_eq!(state["audio_subscriptions"]["subscriptions"]["a"], expected);
}

#[test]
fn a_video_type_goes_to_no_client_and_outlives_the_source() {
    let mut world = call(&["a", "b"]);
    world.modify(with_sources("a", vec![video("a-v1", 2)])).unwrap();
    world.forget_messages();
    let desktop =
        r#"{"colibriClass":"SourceVideoTypeMessage","sourceName":"a-v1","videoType":"desktop"}"#;
    world.say("a", desktop);
    world.say("b", &desktop.replace("desktop", "none"));
    assert!(world.session("a").messages.is_empty() && world.session("b").messages.is_empty());
    let shown = |world: &World| {
        let state = world.conference().debug_state();
        state["endpoints"]["a"]["transceiver"]["media_sources"]["a-v1"]["video_type"].clone()
    };
    assert_eq!(shown(&world), "DESKTOP", "and b cannot change what a owns");
    world.modify(with_sources("a", Vec::new())).unwrap();
    world.modify(with_sources("a", vec![video("a-v1", 2)])).unwrap();
    assert_eq!(shown(&world), "DESKTOP");
}

#[test]
fn an_endpoint_without_video_is_told_of_no_video() {
    let mut world = call(&["a"]);
    world.modify(with_sources("a", vec![video("a-v0", 2)])).unwrap();
    world.layers("a", "a-v0", usual_camera());
    let medias = vec![media(MediaKind::Audio, &[(111, "opus", 48_000)])];
    world.modify(Endpoint { medias, ..new_endpoint("b") }).unwrap();
    world.open_channel("b");
    world.wish("b", json!({}));
    let heard = world.heard("b", "ForwardedSources");
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0]["forwardedSources"], json!([]));
}

#[test]
fn a_missing_channel_is_counted_once_thirty_seconds_after_dtls() {
    let connected = || SessionEventKind::DtlsConnected {
        version: bridge_dtls::DtlsVersion::Dtls12,
        profile: bridge_dtls::Profile::AeadAes128Gcm,
    };
    let mut world = World::with_endpoints(&["a", "b"]);
    world.event("a", connected());
    world.event("b", connected());
    world.event("a", connected());
    world.open_channel("b");
    let count = |world: &World| world.conference().counters().no_message_transport_after_delay;
    world.pass(Duration::from_secs(29));
    assert_eq!(count(&world), 0);
    world.pass(Duration::from_secs(2));
    assert_eq!(count(&world), 1);
    world.pass(Duration::from_secs(20));
    assert_eq!(count(&world), 1);
    assert_eq!(world.endpoint_ids(), ["a", "b"]);
}
