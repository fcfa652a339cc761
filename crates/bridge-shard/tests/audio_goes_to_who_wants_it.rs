//! Loudest-only routing and audio subscriptions decide who hears whom.

mod common;

use std::sync::Arc;

use bridge_shard::{AudioSelection, SessionAction, ShardCommand};
use bridge_units::MediaType;
use common::{CONFERENCE, TICK, World, audio_ssrc, packets::source_id};

fn heard(world: &World, receiver: usize) -> [usize; 2] {
    [0, 1].map(|sender| world.heard(receiver, audio_ssrc(world.clients[sender].session)).len())
}

fn speak(world: &mut World, number: u16) {
    world.run_for(TICK);
    world.forget_received();
    world.send_audio(0, [number]);
    world.send_audio(1, [number]);
    world.run_for(TICK);
}

#[test]
fn only_the_loudest_are_heard_but_by_those_who_named_the_others() {
    let mut world = World::with_clients(1, &[0, 0, 0, 0]);
    let [loud, quiet] = [0, 1].map(|client| world.clients[client].session);
    let all: Arc<[_]> = [loud].into();
    for inbox in world.group.inboxes() {
        let command = ShardCommand::SetLoudest(CONFERENCE, Some(Arc::clone(&all)));
        assert!(inbox.command(command).is_ok());
    }
    let include = vec![source_id(quiet, MediaType::Audio)];
    let selection = AudioSelection { all: true, include, exclude: Vec::new() };
    let named = world.clients[3].session;
    world.command(named, SessionAction::SetAudioSelection(Arc::new(selection)));
    speak(&mut world, 1);
    assert_eq!(heard(&world, 2), [1, 0]);
    assert_eq!(heard(&world, 3), [1, 1]);
    for inbox in world.group.inboxes() {
        assert!(inbox.command(ShardCommand::SetLoudest(CONFERENCE, None)).is_ok());
    }
    speak(&mut world, 2);
    assert_eq!(heard(&world, 2), [1, 1]);
}

#[test]
fn a_selection_excludes_and_includes() {
    let mut world = World::with_clients(1, &[0, 0, 0]);
    let sources = [0, 1].map(|client| source_id(world.clients[client].session, MediaType::Audio));
    let receiver = world.clients[2].session;
    for (number, (all, include, exclude, expected)) in (1..).zip([
        (true, vec![], vec![sources[0]], [0, 1]),
        (false, vec![sources[0]], vec![], [1, 0]),
        (false, vec![], vec![], [0, 0]),
        (true, vec![sources[0]], vec![sources[0]], [0, 1]),
    ]) {
        let selection = AudioSelection { all, include, exclude };
        world.command(receiver, SessionAction::SetAudioSelection(Arc::new(selection)));
        speak(&mut world, number);
        assert_eq!(heard(&world, 2), expected);
    }
}
