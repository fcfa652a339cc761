//! When all sessions and conferences have ended, nothing of them is left on any shard.

mod common;

use bridge_shard::{SessionAction, ShardCommand};
use bridge_units::{ConferenceId, ShardId};
use common::{CONFERENCE, Join, TICK, World, bridge_credentials};

fn assert_empty(world: &mut World) {
    assert_eq!(world.entries(), 0);
    assert_eq!(world.group.directory().len(), 0);
    let totals = world.totals();
    assert_eq!((totals.sessions, totals.entries, totals.panics), (0, 0, 0));
}

fn expire_all(world: &mut World) {
    for client in std::mem::take(&mut world.clients) {
        world.command(client.session, SessionAction::Expire);
    }
}

#[test]
fn after_a_conference_whose_sessions_moved() {
    let mut world = World::new(3);
    for lands in [0, 1, 2, 0] {
        world.join(Join::at(lands).started_at(0));
    }
    world.connect();
    for round in 0..6 {
        for client in 0..4 {
            world.land(client, (client + round) % 3);
            world.send_audio(client, [round as u16]);
        }
        world.run_for(3 * TICK);
    }
    assert!(world.totals().sessions_moved_here > 8);
    expire_all(&mut world);
    world.remove_conference(CONFERENCE);
    world.run_for(5 * TICK);
    assert_empty(&mut world);
}

/// The end of a session and of its conference overtake the session on its way to another shard.
#[test]
fn when_the_end_overtakes_a_session_on_its_way() {
    for delay in 0..5 {
        let mut world = World::with_clients(3, &[0, 0]);
        world.land(0, 1);
        world.send_audio(0, [1]);
        for _ in 0..delay {
            world.tick();
        }
        expire_all(&mut world);
        world.remove_conference(CONFERENCE);
        world.run_for(10 * TICK);
        assert_empty(&mut world);
    }
}

/// As above, and the conference ends on the target before the session gets there.
#[test]
fn when_the_conference_ends_on_the_target_first() {
    let mut world = World::with_clients(2, &[0, 0]);
    world.land(0, 1);
    world.send_audio(0, [1]);
    world.tick();
    // Shard 1 forgets the conference and then takes over a session of it.
    let inbox = world.group.inbox(ShardId(1)).unwrap();
    assert!(inbox.command(ShardCommand::RemoveConference(CONFERENCE)).is_ok());
    world.tick();
    world.remove_conference(CONFERENCE);
    world.run_for(3 * TICK);
    assert_eq!(world.home(0), ShardId(1));
    expire_all(&mut world);
    world.run_for(5 * TICK);
    assert_empty(&mut world);
}

#[test]
fn after_a_thousand_conferences() {
    let mut world = World::new(2);
    let address = "203.0.113.5:4000".parse().unwrap();
    for id in 1..=1_000 {
        let session = world.create(Join::at(id as usize % 2).in_conference(id));
        world.tick();
        let (ufrag, password) = bridge_credentials(session);
        // A peer that gets as far as a validated address.
        let check = common::Request::check(1, &format!("{ufrag}:client")).signed(&password);
        world.inject((id / 2) as usize % 2, address, &check.bytes());
        world.tick();
        world.tick();
        assert_eq!(world.group.directory().session_of_remote(&address), Some(session));
        world.command(session, SessionAction::Expire);
        world.remove_conference(ConferenceId(id));
        world.tick();
        world.tick();
    }
    world.run_for(5 * TICK);
    assert_empty(&mut world);
}
