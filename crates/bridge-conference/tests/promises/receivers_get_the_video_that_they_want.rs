use crate::world::*;
use bridge_conference::{AllocationConfig, ConferenceSettings, ConferenceSizeLimits, LastN};
use bridge_shard::SessionEventKind;
use bridge_signaling::colibri2::{Endpoint, ForceMute};
use bridge_units::Bitrate;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn told(world: &mut World, id: &str) -> Vec<Value> {
    let heard = world.heard(id, "ForwardedSources").into_iter();
    heard.map(|message| message["forwardedSources"].clone()).collect()
}

fn runs(world: &World) -> u64 {
    world.conference().counters().allocations
}

fn with(config: AllocationConfig) -> ConferenceSettings {
    ConferenceSettings { allocation: Arc::new(config), ..settings() }
}

#[test]
fn nothing_is_forwarded_before_the_first_constraints() {
    let mut world = cameras(&["a", "b"]);
    world.estimate("a", 5_000);
    world.pass(Duration::from_secs(6));
    assert!(world.forwarded("a").is_empty());
    assert!(told(&mut world, "a").is_empty());
}

#[test]
fn the_first_constraints_without_default_bring_thumbnails() {
    let mut world = cameras(&["a", "b", "c"]);
    world.wish("a", json!({}));
    assert_eq!(world.forwarded("a"), ["b-v0 E0S0T2", "c-v0 E0S0T2"]);
    assert_eq!(told(&mut world, "a"), [json!(["b-v0", "c-v0"])]);
    assert!(world.forwarded("b").is_empty());
}

#[test]
fn the_budget_goes_to_the_stage_first() {
    let mut world = cameras(&["r", "a", "b", "c"]);
    world.layers("b", "b-v0", camera([30, 60, 100, 110, 200, 300, 350, 700, 1000]));
    world.layers("c", "c-v0", camera([35, 65, 90, 100, 180, 260, 300, 600, 900]));
    world.estimate("r", 700);
    world.wish(
        "r",
        json!({ "onStageSources": ["a-v0"], "constraints": { "a-v0": { "maxHeight": 720 } } }),
    );
    // The contract's example 1, and example 2 when there is more.
    assert_eq!(world.forwarded("r"), ["a-v0 E1S0T2", "b-v0 E0S0T2", "c-v0 E0S0T2"]);
    let program = world.session("r").programs.last().unwrap();
    assert_eq!(program.target_bitrate, Bitrate::from_kbps(530));
    assert_eq!(program.ideal_bitrate, Bitrate::from_kbps(1_390));
    world.estimate("r", 1_400);
    assert_eq!(world.forwarded("r"), ["a-v0 E2S0T2", "b-v0 E0S0T2", "c-v0 E0S0T2"]);
    assert_eq!(told(&mut world, "r").len(), 1, "the set is the same");
}

#[test]
fn an_estimate_counts_only_where_retransmissions_are_understood() {
    let mut world = cameras(&["a"]);
    world.create("r");
    world.estimate("r", 50);
    world.wish("r", json!({ "defaultConstraints": { "maxHeight": 720 } }));
    assert_eq!(world.forwarded("r"), ["a-v0 E2S0T2"]);
    world.modify(Endpoint { create: false, transport: None, ..full_endpoint("r") }).unwrap();
    assert_eq!(world.forwarded("r"), ["a-v0 E0S0T0"]);
}

#[test]
fn no_estimate_means_no_limit_and_neither_does_one_that_is_not_trusted() {
    for trust_bwe in [true, false] {
        let mut world = cameras_with(
            with(AllocationConfig { trust_bwe, ..AllocationConfig::default() }),
            &["r", "a"],
        );
        world.wish("r", json!({ "defaultConstraints": { "maxHeight": -1 } }));
        assert_eq!(world.forwarded("r"), ["a-v0 E2S0T2"]);
        world.estimate("r", 60);
        let layer = if trust_bwe { "a-v0 E0S0T0" } else { "a-v0 E2S0T2" };
        assert_eq!(world.forwarded("r"), [layer]);
    }
}

#[test]
fn the_estimate_is_ignored_at_first_if_that_is_configured() {
    let initial_ignore_bwe_period = Duration::from_secs(10);
    let config = AllocationConfig { initial_ignore_bwe_period, ..AllocationConfig::default() };
    let mut world = cameras_with(with(config), &["r", "a"]);
    world.wish("r", json!({ "defaultConstraints": { "maxHeight": 720 } }));
    world.estimate("r", 60);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.forwarded("r"), ["a-v0 E2S0T2"], "no video was sent yet");
    world.event("r", SessionEventKind::FirstVideoSent);
    world.pass(Duration::from_secs(9));
    assert_eq!(world.forwarded("r"), ["a-v0 E2S0T2"]);
    world.pass(Duration::from_secs(7));
    assert_eq!(world.forwarded("r"), ["a-v0 E0S0T0"]);
}

