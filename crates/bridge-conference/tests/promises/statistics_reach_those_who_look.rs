use crate::world::*;
use bridge_conference::{ConferenceSettings, LoudestConfig};
use serde_json::json;

/// Thirty endpoints, of which only the loudest are heard: `e00` to `e02`, who talk.
fn large() -> (World, Vec<String>) {
    let ids: Vec<String> = (0..30).map(|n| format!("e{n:02}")).collect();
    let loudest = LoudestConfig { route_loudest_only: true, ..LoudestConfig::default() };
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut world = cameras_with(ConferenceSettings { loudest, ..settings() }, &names);
    world.hear(&[("e00", 20), ("e01", 20), ("e02", 20)]);
    for _ in 0..50 {
        world.hear(&[("e00", 100), ("e01", 100), ("e02", 100)]);
    }
    (world, ids)
}

fn reached(world: &mut World, ids: &[String], sender: &str) -> Vec<String> {
    world.say(sender, r#"{"colibriClass":"EndpointStats","jvbRTT":1}"#);
    let heard = ids.iter().filter(|id| !world.heard(id, "EndpointStats").is_empty());
    heard.cloned().collect()
}

#[test]
fn statistics_of_the_loud_go_to_all_and_of_others_to_those_who_see_them() {
    let (mut world, ids) = large();
    assert_eq!(reached(&mut world, &ids, "e00").len(), 29);
    assert!(reached(&mut world, &ids, "e20").is_empty());
    world.wish("e05", json!({ "lastN": 0, "selectedSources": ["e20-v0"] }));
    world.wish("e06", json!({ "lastN": 0, "onStageSources": ["e20-v0"] }));
    world.wish(
        "e07",
        json!({ "defaultConstraints": { "maxHeight": 0 },
        "constraints": { "e20-v0": { "maxHeight": 180 } } }),
    );
    world.wish("e08", json!({ "lastN": 0 }));
    assert_eq!(reached(&mut world, &ids, "e20"), ["e05", "e06", "e07"]);
}
