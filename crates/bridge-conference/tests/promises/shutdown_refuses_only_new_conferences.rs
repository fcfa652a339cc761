use crate::world::*;
use bridge_conference::ShutdownState;
use bridge_signaling::StanzaErrorCondition;
use bridge_signaling::colibri2::{ConferenceModify, ErrorReason};
use std::time::Duration;

#[test]
fn a_graceful_shutdown_refuses_conferences_and_takes_endpoints() {
    let mut world = World::with_endpoints(&["a"]);
    world.index.shut_down_gracefully(world.now);
    assert_eq!(world.index.shutdown().state(), ShutdownState::GracefulShutdown);
    world.create("b");
    let other = ConferenceModify { create: true, ..ConferenceModify::new("other") };
    let answer = world.request(&other).unwrap_err().to_error_answer();
    assert_eq!(answer.condition, StanzaErrorCondition::ServiceUnavailable);
    assert_eq!(answer.reason, Some(ErrorReason::GracefulShutdown));
    assert_eq!(answer.text.as_deref(), Some("In graceful shutdown"));
    let existing = world.request(&create_conference()).unwrap_err().to_error_answer();
    assert_eq!(existing.reason, Some(ErrorReason::ConferenceAlreadyExists));
}

#[test]
fn the_last_endpoint_that_leaves_completes_a_graceful_shutdown() {
    let mut world = World::with_endpoints(&["a", "b"]);
    world.index.shut_down_gracefully(world.now);
    world.modify(expire("a")).unwrap();
    assert!(!world.index.shutdown().is_shutting_down());
    world.modify(expire("b")).unwrap();
    assert!(world.index.shutdown().is_shutting_down());
    assert!(world.index.shutdown().is_graceful());
    assert_eq!(world.index.local_endpoints(), 0);
}

#[test]
fn conferences_are_refused_while_shutting_down_too() {
    let mut world = World::new();
    world.index.shut_down(world.now);
    let answer = world.request(&create_conference()).unwrap_err().to_error_answer();
    assert_eq!(answer.reason, Some(ErrorReason::GracefulShutdown));
    assert!(!world.index.shutdown().is_graceful());
}

#[test]
fn the_process_should_exit_a_minute_after_shutting_down_began() {
    let mut world = World::new();
    world.index.shut_down_gracefully(world.now);
    let at = world.index.shutdown().poll_timeout().unwrap();
    assert_eq!(at, world.now + Duration::from_secs(60));
    world.index.handle_timeout(at);
    assert!(world.index.shutdown().is_due());
}

#[test]
fn draining_refuses_nothing() {
    let mut world = World::new();
    world.index.set_drain(true);
    assert!(world.index.is_draining());
    world.create_conference();
    world.create("a");
    world.index.set_drain(false);
    assert!(!world.index.is_draining());
}

#[test]
fn endpoints_and_conferences_are_counted_over_all() {
    let mut world = World::with_endpoints(&["a", "b"]);
    let other = ConferenceModify {
        create: true,
        endpoints: vec![new_endpoint("a")],
        ..ConferenceModify::new("other")
    };
    world.request(&other).unwrap();
    assert_eq!((world.index.len(), world.index.local_endpoints()), (2, 3));
    let mut sizes: Vec<_> = world.index.conference_sizes().collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2]);
    let expire = ConferenceModify { expire: true, ..ConferenceModify::new("other") };
    world.request(&expire).unwrap();
    assert_eq!((world.index.len(), world.index.local_endpoints()), (1, 2));
}
