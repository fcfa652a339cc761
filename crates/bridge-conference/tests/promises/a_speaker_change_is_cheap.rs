use crate::world::*;
use serde_json::json;

/// In 60 endpoints that all get 20 others, each new speaker moves somebody in or out everywhere.
#[test]
fn each_of_many_receivers_is_thought_of_once() {
    let ids: Vec<String> = (0..60).map(|n| format!("e{n:02}")).collect();
    let mut world = cameras(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    for id in &ids {
        world.wish(id, json!({ "lastN": 20 }));
    }
    let allocations = world.conference().counters().allocations;
    let commands = world.ledger.commands_seen;
    world.hear(&[("e50", 20)]);
    assert_eq!(world.conference().counters().allocations, allocations + 60);
    assert!(world.forwarded("e00").contains(&"e50-v0 E0S0T2".to_owned()));
    // The speaker's name and, but for the speaker, a program and the names of what is forwarded;
    // and two senders' heights.
    let expected = 60 + 2 * 59 + 2;
    assert_eq!(world.ledger.commands_seen, commands + expected);
}

/// Layers begin and cease all the time; only those who get the source are concerned.
#[test]
fn those_who_do_not_get_a_source_do_not_mind_its_layers() {
    let mut world = cameras(&["a", "b", "c", "d"]);
    world.wish("c", json!({ "lastN": 1 }));
    let allocations = world.conference().counters().allocations;
    world.layers("a", "a-v0", camera([40, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(world.conference().counters().allocations, allocations + 1);
    world.layers("b", "b-v0", camera([40, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(world.conference().counters().allocations, allocations + 1);
}
