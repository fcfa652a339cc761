use crate::world::*;
use bridge_conference::ConferenceSettings;
use bridge_shard::SessionEventKind;
use serde_json::json;
use std::time::Duration;

const CLASS: &str = "ConnectionStats";

#[test]
fn the_last_estimate_is_told_every_ten_seconds() {
    let mut world = cameras(&["a", "b"]);
    world.estimate("a", 900);
    world.estimate("a", 1_000);
    world.pass(Duration::from_millis(9_999));
    assert!(world.heard("a", CLASS).is_empty());
    world.pass(Duration::from_millis(1));
    let expected = json!({ "colibriClass": CLASS, "estimatedDownlinkBandwidth": 1_000_000 });
    assert_eq!(world.heard("a", CLASS), [expected]);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.heard("a", CLASS).len(), 3);
    assert!(world.heard("b", CLASS).is_empty(), "nothing is known of b");
}

#[test]
fn what_is_not_known_any_more_is_not_told() {
    let mut world = cameras(&["a"]);
    world.estimate("a", 900);
    world.event("a", SessionEventKind::Estimate(None));
    world.pass(Duration::from_secs(11));
    assert!(world.heard("a", CLASS).is_empty());
}

#[test]
fn nothing_is_told_if_that_is_switched_off() {
    let settings = ConferenceSettings { connection_stats_interval: None, ..settings() };
    let mut world = cameras_with(settings, &["a"]);
    world.estimate("a", 900);
    world.pass(Duration::from_secs(30));
    assert!(world.heard("a", CLASS).is_empty());
}
