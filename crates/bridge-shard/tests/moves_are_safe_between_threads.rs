//! The same moves with real threads: no packet of a moving sender is lost, nothing comes twice, no
//! wake-up is missed, and nothing is left at the end.

mod common;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bridge_shard::{SessionAction, Shard};
use bridge_units::Timestamp;
use common::{AUDIO, CONFERENCE, Client, Random, TICK, Waker, Wire, World, audio_ssrc, numbered};

type Datagram = (SocketAddr, Vec<u8>);

const ROUNDS: u16 = 240;
const PACKETS_PER_ROUND: u16 = 4;

/// The two clients that move; the other two stay.
const MOVING: [usize; 2] = [0, 3];
const STAYING: [usize; 2] = [1, 2];

struct Clock(AtomicU64);

impl Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::SeqCst))
    }
}

/// The driver's loop, without sockets.
fn run_shard(
    shard: &mut Shard,
    waker: &Waker,
    clock: &Clock,
    stop: &AtomicBool,
    arriving: &Receiver<Datagram>,
    leaving: &Sender<Datagram>,
) {
    while !stop.load(Ordering::SeqCst) {
        let (now, mut wire, mut received) = (clock.now(), Wire::default(), false);
        for (from, mut bytes) in arriving.try_iter().take(32) {
            received = true;
            shard.handle_datagram(now, 0, from, &mut bytes, &mut wire);
        }
        shard.end_batch(now, &mut wire);
        if waker.0.swap(false, Ordering::SeqCst) || received || shard.poll_timeout() <= now {
            shard.handle_inbox(now, &mut wire);
            shard.handle_timeout(now, &mut wire);
            shard.end_batch(now, &mut wire);
        } else {
            std::thread::yield_now();
        }
        for datagram in wire.datagrams {
            // The test has ended.
            let _ = leaving.send(datagram);
        }
    }
}

fn send_and_receive(
    now: Timestamp,
    clients: &mut [Client],
    landings: &[usize],
    arriving: &[Sender<Datagram>],
    leaving: &Receiver<Datagram>,
) {
    for (client, landing) in clients.iter_mut().zip(landings) {
        client.advance(now);
        for datagram in client.outgoing.drain(..) {
            arriving[*landing].send((client.address, datagram)).expect("the shard runs");
        }
    }
    for (to, bytes) in leaving.try_iter() {
        if let Some(client) = clients.iter_mut().find(|client| client.address == to) {
            client.handle(now, &bytes);
        }
    }
}

fn heard_all(clients: &[Client], sent: usize) -> bool {
    STAYING.iter().all(|receiver| {
        MOVING.iter().all(|sender| {
            let ssrc = audio_ssrc(clients[*sender].session);
            clients[*receiver].numbers(ssrc).len() >= sent
        })
    })
}

fn call(
    clients: &mut [Client],
    clock: &Clock,
    arriving: &[Sender<Datagram>],
    leaving: &Receiver<Datagram>,
) {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let mut landings = [0, 1, 2, 0];
    for round in 0..ROUNDS {
        for client in MOVING {
            landings[client] = random.next() as usize % 3;
        }
        for client in &mut *clients {
            for i in 0..PACKETS_PER_ROUND {
                let number = round * PACKETS_PER_ROUND + i;
                client.send_rtp(&numbered(audio_ssrc(client.session), AUDIO, number));
            }
        }
        send_and_receive(clock.now(), clients, &landings, arriving, leaving);
        clock.0.fetch_add(1_000_000, Ordering::SeqCst);
        // Everything on its way fits into queues and replay windows.
        let sent = usize::from((round + 1) * PACKETS_PER_ROUND);
        let mut waited = 0;
        while round % 4 == 3 && !heard_all(clients, sent) {
            waited += 1;
            assert!(waited < 20_000, "round {round}: a packet or a wake-up is lost");
            std::thread::sleep(Duration::from_micros(100));
            send_and_receive(clock.now(), clients, &landings, arriving, leaving);
        }
    }
}

#[test]
fn nothing_of_a_moving_sender_is_lost() {
    let mut world = World::with_clients(3, &[0, 1, 2, 0]);
    let clock = Clock(AtomicU64::new(world.now.as_nanos()));
    let stop = AtomicBool::new(false);
    let (leaving_sender, leaving) = channel();
    let (arriving, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| channel()).unzip();
    let called = std::thread::scope(|scope| {
        for ((shard, waker), arriving) in world.shards.iter_mut().zip(&world.wakers).zip(receivers)
        {
            let (clock, stop, leaving) = (&clock, &stop, leaving_sender.clone());
            scope.spawn(move || run_shard(shard, waker, clock, stop, &arriving, &leaving));
        }
        let clients = &mut world.clients;
        let called = catch_unwind(AssertUnwindSafe(|| call(clients, &clock, &arriving, &leaving)));
        stop.store(true, Ordering::SeqCst);
        called
    });
    assert!(called.is_ok(), "{:?}", world.totals());
    world.now = clock.now();
    world.collect_events();
    world.run_for(20 * TICK);
    let totals = world.totals();
    assert!(totals.sessions_moved_here > 20, "{totals:?}");
    assert_eq!((totals.panics, totals.dropped_unknown_source, totals.dropped_replayed), (0, 0, 0));
    assert_eq!(world.clients.iter().map(|client| client.refused).sum::<usize>(), 0, "repeats");
    for client in std::mem::take(&mut world.clients) {
        world.command(client.session, SessionAction::Expire);
    }
    world.remove_conference(CONFERENCE);
    world.run_for(10 * TICK);
    assert_eq!((world.entries(), world.group.directory().len()), (0, 0));
}
