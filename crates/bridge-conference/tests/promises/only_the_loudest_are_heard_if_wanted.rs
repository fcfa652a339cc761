use crate::world::*;
use bridge_conference::{ConferenceSettings, LoudestConfig};
use std::time::Duration;

fn loudest_only() -> ConferenceSettings {
    let loudest = LoudestConfig { route_loudest_only: true, ..LoudestConfig::default() };
    ConferenceSettings { loudest, ..settings() }
}

/// Everybody has been heard quietly before, so that loudness is seen against a background.
fn talk(world: &mut World) {
    world.hear(&[("a", 20), ("b", 20), ("c", 20), ("d", 20), ("e", 20)]);
    for _ in 0..50 {
        world.hear(&[("a", 100), ("b", 100), ("c", 100), ("d", 60), ("e", 20)]);
    }
}

fn heard(world: &World) -> Option<Vec<&str>> {
    let sessions = world.ledger.loudest.last()?.as_ref()?;
    Some(sessions.iter().map(|id| world.ledger.sessions[id].endpoint.as_str()).collect())
}

#[test]
fn by_default_everybody_is_heard() {
    let mut world = cameras(&["a", "b", "c", "d", "e"]);
    talk(&mut world);
    assert!(world.ledger.loudest.is_empty());
}

#[test]
fn the_three_loudest_are_heard_and_everybody_again_in_silence() {
    let mut world = cameras_with(loudest_only(), &["a", "b", "c", "d", "e"]);
    talk(&mut world);
    assert_eq!(heard(&world), Some(vec!["a", "b", "c"]));
    let told = world.ledger.loudest.len();
    for _ in 0..50 {
        world.hear(&[("a", 100), ("b", 100), ("c", 100), ("d", 60), ("e", 20)]);
    }
    assert_eq!(world.ledger.loudest.len(), told, "told only when it changes");
    world.pass(Duration::from_secs(1));
    assert_eq!(heard(&world), None);
}

#[test]
fn who_is_subscribed_to_by_name_is_heard_however_quiet() {
    let mut world = cameras_with(loudest_only(), &["a", "b", "c", "d", "e"]);
    talk(&mut world);
    let subscribe = r#"{"colibriClass":"ReceiverAudioSubscription","all":true,"include":["e-a0"]}"#;
    world.say("a", subscribe);
    assert_eq!(heard(&world), Some(vec!["a", "b", "c", "e"]));
    world.modify(expire("a")).unwrap();
    assert_eq!(heard(&world), None, "there is room for whoever begins");
}
