use crate::world::*;
use bridge_conference::{EntryCounts, limits};
use bridge_shard::SessionEventKind;
use bridge_signaling::StanzaErrorCondition;
use bridge_signaling::colibri2::{ConferenceModify, Endpoint};
use std::time::Duration;

/// Everything that an endpoint can have.
fn live(world: &mut World, id: &str, ssrc: u32) {
    world.create(id);
    world.modify(with_sources(id, vec![audio("a0", ssrc), video("v0", ssrc + 1)])).unwrap();
    world.event(id, SessionEventKind::IceConnected { relayed: false });
    world.event(
        id,
        SessionEventKind::DtlsConnected {
            version: bridge_dtls::DtlsVersion::Dtls13,
            profile: bridge_dtls::Profile::AeadAes128Gcm,
        },
    );
    world.open_channel(id);
}

#[test]
fn a_thousand_endpoints_come_and_go() {
    let mut world = World::with_endpoints(&["stays"]);
    let before = world.conference().entry_counts();
    for round in 0..1_000u32 {
        live(&mut world, "comes", round * 2);
        assert_ne!(world.conference().entry_counts(), before);
        world.modify(expire("comes")).unwrap();
    }
    assert_eq!(world.conference().entry_counts(), before);
    assert_eq!(world.ledger.living(), 1);
    assert_eq!(world.ledger.sessions.len(), 1_001);
    assert_eq!(world.conference().counters().endpoints_expired, 1_000);
}

#[test]
fn a_thousand_conferences_come_and_go() {
    let mut world = World::new();
    for _ in 0..1_000 {
        world.create_conference();
        live(&mut world, "a", 1);
        let request = ConferenceModify { expire: true, ..ConferenceModify::new(MEETING) };
        world.request(&request).unwrap();
    }
    assert!(world.index.is_empty() && world.conferences.is_empty());
    assert_eq!(world.index.iter().count(), 0);
    assert!(world.ledger.snapshots.is_empty());
    assert_eq!((world.ledger.living(), world.ledger.sessions.len()), (0, 1_000));
}

#[test]
fn endpoints_that_vanish_take_everything_along() {
    let mut world = World::new();
    world.create_conference();
    for n in 0..100u32 {
        live(&mut world, &format!("e{n}"), n * 2);
    }
    world.pass(Duration::from_secs(180));
    assert!(!world.exists());
    assert_eq!(world.ledger.living(), 0);
}

#[test]
fn a_full_conference_refuses_and_takes_again_when_there_is_room() {
    let mut world = World::new();
    world.create_conference();
    let bare = |n: usize| Endpoint { medias: Vec::new(), ..new_endpoint(&format!("e{n}")) };
    for n in 0..limits::MAX_ENDPOINTS {
        world.modify(bare(n)).unwrap();
    }
    let answer = world.modify(bare(limits::MAX_ENDPOINTS)).unwrap_err().to_error_answer();
    assert_eq!(answer.condition, StanzaErrorCondition::ServiceUnavailable);
    assert_eq!(answer.reason, None);
    world.modify(expire("e0")).unwrap();
    world.modify(bare(limits::MAX_ENDPOINTS)).unwrap();
}

#[test]
fn a_full_bridge_refuses_and_takes_again_when_there_is_room() {
    let mut world = World::new();
    let create =
        |n: usize| ConferenceModify { create: true, ..ConferenceModify::new(n.to_string()) };
    for n in 0..limits::MAX_CONFERENCES {
        world.index.get_or_create(&create(n), |_| ()).unwrap();
    }
    let full = create(limits::MAX_CONFERENCES);
    let answer = world.index.get_or_create(&full, |_| ()).unwrap_err().to_error_answer();
    assert_eq!(answer.condition, StanzaErrorCondition::ServiceUnavailable);
    let some = world.index.by_meeting_id("7").unwrap().0.id;
    assert!(world.index.remove(world.now, some).is_some());
    assert!(world.index.remove(world.now, some).is_none());
    world.index.get_or_create(&full, |_| ()).unwrap();
}

#[test]
fn an_idle_driver_bounds_the_pending_messages() {
    let mut world = World::with_endpoints(&["a", "b"]);
    world.open_channel("b");
    let id = *world.conferences.keys().next().unwrap();
    let mut conference = world.conferences.remove(&id).unwrap();
    let session = conference.session_of(&endpoint_id("a")).unwrap();
    let text = r#"{"colibriClass":"EndpointMessage","to":"b"}"#;
    for _ in 0..limits::MAX_PENDING_MESSAGES + 10 {
        let kind = SessionEventKind::ChannelMessage(text.to_owned());
        let event = bridge_shard::SessionEvent { conference: id, session, kind };
        conference.handle_event(world.now, event);
    }
    assert_eq!(conference.entry_counts().commands, limits::MAX_PENDING_MESSAGES);
    assert_eq!(conference.counters().messages_dropped, 10);
    conference.expire_now();
    while conference.poll_command().is_some() {}
    assert_eq!(conference.entry_counts(), EntryCounts::default());
}
