use crate::world::*;
use bridge_shard::AudioSelection;
use serde_json::{Value, json};

fn subscribe(world: &mut World, id: &str, mut subscription: Value) {
    subscription["colibriClass"] = "ReceiverAudioSubscription".into();
    world.say(id, &subscription.to_string());
}

fn selection(world: &World, id: &str) -> Option<AudioSelection> {
    world.session(id).audio_selections.last().map(|selection| AudioSelection::clone(selection))
}

#[test]
fn without_a_subscription_the_shard_is_told_nothing() {
    let world = cameras(&["a", "b"]);
    assert_eq!(selection(&world, "a"), None);
}

#[test]
fn names_become_sources() {
    let mut world = cameras(&["a", "b", "c"]);
    for (said, all, include, exclude) in [
        (json!({ "all": true, "exclude": ["b-a0"] }), true, vec![], vec!["b-a0"]),
        (json!({}), false, vec![], vec![]),
        (
            json!({ "include": ["c-a0", "x"], "exclude": ["c-a0"] }),
            false,
            vec!["c-a0"],
            vec!["c-a0"],
        ),
        (json!({ "mode": "Include", "list": ["b-a0"] }), false, vec!["b-a0"], vec![]),
        (json!({ "mode": "Exclude", "list": ["b-a0"] }), true, vec![], vec!["b-a0"]),
        (json!({ "mode": "All" }), true, vec![], vec![]),
        (json!({ "mode": "None" }), false, vec![], vec![]),
    ] {
        let ids = |names: Vec<&str>| names.into_iter().map(|name| world.source_id(name)).collect();
        let expected = AudioSelection { all, include: ids(include), exclude: ids(exclude) };
        subscribe(&mut world, "a", said.clone());
        assert_eq!(selection(&world, "a"), Some(expected), "{said}");
    }
    subscribe(&mut world, "a", json!({ "mode": "include" }));
    assert_eq!(world.conference().counters().messages_malformed, 1);
    assert_eq!(selection(&world, "b"), None);
}

#[test]
fn sources_that_appear_later_are_selected_then() {
    let mut world = cameras(&["a", "b"]);
    subscribe(&mut world, "a", json!({ "include": ["c-a0", "c-a0.de"] }));
    assert!(selection(&world, "a").unwrap().include.is_empty());
    world.create("c");
    let mut translation = audio("c-a0.de", 71);
    translation.synthetic = true;
    world.modify(with_sources("c", vec![audio("c-a0", 70), translation])).unwrap();
    let both = vec![world.source_id("c-a0"), world.source_id("c-a0.de")];
    assert_eq!(selection(&world, "a").unwrap().include, both);
    let told = world.session("a").audio_selections.len();
    world.create("d");
    world.modify(with_sources("d", vec![audio("d-a0", 80)])).unwrap();
    assert_eq!(world.session("a").audio_selections.len(), told, "d does not concern it");
    world.modify(expire("c")).unwrap();
    assert!(selection(&world, "a").unwrap().include.is_empty());
}

#[test]
fn the_same_subscription_again_changes_nothing() {
    let mut world = cameras(&["a", "b"]);
    for _ in 0..3 {
        subscribe(&mut world, "a", json!({ "all": true, "exclude": ["b-a0"] }));
    }
    assert_eq!(world.session("a").audio_selections.len(), 1);
}
