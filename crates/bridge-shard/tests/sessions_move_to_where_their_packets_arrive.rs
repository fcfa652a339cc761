//! Participants on different shards hear each other, and a session moves to the shard where its
//! packets arrive, without loss, repeats or disorder.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bridge_shard::{MediaDescription, SessionAction, SessionEventKind, ShardCommand};
use bridge_units::ShardId;
use common::{Join, TICK, World, audio_ssrc};

#[test]
fn shards_hear_each_other() {
    let mut world = World::with_clients(4, &[0, 1, 2, 3]);
    for sender in 0..4 {
        world.send_audio(sender, 0..50);
    }
    world.run_for(5 * TICK);
    for (i, receiver) in world.clients.iter().enumerate() {
        for (j, sender) in world.clients.iter().enumerate().filter(|(j, _)| *j != i) {
            let heard = receiver.numbers(audio_ssrc(sender.session));
            assert_eq!(heard, (0..50).collect::<Vec<_>>(), "{j} to {i}");
        }
    }
}

#[test]
fn a_session_that_starts_elsewhere_moves_and_connects() {
    let mut world = World::new(3);
    world.join(Join::at(2).started_at(0));
    world.join(Join::at(1).started_at(0));
    world.connect();
    assert_eq!((world.home(0), world.home(1)), (ShardId(2), ShardId(1)));
    assert!(
        world.saw(world.clients[0].session, |k| matches!(k, SessionEventKind::Moved(ShardId(2))))
    );
    world.send_audio(0, 0..10);
    world.run_for(5 * TICK);
    assert_eq!(world.heard(1, audio_ssrc(world.clients[0].session)).len(), 10);
    let handed = world.totals().datagrams_handed_over;
    world.send_audio(0, 10..20);
    world.run_for(5 * TICK);
    assert_eq!(world.totals().datagrams_handed_over, handed, "it has settled");
}

/// The hash of the kernel changes again and again, also several times between two turns of a shard.
#[test]
fn a_stream_survives_its_senders_moves() {
    let mut world = World::with_clients(3, &[0, 0, 1, 2]);
    let ssrc = audio_ssrc(world.clients[0].session);
    let mut number = 0;
    for round in 0..60_u16 {
        world.send_audio(0, number..number + 20);
        number += 20;
        world.land(0, usize::from(round) % 3);
        if round % 3 != 0 {
            world.tick();
        }
    }
    world.run_for(20 * TICK);
    for receiver in 1..4 {
        let mut heard = world.heard(receiver, ssrc);
        heard.sort_unstable();
        assert_eq!(heard, (0..number).collect::<Vec<_>>(), "receiver {receiver}");
        assert_eq!(world.clients[receiver].refused, 0, "no repeats");
    }
    let totals = world.totals();
    assert!(totals.sessions_moved_away > 10, "{totals:?}");
    assert_eq!(totals.sessions_moved_away, totals.sessions_moved_here);
    assert_eq!((totals.dropped_unknown_source, totals.dropped_shard_queue_full), (0, 0));
}

#[test]
fn a_stream_survives_its_receivers_moves() {
    let mut world = World::with_clients(3, &[0, 1, 2]);
    let mut number = 0;
    for round in 0..60_u16 {
        world.land(2, usize::from(round) % 3);
        world.send_audio(0, number..number + 20);
        world.send_audio(1, number..number + 20);
        world.send_audio(2, [round]);
        number += 20;
        world.tick();
    }
    world.run_for(20 * TICK);
    assert!(world.totals().sessions_moved_here > 10);
    for sender in [0, 1] {
        let ssrc = audio_ssrc(world.clients[sender].session);
        let mut heard = world.heard(2, ssrc);
        heard.sort_unstable();
        assert_eq!(heard, (0..number).collect::<Vec<_>>(), "sender {sender}");
    }
    assert_eq!(world.clients[2].refused, 0, "no repeats");
}

