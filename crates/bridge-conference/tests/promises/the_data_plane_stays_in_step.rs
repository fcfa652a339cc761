use crate::world::*;
use bridge_conference::Placement;
use bridge_shard::SessionEventKind;
use bridge_signaling::colibri2::{Endpoint, ForceMute};
use bridge_units::ShardId;

fn mute(id: &str, audio: bool) -> Endpoint {
    Endpoint { force_mute: Some(ForceMute { audio, video: false }), ..update(id) }
}

#[test]
fn sessions_start_on_one_shard_after_another() {
    let mut world = World::with_endpoints(&["a", "b", "c", "d", "e"]);
    let shards: Vec<_> = world.endpoint_ids().iter().map(|id| world.session(id).shard.0).collect();
    assert_eq!(shards, [0, 1, 2, 3, 0]);
    world.modify(expire("a")).unwrap();
    world.create("f");
    assert_eq!(world.session("f").shard.0, 1);
}

#[test]
fn a_forced_placement_starts_all_on_one_shard() {
    let mut world = World::with(settings(), |mut environment| {
        environment.placement = Placement::Forced(ShardId(6));
        environment
    });
    world.create_conference();
    for id in ["a", "b"] {
        world.create(id);
        assert_eq!(world.session(id).shard, ShardId(2), "6 modulo the 4 shards");
    }
}

#[test]
fn commands_follow_a_session_that_moved() {
    let mut world = World::with_endpoints(&["a", "b"]);
    world.event("a", SessionEventKind::Moved(ShardId(3)));
    world.modify(mute("a", true)).unwrap();
    assert_eq!(world.session("a").shard, ShardId(3));
    assert_eq!(world.session("b").shard, ShardId(1));
    let session = world.session_id("a");
    world.modify(expire("a")).unwrap();
    assert_eq!(world.ledger.sessions[&session].shard, ShardId(3));
}

#[test]
fn the_conference_is_known_before_its_first_session_and_not_without() {
    let mut world = World::new();
    world.create_conference();
    assert_eq!(world.ledger.commands_seen, 0);
    world.create("a");
    let snapshot = world.ledger.snapshots.values().next().unwrap();
    assert_eq!(snapshot.local_video_ssrc, world.conference().feedback_ssrcs().video);
    assert!(snapshot.streams.is_empty());
    assert_eq!(world.session("a").endpoint, endpoint_id("a"));
}

#[test]
fn a_snapshot_is_sent_only_when_streams_changed() {
    let mut world = World::with_endpoints(&["a", "b"]);
    assert_eq!(world.ledger.snapshots_seen, 1);
    world.modify(mute("a", true)).unwrap();
    world.modify(with_sources("a", Vec::new())).unwrap();
    world.say("a", r#"{"colibriClass":"VideoTypeMessage","videoType":"none"}"#);
    assert_eq!(world.ledger.snapshots_seen, 1);
    world.modify(with_sources("a", vec![audio("a-a0", 1)])).unwrap();
    assert_eq!(world.ledger.snapshots_seen, 2);
    world.modify(expire("b")).unwrap();
    assert_eq!(world.ledger.snapshots_seen, 2);
}

#[test]
fn streams_of_an_expired_endpoint_vanish() {
    let mut world = World::with_endpoints(&["a", "b"]);
    world.modify(with_sources("a", vec![audio("a-a0", 1)])).unwrap();
    world.modify(with_sources("b", vec![audio("b-a0", 2)])).unwrap();
    world.modify(expire("a")).unwrap();
    assert_eq!(world.streams().into_keys().collect::<Vec<_>>(), [2]);
}

#[test]
fn one_request_publishes_at_most_one_snapshot() {
    let mut world = World::with_endpoints(&["a", "b", "c"]);
    for (n, id) in ["a", "b", "c"].into_iter().enumerate() {
        let ssrc = u32::try_from(n).unwrap() + 1;
        world.modify(with_sources(id, vec![audio("x", ssrc)])).unwrap();
    }
    let before = world.ledger.snapshots_seen;
    world.request(&modify(vec![expire("a"), expire("b")])).unwrap();
    assert_eq!(world.ledger.snapshots_seen, before + 1);
}
