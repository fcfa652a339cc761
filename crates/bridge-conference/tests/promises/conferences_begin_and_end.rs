use crate::world::*;
use bridge_conference::RequestError;
use bridge_signaling::StanzaErrorCondition;
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify, ErrorReason, MediaKind};
use std::collections::HashSet;
use std::time::Duration;

#[test]
fn a_new_conference_is_answered_with_exactly_the_two_feedback_sources() {
    let answer = World::new().create_conference();
    let sources = answer.sources.unwrap().media_sources;
    let shape: Vec<_> = sources.iter().map(|s| (s.kind, s.id.as_str(), s.sources.len())).collect();
    assert_eq!(shape, [(MediaKind::Audio, "jvb-a0", 1), (MediaKind::Video, "jvb-v0", 1)]);
    for source in &sources {
        assert_eq!(source.sources[0].name.as_ref(), Some(&source.id));
        assert_ne!(source.sources[0].ssrc, 0);
    }
    assert_ne!(sources[0].sources[0].ssrc, sources[1].sources[0].ssrc);
    assert!(answer.endpoints.is_empty());
}

#[test]
fn feedback_ssrcs_differ_between_conferences() {
    let mut world = World::new();
    let ssrcs: HashSet<u32> = (0..20)
        .flat_map(|n| {
            let request =
                ConferenceModify { create: true, ..ConferenceModify::new(format!("m{n}")) };
            let sources = world.request(&request).unwrap().sources.unwrap();
            sources.media_sources.into_iter().map(|source| source.sources[0].ssrc)
        })
        .collect();
    assert_eq!(ssrcs.len(), 40);
}

#[test]
fn every_endpoint_create_repeats_the_same_feedback_sources() {
    let mut world = World::new();
    let first = world.create_conference().sources;
    for id in ["a", "b"] {
        assert_eq!(world.modify(new_endpoint(id)).unwrap().sources, first);
    }
    assert_eq!(world.modify(update("a")).unwrap().sources, None);
}

#[test]
fn a_second_create_conflicts() {
    let mut world = World::new();
    world.create_conference();
    let error = world.request(&create_conference()).unwrap_err();
    let answer = error.to_error_answer();
    assert_eq!(answer.condition, StanzaErrorCondition::Conflict);
    assert_eq!(answer.reason, Some(ErrorReason::ConferenceAlreadyExists));
    let text = format!("Conference already exists for ID: {MEETING}");
    assert_eq!(answer.text.as_deref(), Some(text.as_str()));
}

#[test]
fn unknown_conferences_are_not_found_also_to_expire() {
    for expire in [false, true] {
        let request = ConferenceModify { expire, ..ConferenceModify::new(MEETING) };
        let answer = World::new().request(&request).unwrap_err().to_error_answer();
        assert_eq!(answer.condition, StanzaErrorCondition::ItemNotFound);
        assert_eq!(answer.reason, Some(ErrorReason::ConferenceNotFound));
        let text = format!("Conference not found for ID: {MEETING}");
        assert_eq!(answer.text.as_deref(), Some(text.as_str()));
        assert_eq!(answer.endpoint, None);
    }
}

#[test]
fn a_name_that_is_no_jid_is_refused_and_nothing_exists_afterwards() {
    let mut world = World::new();
    let request = ConferenceModify { name: Some("not a jid".to_owned()), ..create_conference() };
    let answer = world.request(&request).unwrap_err().to_error_answer();
    assert_eq!(answer.condition, StanzaErrorCondition::BadRequest);
    assert_eq!(answer.text.as_deref(), Some("Invalid conference name (not a JID)"));
    assert_eq!(answer.reason, None);
    assert!(!world.exists());
}

#[test]
fn a_conference_needs_no_name() {
    let mut world = World::new();
    world.request(&ConferenceModify { name: None, ..create_conference() }).unwrap();
    assert!(world.exists());
}

#[test]
fn expiring_a_conference_ends_all_its_endpoints_with_an_empty_answer() {
    let mut world = World::with_endpoints(&["a", "b"]);
    let request = ConferenceModify { expire: true, ..ConferenceModify::new(MEETING) };
    assert_eq!(world.request(&request), Ok(ConferenceModified::default()));
    assert!(!world.exists());
    assert_eq!(world.ledger.living(), 0);
    assert!(world.ledger.snapshots.is_empty());
}

