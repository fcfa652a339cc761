use crate::world::*;
use bridge_shard::SessionEventKind;
use bridge_signaling::colibri2::{Endpoint, MucRole};
use serde_json::{Value, json};
use std::time::Duration;

const CLASS: &str = "EndpointConnectivityStatusChangeEvent";

fn status(endpoint: &str, active: &str) -> Value {
    json!({ "colibriClass": CLASS, "endpoint": endpoint, "active": active })
}

fn counts(world: &World) -> (u64, u64) {
    let counters = world.conference().counters();
    (counters.endpoints_disconnected, counters.endpoints_reconnected)
}

/// Seconds in which the named ones are active.
fn live(world: &mut World, ids: &[&str], seconds: u64) {
    for _ in 0..seconds {
        for id in ids {
            world.event(id, SessionEventKind::Activity);
        }
        world.pass(Duration::from_secs(1));
    }
}

#[test]
fn who_never_came_is_told_to_all_and_not_counted() {
    let mut world = cameras(&["a", "b"]);
    live(&mut world, &["a"], 15);
    assert!(world.heard("a", CLASS).is_empty());
    live(&mut world, &["a"], 1);
    assert_eq!(world.heard("a", CLASS), [status("b", "false")]);
    assert_eq!(world.heard("b", CLASS), [status("b", "false")], "the one concerned, too");
    assert_eq!(counts(&world), (0, 0));
}

#[test]
fn who_falls_silent_and_comes_back_is_told_and_counted() {
    let mut world = cameras(&["a", "b"]);
    live(&mut world, &["a", "b"], 3);
    live(&mut world, &["a"], 7);
    world.say("b", r#"{"colibriClass":"ClientHello"}"#);
    assert!(world.heard("a", CLASS).is_empty());
    live(&mut world, &["a"], 2);
    assert_eq!(world.heard("a", CLASS), [status("b", "false")], "words do not count as media");
    assert_eq!(counts(&world), (1, 0));
    live(&mut world, &["a", "b"], 1);
    assert_eq!(world.heard("a", CLASS), [status("b", "true")]);
    assert_eq!(counts(&world), (1, 1));
}

#[test]
fn a_new_channel_is_told_who_is_silent() {
    let mut world = cameras(&["a", "b", "c"]);
    live(&mut world, &["a"], 16);
    world.forget_messages();
    world.modify(expire("c")).unwrap();
    world.open_channel("a");
    assert_eq!(world.heard("a", CLASS), [status("b", "false")], "c is gone");
}

#[test]
fn visitors_are_not_watched_and_nothing_is_told_of_who_left() {
    let mut world = cameras(&["a", "b"]);
    world.modify(Endpoint { muc_role: Some(MucRole::Visitor), ..new_endpoint("v") }).unwrap();
    live(&mut world, &["a", "b"], 10);
    world.modify(expire("b")).unwrap();
    live(&mut world, &["a"], 20);
    assert!(world.heard("a", CLASS).is_empty());
}
