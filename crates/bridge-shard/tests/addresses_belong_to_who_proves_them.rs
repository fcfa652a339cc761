//! An address belongs to the session that proved it with authenticated STUN, and to the last one.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use bridge_shard::{SessionAction, ShardCommand};
use bridge_transport::{CandidateKind, RemoteCandidate, RemoteTransport};
use bridge_units::{ConferenceId, ShardId};
use common::{Join, Request, TICK, World, audio_ssrc, bridge_credentials};

fn assert_call_works(world: &mut World, numbers: std::ops::Range<u16>) {
    world.forget_received();
    let (count, clients) = (numbers.len(), world.clients.len());
    for sender in 0..clients {
        world.send_audio(sender, numbers.clone());
    }
    world.run_for(5 * TICK);
    for i in 0..clients {
        for j in (0..clients).filter(|j| *j != i) {
            let heard = world.heard(i, audio_ssrc(world.clients[j].session));
            assert_eq!(heard.len(), count, "{j} to {i}");
        }
    }
}

#[test]
fn forged_stun_changes_nothing() {
    for shard in [0, 1] {
        let mut world = World::with_clients(2, &[0, 1]);
        let victim = &world.clients[0];
        let (session, address) = (victim.session, victim.address);
        let username = format!("{}:client{}", bridge_credentials(session).0, session.0);
        let stranger: SocketAddr = "203.0.113.5:4000".parse().unwrap();
        let wrong = Request::check(1, &username).signed("wrong-password").bytes();
        let unsigned = Request::check(2, &username).bytes();
        for from in [address, stranger] {
            world.inject(shard, from, &wrong);
            world.inject(shard, from, &unsigned);
        }
        world.run_for(5 * TICK);
        assert_eq!(world.totals().dropped_stun, 4);
        let directory = world.group.directory();
        assert_eq!(directory.session_of_remote(&stranger), None);
        assert_eq!(directory.session_of_remote(&address), Some(session));
        assert_call_works(&mut world, 0..10);
    }
}

#[test]
fn a_signalled_address_of_somebody_else_does_not_steal_their_packets() {
    // The thief lives and starts on every shard that matters.
    for (thief_shard, victim_first) in [(0, true), (1, true), (0, false), (1, false)] {
        let mut world = World::new(2);
        if victim_first {
            world.join(Join::at(0));
            world.join(Join::at(1));
            world.connect();
        }
        let thief = world.create(Join::at(thief_shard));
        let victim = common::client_address(if victim_first { 1 } else { 2 });
        let remote = RemoteTransport {
            credentials: Some(("thief".into(), "thief-password-of-22-chars".into())),
            candidates: vec![RemoteCandidate {
                address: victim,
                kind: CandidateKind::Host,
                priority: 2_130_706_431,
                foundation: "1".into(),
            }],
            ..RemoteTransport::default()
        };
        world.command(thief, SessionAction::SetRemoteTransport(Box::new(remote)));
        world.run_for(Duration::from_millis(500));
        if !victim_first {
            assert_eq!(world.group.directory().session_of_remote(&victim), Some(thief));
            world.join(Join::at(0));
            world.join(Join::at(1));
            world.connect();
        }
        assert_call_works(&mut world, 0..10);
        world.run_for(Duration::from_secs(1));
        assert_call_works(&mut world, 10..20);
    }
}

/// The victim's packets arrive where the thief lives, and its session cannot move there.
#[test]
fn nor_while_the_shard_of_the_thief_takes_no_sessions() {
    let mut world = World::new(2);
    let thief = world.create(Join::at(0));
    let remote = RemoteTransport {
        credentials: Some(("thief".into(), "thief-password-of-22-chars".into())),
        candidates: vec![RemoteCandidate {
            address: common::client_address(2),
            kind: CandidateKind::Host,
            priority: 2_130_706_431,
            foundation: "1".into(),
        }],
        ..RemoteTransport::default()
    };
    world.command(thief, SessionAction::SetRemoteTransport(Box::new(remote)));
    world.run_for(Duration::from_millis(100));
    let victim = world.join(Join::at(0).started_at(1));
    let listener = world.join(Join::at(1));
    let overload = ConferenceId(99);
    for round in 0..1_000 {
        for _ in 0..if round == 0 { 7_000 } else { 256 } {
            // Full is what it shall be.
            let _ = world.group.inboxes()[0].command(ShardCommand::RemoveConference(overload));
        }
        world.tick();
    }
    let ssrc = audio_ssrc(world.clients[victim].session);
    world.send_audio(victim, 0..10);
    world.run_for(2 * TICK);
    assert_eq!(world.home(victim), ShardId(1));
    assert_eq!(world.heard(listener, ssrc).len(), 10);
}

#[test]
fn a_client_that_comes_back_from_the_same_address_connects_beside_its_old_session() {
    for (old_shard, new_start) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut world = World::with_clients(2, &[old_shard, 0]);
        let (address, old) = (world.clients[0].address, world.clients[0].session);
        world.clients.remove(0);
        let new = world.join_from(Join::at(old_shard).started_at(new_start), address);
        world.connect();
        assert_eq!(
            world.group.directory().session_of_remote(&address),
            Some(world.clients[new].session)
        );
        assert_call_works(&mut world, 0..10);
        // The end of the old one does not take the address from the new one.
        world.command(old, SessionAction::Expire);
        world.run_for(5 * TICK);
        assert_call_works(&mut world, 10..20);
    }
}

#[test]
fn a_second_client_with_the_same_credentials_does_not_disturb_the_first() {
    let mut world = World::with_clients(2, &[0, 1]);
    let session = world.clients[0].session;
    let (ufrag, password) = bridge_credentials(session);
    let twin: SocketAddr = "203.0.113.5:4000".parse().unwrap();
    for (id, shard) in [(1, 0), (2, 1)] {
        let check = Request::check(id, &format!("{ufrag}:client{}", session.0)).signed(&password);
        world.inject(shard, twin, &check.bytes());
        world.run_for(5 * TICK);
    }
    assert!(world.undeliverable.iter().any(|(to, _)| *to == twin), "it is answered");
    assert_call_works(&mut world, 0..10);
    assert!(world.home(0).0 == 0, "and does not pull the session away");
    assert!(world.undeliverable.iter().all(|(_, bytes)| bytes[0] < 4), "no media goes there");
}
