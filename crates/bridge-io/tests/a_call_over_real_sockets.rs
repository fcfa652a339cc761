//! Two clients with real sockets hear each other through the shards' threads while somebody floods
//! the port with random datagrams.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

mod common;

use common::Bridge;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bridge_io::CoalescingSettings;
use bridge_units::SessionId;

const PACKETS: u16 = 150;

#[test]
fn audio_flows_both_ways_under_a_flood() {
    let mut bridge = Bridge::start(2, 2, CoalescingSettings::default());
    let mut clients = [bridge.join(SessionId(1)), bridge.join(SessionId(2))];
    bridge.run(&mut clients, |clients| clients.iter().all(|client| client.connected));

    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| flood(bridge.address, &stop));
        let _end = EndOfFlood(&stop);
        for number in 0..PACKETS {
            for client in &mut clients {
                client.send_audio(bridge.address, number);
            }
            let next = bridge.clock.now() + Duration::from_millis(10);
            bridge.run(&mut clients, |_| bridge.clock.now() >= next);
        }
        bridge.run(&mut clients, |clients| {
            clients.iter().all(|client| client.heard.len() >= usize::from(PACKETS))
        });
    });
    for client in &clients {
        assert_eq!(client.heard, (0..PACKETS).collect::<Vec<_>>());
    }
    // Counters are published ten times a second.
    std::thread::sleep(Duration::from_millis(1_200));
    let sum = bridge.counters();
    assert_eq!(sum.panics, 0);
    assert_eq!(sum.rtp_out, 2 * u64::from(PACKETS));
    assert_eq!(sum.sessions, 2);
    assert!(sum.dropped_unknown_source > 500, "{sum:?}");
    assert_eq!(sum.send_refused, 0);
    assert_eq!(bridge.io(|io| io.coalescing_windows), 0, "too few receivers to wait for");
    assert!(bridge.io(|io| io.turns) > 100);
    let counters: Vec<_> = bridge.shards.group().counters().collect();
    for session in [SessionId(1), SessionId(2)] {
        let owner = bridge.shards.group().directory().shard_of(session).unwrap();
        assert!(counters[usize::from(owner.0)].sessions > 0);
    }
    assert!(bridge.shards.is_running());
    bridge.shards.stop();
    assert_eq!((bridge.shards.is_running(), bridge.shards.running().count()), (false, 0));
}

/// Ends the flood also when the test fails: its thread would be waited for.
struct EndOfFlood<'a>(&'a AtomicBool);

impl Drop for EndOfFlood<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// About 1,000 datagrams a second from changing ports.
fn flood(to: SocketAddr, stop: &AtomicBool) {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    while !stop.load(Ordering::Relaxed) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10 {
            let bytes: Vec<u8> = (0..random % 1_400)
                .map(|_| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    random as u8
                })
                .collect();
            random = random.wrapping_add(1);
            // A full buffer is as good.
            let _ = socket.send_to(&bytes, to);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
