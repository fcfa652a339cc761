use crate::world::*;
use bridge_conference::LastN;
use serde_json::json;
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(6);

#[test]
fn a_limit_of_the_bridge_counts_with_the_next_run_and_can_be_lifted() {
    let mut world = cameras(&["r", "a", "b", "c"]);
    assert_eq!(world.conference().most_forwarded_sources(), Some(0));
    world.wish("r", json!({}));
    assert_eq!(world.forwarded("r").len(), 3);
    assert_eq!(world.conference().most_forwarded_sources(), Some(3));
    world.limit(LastN::new(2));
    assert_eq!(world.forwarded("r").len(), 3, "not all receivers at once");
    world.pass(PERIOD);
    assert_eq!(world.forwarded("r").len(), 2);
    assert_eq!(world.conference().most_forwarded_sources(), Some(2));
    world.limit(LastN::UNLIMITED);
    world.pass(PERIOD);
    assert_eq!(world.forwarded("r").len(), 3);
}

#[test]
fn who_comes_later_is_limited_too() {
    let mut world = cameras(&["a", "b", "c"]);
    world.limit(LastN::new(1));
    world.create("r");
    world.modify(with_sources("r", vec![video("r-v0", 99)])).unwrap();
    world.wish("r", json!({}));
    assert_eq!(world.forwarded("r").len(), 1);
}
