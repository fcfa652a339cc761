use crate::world::*;
use bridge_shard::SessionEventKind;
use serde_json::json;

/// `name height` of each message since the last look.
fn told(world: &mut World, id: &str) -> Vec<String> {
    let heard = world.heard(id, "SenderSourceConstraints").into_iter();
    heard.map(|m| format!("{} {}", m["sourceName"].as_str().unwrap(), m["maxHeight"])).collect()
}

fn want(world: &mut World, id: &str, height: i32) {
    world.wish(id, json!({ "constraints": { "a-v0": { "maxHeight": height } } }));
}

#[test]
fn the_largest_wish_counts_and_each_change_is_told_at_once() {
    let mut world = cameras(&["a", "b", "c"]);
    want(&mut world, "b", 180);
    assert_eq!(told(&mut world, "a"), ["a-v0 180"]);
    want(&mut world, "c", 720);
    assert_eq!(told(&mut world, "a"), ["a-v0 720"]);
    want(&mut world, "b", 360);
    assert!(told(&mut world, "a").is_empty());
    want(&mut world, "b", -1);
    assert_eq!(told(&mut world, "a"), ["a-v0 -1"]);
    want(&mut world, "b", 0);
    want(&mut world, "c", 0);
    assert_eq!(told(&mut world, "a"), ["a-v0 720", "a-v0 0"]);
}

#[test]
fn receivers_that_leave_want_nothing_any_more() {
    let mut world = cameras(&["a", "b", "c"]);
    want(&mut world, "b", 180);
    want(&mut world, "c", 720);
    world.modify(expire("c")).unwrap();
    assert_eq!(told(&mut world, "a"), ["a-v0 180", "a-v0 720", "a-v0 180"]);
    world.modify(expire("b")).unwrap();
    assert_eq!(told(&mut world, "a"), ["a-v0 0"]);
}

#[test]
fn last_n_decides_what_is_wanted() {
    let mut world = cameras(&["a", "b", "c"]);
    world.wish("c", json!({ "lastN": 1, "selectedSources": ["b-v0"] }));
    assert!(told(&mut world, "a").iter().all(|told| told == "a-v0 0"));
    assert_eq!(told(&mut world, "b"), ["b-v0 180"]);
    world.wish("c", json!({ "selectedSources": ["a-v0"] }));
    assert_eq!(
        (told(&mut world, "a"), told(&mut world, "b")),
        (vec!["a-v0 180".into()], vec!["b-v0 0".into()])
    );
}

#[test]
fn a_new_channel_is_told_all_of_its_own_sources() {
    let mut world = cameras(&["a", "b"]);
    want(&mut world, "b", 720);
    world.event("a", SessionEventKind::ChannelClosed);
    want(&mut world, "b", 360);
    assert_eq!(told(&mut world, "a"), ["a-v0 720"]);
    world.open_channel("a");
    assert_eq!(told(&mut world, "a"), ["a-v0 360"]);
    world.open_channel("b");
    assert!(!told(&mut world, "b").contains(&"a-v0 360".to_owned()));
}

#[test]
fn what_is_wanted_of_a_source_is_told_when_it_appears() {
    let mut world = cameras(&["b"]);
    world.create("a");
    world.open_channel("a");
    want(&mut world, "b", 720);
    assert!(told(&mut world, "a").is_empty(), "a has no such source");
    world.modify(with_sources("a", vec![video("a-v0", 70)])).unwrap();
    assert_eq!(told(&mut world, "a").last().unwrap(), "a-v0 720");
    world.modify(with_sources("a", Vec::new())).unwrap();
    assert!(told(&mut world, "a").is_empty());
    world.modify(with_sources("a", vec![video("a-v0", 70)])).unwrap();
    assert_eq!(told(&mut world, "a").last().unwrap(), "a-v0 720");
}
