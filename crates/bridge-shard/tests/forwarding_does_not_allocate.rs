//! Once warm, forwarding takes no memory from the heap, here and across shards.

mod common;

use std::sync::Arc;

use bridge_shard::{EgressSink, Run, SendOutcome, SessionAction};
use common::{VIDEO, World, media, rtp, video_ssrc};

#[global_allocator]
static ALLOCATOR: bridge_allocations::Counting = bridge_allocations::Counting;

/// Counts and forgets.
#[derive(Default)]
struct Counter(u64);

impl EgressSink for Counter {
    fn send(&mut self, _: &[u8], runs: &[Run]) -> SendOutcome {
        self.0 += runs.iter().map(|run| run.segments as u64).sum::<u64>();
        SendOutcome::default()
    }
}

/// One sender on shard 0 and ten receivers; in batches of 50 at one instant, so that no timer and
/// no report comes in between. Allocations and datagrams that left.
fn forward(landings: &[usize], shards: usize) -> (u64, u64) {
    let mut world = World::with_clients(shards, landings);
    let (session, from) = (world.clients[0].session, world.clients[0].address);
    let ssrc = video_ssrc(session, 0);
    // Without transport-wide feedback nothing is paced, so that all goes at one instant.
    for client in 0..landings.len() {
        let receiver = world.clients[client].session;
        let mut media = media();
        media.payload_types.iter_mut().for_each(|payload_type| payload_type.feedback.clear());
        world.command(receiver, SessionAction::SetMedia(Arc::new(media)));
    }
    world.tick();
    let mut sealed: Vec<Vec<u8>> = (0..14_000_u16)
        .map(|number| {
            let packet = rtp(ssrc, VIDEO, number, &[(1, &[0x80])], &[7; 1_100]);
            world.clients[0].seal_rtp(&packet)
        })
        .collect();
    let (warm_up, measured) = sealed.split_at_mut(4_000);
    let mut sink = Counter::default();
    let mut run = |packets: &mut [Vec<u8>]| {
        for batch in packets.chunks_mut(50) {
            for packet in batch {
                world.shards[0].handle_datagram(world.now, 0, from, packet, &mut sink);
            }
            world.shards[0].end_batch(world.now, &mut sink);
            for shard in &mut world.shards[1..] {
                shard.handle_inbox(world.now, &mut sink);
                shard.end_batch(world.now, &mut sink);
            }
        }
        std::mem::take(&mut sink.0)
    };
    run(warm_up);
    let before = bridge_allocations::count();
    let sent = run(measured);
    (bridge_allocations::count() - before, sent)
}

#[test]
fn on_one_shard() {
    assert_eq!(forward(&[0; 11], 1), (0, 100_000));
}

#[test]
fn across_shards() {
    assert_eq!(forward(&[0, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2], 3), (0, 100_000));
}
