//! A queue that is full drops and counts, what cannot be replaced still gets through, and afterwards
//! everything works again.

mod common;

use bridge_shard::{SessionAction, ShardCommand};
use bridge_units::{ConferenceId, ShardId};
use common::{Join, Request, TICK, Wire, World, audio_ssrc, bridge_credentials};

/// Runs only shard 0, as if the thread of shard 1 got no time.
fn run_first_shard(world: &mut World) {
    let mut wire = Wire::default();
    let outgoing: Vec<_> = world
        .clients
        .iter_mut()
        .flat_map(|client| {
            client.outgoing.drain(..).map(|d| (client.address, d)).collect::<Vec<_>>()
        })
        .collect();
    world.turn(0, outgoing.into_iter(), &mut wire);
    world.deliver(wire);
}

#[test]
fn batches_for_a_shard_that_stands_still() {
    let mut world = World::with_clients(2, &[0, 0, 1]);
    let ssrc = audio_ssrc(world.clients[0].session);
    // One batch per turn, more than the queue holds.
    for number in 0..300 {
        world.send_audio(0, [number]);
        run_first_shard(&mut world);
    }
    assert_eq!(world.heard(1, ssrc).len(), 300, "the own shard is not held up");
    let dropped = world.counters(0).dropped_shard_queue_full;
    assert!((1..300).contains(&dropped), "{dropped}");
    world.run_for(40 * TICK);
    assert_eq!(world.heard(2, ssrc).len() as u64, 300 - dropped, "all that was queued, at once");
    world.forget_received();
    world.send_audio(0, 300..400);
    world.run_for(5 * TICK);
    assert_eq!(world.heard(2, ssrc), (300..400).collect::<Vec<_>>());
    assert_eq!(world.counters(0).dropped_shard_queue_full, dropped);
}

#[test]
fn datagrams_for_a_shard_that_stands_still_leave_room_for_commands() {
    let mut world = World::new(2);
    let session = world.create(Join::at(1));
    world.run_for(2 * TICK);
    let (ufrag, password) = bridge_credentials(session);
    let check = Request::check(1, &format!("{ufrag}:client")).signed(&password).bytes();
    let flood = (0..10_000).map(|i| (([203, 0, 113, 1], 1_024 + i).into(), check.clone()));
    world.turn(0, flood, &mut Wire::default());
    let counters = world.counters(0);
    assert_eq!(counters.datagrams_handed_over + counters.dropped_shard_queue_full, 10_000);
    assert!(counters.dropped_shard_queue_full > 0);
    for _ in 0..100 {
        world.command(session, SessionAction::SetForceMute { audio: true, video: false });
    }
    world.command(session, SessionAction::Expire);
    world.run_for(100 * TICK);
    assert_eq!(world.totals().dropped_commands, 0);
    assert_eq!(world.counters(1).sessions, 0);
}

#[test]
fn the_control_plane_is_told_that_an_inbox_is_full_and_it_recovers() {
    let mut world = World::with_clients(2, &[0, 1]);
    let inbox = world.group.inbox(ShardId(1)).unwrap();
    let mut taken = 0;
    while inbox.command(ShardCommand::RemoveConference(ConferenceId(77))).is_ok() {
        taken += 1;
    }
    assert!(taken > 1_000);
    // Feedback across shards is lost meanwhile, and counted.
    let pli = {
        let ssrc = common::video_ssrc(world.clients[1].session, 0);
        let mut buffer = [0; 20];
        let mut writer = bridge_rtp::RtcpWriter::new(&mut buffer);
        writer.picture_loss_indication(1, ssrc).unwrap();
        writer.as_bytes().to_vec()
    };
    world.clients[0].send_rtcp(&pli);
    run_first_shard(&mut world);
    assert_eq!(world.counters(0).dropped_shard_queue_full, 1);
    world.run_for(100 * TICK);
    assert!(
        world
            .group
            .inbox(ShardId(1))
            .unwrap()
            .command(ShardCommand::RemoveConference(ConferenceId(77)))
            .is_ok()
    );
    world.send_audio(0, [1]);
    world.clients[0].send_rtcp(&pli);
    world.run_for(5 * TICK);
    assert_eq!(world.heard(1, audio_ssrc(world.clients[0].session)), [1]);
    assert_eq!(world.clients[1].rtcp.len(), 1);
}

/// Commands, timers and STUN wait no longer than for the batch at hand.
#[test]
fn batches_for_many_receivers_leave_a_turn_early() {
    let mut world = World::with_clients(2, &[&[0][..], &[1; 40]].concat());
    let ssrc = audio_ssrc(world.clients[0].session);
    for first in (0..600).step_by(120) {
        world.send_audio(0, first..first + 120);
        run_first_shard(&mut world);
    }
    let before = world.counters(1).packets_from_shards;
    let mut wire = Wire::default();
    let (now, shard) = (world.now, &mut world.shards[1]);
    shard.handle_inbox(now, &mut wire);
    shard.end_batch(now, &mut wire);
    world.deliver(wire);
    let taken = world.counters(1).packets_from_shards - before;
    assert_eq!(taken, 120, "one batch for 40 receivers is enough");
    world.run_for(10 * TICK);
    assert!((1..=40).all(|receiver| world.heard(receiver, ssrc).len() == 600));
}