#[test]
fn an_expired_conference_can_be_created_again() {
    let mut world = World::with_endpoints(&["a"]);
    for _ in 0..3 {
        let old = world.session_id("a");
        let request = ConferenceModify { expire: true, ..ConferenceModify::new(MEETING) };
        world.request(&request).unwrap();
        world.create_conference();
        world.create("a");
        assert_ne!(world.session_id("a"), old);
    }
}

#[test]
fn create_and_expire_in_one_request_leave_nothing() {
    let mut world = World::new();
    let request = ConferenceModify {
        expire: true,
        endpoints: vec![new_endpoint("a")],
        ..create_conference()
    };
    let answer = world.request(&request).unwrap();
    assert!(answer.endpoints[0].transport.is_some() && answer.sources.is_some());
    assert!(!world.exists());
    assert_eq!(world.ledger.living(), 0);
}

#[test]
fn the_conference_ends_with_its_last_endpoint() {
    let mut world = World::with_endpoints(&["a", "b"]);
    world.modify(expire("a")).unwrap();
    assert!(world.exists());
    let answer = world.modify(expire("b")).unwrap();
    assert!(answer.endpoints[0].expire);
    assert!(!world.exists());
}

#[test]
fn any_modify_that_leaves_a_conference_empty_ends_it() {
    let mut world = World::new();
    world.create_conference();
    assert_eq!(world.request(&modify(Vec::new())), Ok(ConferenceModified::default()));
    assert!(!world.exists());
}

#[test]
fn an_error_never_ends_a_conference() {
    let mut world = World::new();
    world.create_conference();
    let request = ConferenceModify { expire: true, ..modify(vec![with_sources("x", Vec::new())]) };
    world.request(&request).unwrap_err();
    assert!(world.exists());
}

#[test]
fn a_conference_outlives_the_failure_of_its_first_endpoint() {
    let mut world = World::new();
    let mut endpoint = new_endpoint("a");
    endpoint.transport = None;
    let request = ConferenceModify { endpoints: vec![endpoint], ..create_conference() };
    world.request(&request).unwrap_err();
    assert!(world.exists());
    let again = world.request(&request).unwrap_err();
    assert_eq!(again, RequestError::ConferenceExists(MEETING.to_owned()));
}

#[test]
fn an_empty_conference_is_gone_after_the_next_check() {
    let mut world = World::new();
    world.create_conference();
    world.pass(Duration::from_secs(59));
    assert!(world.exists());
    world.pass(Duration::from_secs(2));
    assert!(!world.exists());
}

#[test]
fn an_empty_conference_has_twenty_seconds_even_if_checks_come_often() {
    let expiry_check_interval = Duration::from_secs(7);
    let settings = bridge_conference::ConferenceSettings { expiry_check_interval, ..settings() };
    let mut world = World::with(settings, |environment| environment);
    world.create_conference();
    world.pass(Duration::from_secs(20));
    assert!(world.exists());
    world.pass(Duration::from_secs(1));
    assert!(!world.exists());
}

#[test]
fn requests_after_the_end_find_no_conference() {
    let mut world = World::with_endpoints(&["a"]);
    let id = *world.conferences.keys().next().unwrap();
    let mut conference = world.conferences.remove(&id).unwrap();
    conference.expire_now();
    let error = conference.handle_request(world.now, &modify(Vec::new())).unwrap_err();
    assert_eq!(error, RequestError::ConferenceNotFound(MEETING.to_owned()));
}

#[test]
fn the_debug_state_names_what_operators_look_for() {
    let world = World::with_endpoints(&["a"]);
    let summary = world.conference().debug_summary();
    let id = summary["id"].as_str().unwrap();
    assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
    assert_eq!(summary["meeting_id"], MEETING);
    assert_eq!(summary["name"], "standup@conference.example.net");
    assert_eq!(summary["endpoints"]["a"], "stats-a");
    assert_eq!(summary["rtcstatsEnabled"], true);
    let full = world.conference().debug_state();
    assert_eq!(full["endpoints"]["a"]["accept_video"], true);
    assert_eq!(full["endpoints"]["a"]["ice_transport"]["iceConnected"], false);
    assert_eq!(world.index.by_local_id(id).unwrap().0.meeting_id, MEETING);
}