#[test]
fn packets_for_a_session_in_the_own_inbox_wait_behind_it() {
    let mut world = World::with_clients(2, &[0, 0]);
    let ssrc = audio_ssrc(world.clients[0].session);
    world.land(0, 1);
    // Handed over by shard 1; shard 0 gives the session away after its turn of this tick.
    world.send_audio(0, [0]);
    world.tick();
    // Arrives on shard 1 before that shard has looked into its inbox.
    for number in 1..10 {
        world.send_audio(0, [number]);
        world.tick();
    }
    world.run_for(5 * TICK);
    let mut heard = world.heard(1, ssrc);
    heard.sort_unstable();
    assert_eq!(heard, (0..10).collect::<Vec<_>>());
    assert_eq!((world.home(0), world.totals().dropped_unknown_source), (ShardId(1), 0));
}

/// The last of the descriptions decides whether audio passes: any other order shows.
#[test]
fn commands_keep_their_order_across_a_move() {
    let mut world = World::with_clients(3, &[0, 1]);
    let session = world.clients[0].session;
    let ssrc = audio_ssrc(session);
    let nothing = Arc::new(MediaDescription::default());
    for round in 0..30_u16 {
        world.land(0, usize::from(round) % 3);
        world.send_audio(0, [round * 2]);
        let last: Vec<ShardCommand> = [Arc::clone(&nothing), Arc::new(common::media())]
            .into_iter()
            .map(|media| world.next_command(session, SessionAction::SetMedia(media)))
            .collect();
        // The later one comes first, and to whichever shard.
        for (i, command) in last.into_iter().rev().enumerate() {
            let shard = ShardId(((usize::from(round) + i) % 3) as u16);
            assert!(world.group.inbox(shard).unwrap().command(command).is_ok());
        }
        world.run_for(6 * TICK);
        world.send_audio(0, [round * 2 + 1]);
        world.run_for(2 * TICK);
        assert!(world.heard(1, ssrc).contains(&(round * 2 + 1)), "round {round}");
    }
    let totals = world.totals();
    assert!(totals.sessions_moved_here > 10);
    assert_eq!(totals.dropped_commands, 0);
}

#[test]
fn a_lost_command_does_not_hold_up_the_others_for_ever_and_never_the_end() {
    let mut world = World::with_clients(2, &[0, 0]);
    let session = world.clients[0].session;
    let mute = SessionAction::SetForceMute { audio: true, video: false };
    drop(world.next_command(session, SessionAction::SendMessage("lost".into())));
    world.command(session, mute);
    world.run_for(2 * TICK);
    for _ in 0..64 {
        world.command(session, SessionAction::SetForceMute { audio: true, video: true });
    }
    world.run_for(2 * TICK);
    world.send_audio(0, [1]);
    world.run_for(2 * TICK);
    let totals = world.totals();
    assert_eq!((totals.dropped_commands, totals.dropped_muted), (1, 1));

    drop(world.next_command(session, SessionAction::SendMessage("lost".into())));
    world.command(session, SessionAction::Expire);
    world.run_for(2 * TICK);
    assert_eq!(world.group.directory().shard_of(session), None);
}

#[test]
fn a_session_that_cannot_move_stays_and_is_served() {
    let mut world = World::with_clients(2, &[0, 0]);
    let ssrc = audio_ssrc(world.clients[0].session);
    // Shard 1 is stuck: its inbox fills up and it takes no turns, but the kernel hands packets on.
    let inbox = world.group.inbox(ShardId(1)).unwrap();
    while inbox.command(ShardCommand::RemoveConference(bridge_units::ConferenceId(99))).is_ok() {}
    world.land(0, 1);
    world.send_audio(0, 0..5);
    world.tick();
    world.run_for(Duration::from_millis(200));
    world.send_audio(0, 5..10);
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.heard(1, ssrc), (0..10).collect::<Vec<_>>());
    assert_eq!(world.home(0), ShardId(1), "it moves once there is room");
}