#[test]
fn small_changes_of_the_estimate_start_nothing() {
    let mut world = cameras(&["r", "a"]);
    world.wish("r", json!({}));
    world.estimate("r", 1_000);
    let before = runs(&world);
    world.estimate("r", 1_150);
    world.estimate("r", 850);
    assert_eq!(runs(&world), before);
    world.estimate("r", 1_151);
    assert_eq!(runs(&world), before + 1);
}

#[test]
fn without_another_cause_it_is_thought_over_every_five_seconds() {
    let mut world = cameras(&["r"]);
    world.wish("r", json!({}));
    let before = runs(&world);
    world.pass(Duration::from_millis(5_004));
    assert_eq!(runs(&world), before);
    world.pass(Duration::from_millis(1));
    assert_eq!(runs(&world), before + 1);
    world.wish("r", json!({ "lastN": 3 }));
    world.pass(Duration::from_millis(5_004));
    assert_eq!(runs(&world), before + 2, "counted from the last run of any kind");
}

#[test]
fn constraints_that_change_nothing_start_nothing() {
    let mut world = cameras(&["r", "a"]);
    world.wish("r", json!({ "lastN": 3 }));
    let (before, programs) = (runs(&world), world.session("r").programs.len());
    world.wish("r", json!({ "lastN": 3 }));
    world.say("r", r#"{"colibriClass":"LastNChangedEvent","lastN":3}"#);
    assert_eq!(runs(&world), before);
    assert_eq!(world.session("r").programs.len(), programs);
}

#[test]
fn last_n_leaves_those_that_come_first() {
    let mut world = cameras(&["r", "a", "b", "c"]);
    world.wish("r", json!({ "lastN": 1, "selectedSources": ["b-v0"] }));
    assert_eq!(world.forwarded("r"), ["b-v0 E0S0T2"]);
    world.say("r", r#"{"colibriClass":"LastNChangedEvent","lastN":0}"#);
    assert!(world.forwarded("r").is_empty());
    assert_eq!(told(&mut world, "r"), [json!(["b-v0"]), json!([])]);
    world.say("r", r#"{"colibriClass":"LastNChangedEvent","lastN":-1}"#);
    assert_eq!(world.forwarded("r").len(), 3);
}

#[test]
fn large_conferences_have_a_last_n_of_their_own() {
    let conference_size_limits = ConferenceSizeLimits::new([(3, LastN::new(1))]);
    let config = AllocationConfig { conference_size_limits, ..AllocationConfig::default() };
    let mut world = cameras_with(with(config), &["r", "a"]);
    world.wish("r", json!({ "lastN": 20 }));
    assert_eq!(world.forwarded("r").len(), 1);
    world.create("b");
    world.modify(with_sources("b", vec![video("b-v0", 99)])).unwrap();
    world.layers("b", "b-v0", usual_camera());
    assert_eq!(world.forwarded("r"), ["a-v0 E0S0T2"]);
}

#[test]
fn sources_that_come_and_go_are_forwarded_and_told() {
    let mut world = cameras(&["a", "b"]);
    world.wish("a", json!({}));
    world.wish("b", json!({}));
    world.create("c");
    world.modify(with_sources("c", vec![video("c-v0", 90), video("c-v1", 92)])).unwrap();
    world.forget_messages();
    world.layers("c", "c-v0", usual_camera());
    world.layers("c", "c-v1", usual_camera());
    assert_eq!(told(&mut world, "a"), [json!(["b-v0", "c-v0"]), json!(["b-v0", "c-v0", "c-v1"])]);
    world.modify(expire("c")).unwrap();
    assert_eq!(told(&mut world, "a"), [json!(["b-v0"])]);
    assert_eq!(world.forwarded("b"), ["a-v0 E0S0T2"]);
}

#[test]
fn a_switched_off_or_muted_source_is_not_forwarded() {
    let mut world = cameras(&["a", "b"]);
    world.wish("b", json!({}));
    assert_eq!(world.forwarded("b"), ["a-v0 E0S0T2"]);
    for (off, on) in [("none", "camera"), ("disabled", "desktop")] {
        let say = |kind: &str| {
            json!({ "colibriClass": "SourceVideoTypeMessage", "sourceName": "a-v0", "videoType": kind })
                .to_string()
        };
        world.say("a", &say(off));
        assert!(world.forwarded("b").is_empty());
        world.say("a", &say(on));
        assert_eq!(world.forwarded("b").len(), 1);
    }
    world.say("a", r#"{"colibriClass":"VideoTypeMessage","videoType":"none"}"#);
    assert!(world.forwarded("b").is_empty());
    world.say("a", r#"{"colibriClass":"VideoTypeMessage","videoType":"camera"}"#);
    let mute = |video| Some(ForceMute { audio: false, video });
    world.modify(Endpoint { force_mute: mute(true), ..update("a") }).unwrap();
    assert!(world.forwarded("b").is_empty());
    world.modify(Endpoint { force_mute: mute(false), ..update("a") }).unwrap();
    assert_eq!(world.forwarded("b").len(), 1);
}

#[test]
fn a_layer_that_begins_or_ceases_is_noticed_at_once() {
    let mut world = cameras(&["r", "a"]);
    world.wish("r", json!({ "defaultConstraints": { "maxHeight": 720 } }));
    assert_eq!(world.forwarded("r"), ["a-v0 E2S0T2"]);
    world.layers("a", "a-v0", camera([40, 70, 110, 120, 210, 340, 0, 0, 0]));
    assert_eq!(world.forwarded("r"), ["a-v0 E1S0T2"]);
    let before = runs(&world);
    world.layers("a", "a-v0", camera([45, 75, 115, 125, 215, 345, 0, 0, 0]));
    assert_eq!(runs(&world), before, "rates alone are no cause");
    world.layers("a", "a-v0", usual_camera());
    assert_eq!(world.forwarded("r"), ["a-v0 E2S0T2"]);
}

#[test]
fn a_screen_that_stands_still_is_not_noticed_before_the_periodic_look() {
    let mut world = cameras(&["r", "a"]);
    world.say("a", r#"{"colibriClass":"VideoTypeMessage","videoType":"desktop"}"#);
    world.wish("r", json!({ "defaultConstraints": { "maxHeight": 720 } }));
    assert_eq!(world.forwarded("r"), ["a-v0 E2S0T2"]);
    world.layers("a", "a-v0", camera([40, 70, 110, 120, 210, 340, 0, 0, 0]));
    assert_eq!(world.forwarded("r"), ["a-v0 E2S0T2"]);
    world.layers("a", "a-v0", usual_camera());
    world.pass(Duration::from_secs(6));
    assert_eq!(world.forwarded("r"), ["a-v0 E2S0T2"]);
    world.layers("a", "a-v0", camera([40, 70, 110, 120, 210, 340, 0, 0, 0]));
    world.pass(Duration::from_secs(6));
    assert_eq!(world.forwarded("r"), ["a-v0 E1S0T2"]);
}

#[test]
fn one_request_that_changes_much_allocates_once_for_each_receiver() {
    let mut world = cameras(&["r", "a", "b", "c"]);
    let before = runs(&world);
    world.request(&modify(vec![expire("a"), expire("b")])).unwrap();
    assert_eq!(runs(&world), before + 2);
}

#[test]
fn receivers_with_rewritten_ssrcs_have_sources_mapped_in_advance() {
    use bridge_signaling::colibri2::Capability;
    let config = AllocationConfig { ssrc_limit: LastN::new(2), ..AllocationConfig::default() };
    let mut world = cameras_with(with(config), &["a", "b", "c"]);
    let capabilities = vec![Capability::SourceNames, Capability::SsrcRewriting];
    world.modify(Endpoint { capabilities, ..full_endpoint("r") }).unwrap();
    let mapped = |world: &World| world.session("r").programs.last().unwrap().mapped.clone();
    world.open_channel("r");
    world.wish("r", json!({ "lastN": 1, "selectedSources": ["c-v0"] }));
    assert_eq!(mapped(&world), [world.source_id("c-v0"), world.source_id("a-v0")]);
    world.say("a", r#"{"colibriClass":"VideoTypeMessage","videoType":"none"}"#);
    assert_eq!(mapped(&world), [world.source_id("c-v0"), world.source_id("b-v0")]);
    assert!(world.session("b").programs.iter().all(|program| program.mapped.is_empty()));
}

#[test]
fn the_debug_state_says_why() {
    let mut world = cameras(&["r", "a", "b"]);
    world.estimate("r", 200);
    world.event("r", SessionEventKind::RoundTrip(Duration::from_millis(25)));
    world.wish("r", json!({ "lastN": 1, "constraints": { "a-v0": { "maxHeight": 720 } } }));
    let state = world.conference().debug_state();
    let receiver = &state["endpoints"]["r"];
    let allocator = &receiver["bitrate_controller"]["bitrate_allocator"];
    let sources = &allocator["allocation"]["allocations"];
    assert_eq!(allocator["bweBps"], 200_000);
    assert_eq!(sources["a-v0"]["why"], "limited_by_bandwidth");
    assert_eq!(sources["a-v0"]["target"]["indexString"], "E0S0T2");
    assert_eq!(sources["a-v0"]["ideal"]["bitrate_bps"], 1_200_000);
    assert_eq!(sources["b-v0"]["why"], "not_in_last_n");
    assert_eq!(receiver["transceiver"]["endpoint_connection_stats"]["rtt"], 25.0);
    let sender = &state["endpoints"]["a"];
    assert_eq!(sender["receiver_video_constraints"]["a-v0"]["maxHeight"], 720);
    let layers = &sender["transceiver"]["media_sources"]["a-v0"]["layers"];
    assert_eq!(layers["E1S0T2"]["bitrate_bps"], 340_000);
}
