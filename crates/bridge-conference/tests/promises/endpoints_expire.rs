use crate::world::*;
use bridge_conference::RequestError;
use bridge_shard::SessionEventKind;
use bridge_signaling::colibri2::Endpoint;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn expire_is_answered_with_expire_whether_it_existed_or_not() {
    let mut world = World::with_endpoints(&["a", "b"]);
    for _ in 0..2 {
        assert_eq!(world.modify(expire("b")).unwrap().endpoints, [expire("b")]);
    }
    assert_eq!(world.endpoint_ids(), ["a"]);
}

#[test]
fn the_same_id_can_be_created_again_at_once_with_a_new_session() {
    let mut world = World::with_endpoints(&["a", "b"]);
    let (old, ufrag) = (world.session_id("b"), world.session("b").ice.ufrag.clone());
    world.modify(expire("b")).unwrap();
    world.create("b");
    assert_ne!(world.session_id("b"), old);
    assert_ne!(world.session("b").ice.ufrag, ufrag);
    assert!(world.ledger.sessions[&old].expired);
}

#[test]
fn expire_wins_over_create_and_all_else() {
    let mut world = World::with_endpoints(&["a", "b"]);
    let both = Endpoint { expire: true, ..new_endpoint("b") };
    let answer = world.modify(both).unwrap();
    assert_eq!(answer.endpoints, [expire("b")]);
    assert_eq!(world.endpoint_ids(), ["a"]);
}

#[test]
fn an_endpoint_that_never_connects_goes_at_the_first_check_after_two_minutes() {
    let mut world = World::new();
    world.create_conference();
    world.pass(30 * SECOND);
    world.create("a");
    world.pass(119 * SECOND);
    assert!(world.exists());
    world.pass(32 * SECOND);
    assert!(world.endpoint_ids().is_empty());
    assert_eq!(world.conference().counters().endpoints_timed_out, 1);
    world.pass(60 * SECOND);
    assert!(!world.exists());
}

#[test]
fn a_silent_endpoint_goes_at_the_first_check_after_a_minute() {
    let mut world = World::with_endpoints(&["a", "b"]);
    for _ in 0..10 {
        world.pass(10 * SECOND);
        world.event("a", SessionEventKind::Activity);
        world.event("b", SessionEventKind::Activity);
    }
    for _ in 0..12 {
        world.pass(10 * SECOND);
        world.event("a", SessionEventKind::Activity);
    }
    assert_eq!(world.endpoint_ids(), ["a"]);
}

#[test]
fn an_endpoint_whose_ice_failed_goes_at_the_next_check() {
    let mut world = World::with_endpoints(&["a", "b"]);
    world.event("a", SessionEventKind::Activity);
    world.event("a", SessionEventKind::IceFailed);
    assert_eq!(world.endpoint_ids(), ["a", "b"]);
    world.pass(60 * SECOND);
    assert_eq!(world.endpoint_ids(), ["b"]);
    assert_eq!(world.conference().counters().ice_failed, 1);
}

#[test]
fn the_next_update_of_a_vanished_endpoint_finds_it_unknown() {
    let mut world = World::with_endpoints(&["a", "b"]);
    world.event("b", SessionEventKind::IceFailed);
    world.pass(60 * SECOND);
    let error = world.modify(with_sources("b", Vec::new())).unwrap_err();
    assert_eq!(error, RequestError::UnknownEndpoint(endpoint_id("b")));
}

#[test]
fn a_session_that_crashed_takes_its_endpoint_along_and_no_other() {
    let mut world = World::with_endpoints(&["a", "b"]);
    let session = world.session_id("a");
    world.event("a", SessionEventKind::Crashed);
    assert_eq!(world.endpoint_ids(), ["b"]);
    assert!(world.ledger.sessions[&session].expired);
    world.create("a");
}

#[test]
fn events_of_an_ended_session_do_not_touch_its_successor() {
    let mut world = World::with_endpoints(&["a", "b"]);
    let old = world.session_id("b");
    world.modify(expire("b")).unwrap();
    world.create("b");
    world.session_event(old, SessionEventKind::IceFailed);
    world.session_event(old, SessionEventKind::Crashed);
    world.pass(60 * SECOND);
    assert_eq!(world.endpoint_ids(), ["a", "b"]);
    assert_eq!(world.conference().counters().stale_events, 2);
}
