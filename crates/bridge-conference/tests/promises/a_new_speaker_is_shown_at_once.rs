use crate::world::*;
use bridge_shard::SessionEventKind;
use serde_json::json;
use std::time::Duration;

fn counts(world: &World) -> (u64, u64) {
    let counters = world.conference().counters();
    (counters.preemptive_keyframes_sent, counters.preemptive_keyframes_suppressed)
}

#[test]
fn a_key_frame_is_asked_for_where_somebody_has_a_camera_on_stage() {
    let mut world = cameras(&["a", "b", "c"]);
    world.wish("c", json!({ "onStageSources": ["a-v0"] }));
    world.event("c", SessionEventKind::RoundTrip(Duration::from_millis(80)));
    world.event("b", SessionEventKind::RoundTrip(Duration::from_millis(30)));
    world.hear(&[("b", 20)]);
    // The decision came with the first level; the request waits for 80 - 30 + 10 ms.
    assert_eq!(counts(&world), (1, 0));
    world.pass(Duration::from_millis(39));
    assert!(world.session("b").keyframe_requests.is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.session("b").keyframe_requests, [world.source_id("b-v0")]);
}

#[test]
fn nobody_far_away_means_no_delay() {
    let mut world = cameras(&["a", "b", "c"]);
    world.wish("c", json!({ "onStageSources": ["a-v0"] }));
    world.event("b", SessionEventKind::RoundTrip(Duration::from_millis(300)));
    world.hear(&[("b", 20)]);
    assert_eq!(world.session("b").keyframe_requests.len(), 1);
}

#[test]
fn without_a_camera_on_stage_it_is_not() {
    let mut world = cameras(&["a", "b", "c"]);
    world.wish("b", json!({ "onStageSources": ["c-v0"] }));
    world.say("a", r#"{"colibriClass":"VideoTypeMessage","videoType":"desktop"}"#);
    world.wish("c", json!({ "onStageSources": ["a-v0"] }));
    world.hear(&[("b", 20)]);
    world.pass(Duration::from_secs(1));
    assert_eq!(counts(&world), (0, 1));
    assert!(world.session("b").keyframe_requests.is_empty());
}

#[test]
fn two_see_each_other_anyway() {
    let mut world = cameras(&["a", "b"]);
    world.wish("a", json!({ "onStageSources": ["b-v0"] }));
    world.speak("b");
    assert_eq!(counts(&world), (0, 0));
}

#[test]
fn who_left_meanwhile_is_not_asked() {
    let mut world = cameras(&["a", "b", "c"]);
    world.wish("c", json!({ "onStageSources": ["a-v0"] }));
    world.event("c", SessionEventKind::RoundTrip(Duration::from_millis(500)));
    world.hear(&[("b", 20)]);
    let session = world.session_id("b");
    world.modify(expire("b")).unwrap();
    world.pass(Duration::from_secs(1));
    assert!(world.ledger.sessions[&session].keyframe_requests.is_empty());
}
