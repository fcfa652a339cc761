//! Whatever the kernel thinks of one destination, all others get what is for them, and runs stay runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::time::Duration;

use bridge_io::{SendBuffers, UdpSocket};
use bridge_shard::{Egress, EgressSink, Run, SendOutcome};

struct Sink(UdpSocket, SendBuffers);

impl EgressSink for Sink {
    fn send(&mut self, arena: &[u8], runs: &[Run]) -> SendOutcome {
        self.0.send(&mut self.1, arena, runs)
    }
}

fn receiver() -> (StdSocket, SocketAddr) {
    let socket = StdSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A port of this machine that nobody listens on any more: ICMP says so after the send.
fn closed_port() -> SocketAddr {
    receiver().1
}

#[test]
fn and_is_counted() {
    let refused: [(&str, SocketAddr, u64); 5] = [
        ("a closed port", closed_port(), 0),
        ("broadcast without leave (EACCES)", "255.255.255.255:9".parse().unwrap(), 2),
        ("port 0 (EINVAL)", "127.0.0.1:0".parse().unwrap(), 2),
        ("another family (EAFNOSUPPORT or EINVAL)", "[::1]:9".parse().unwrap(), 2),
        ("not from loopback (EINVAL)", "192.0.2.1:9".parse().unwrap(), 2),
    ];
    for (name, bad, count) in refused {
        let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap().0;
        let mut sink = Sink(socket, SendBuffers::new());
        let (good, others) = (receiver(), receiver());
        // Often enough that one that was to turn segmentation off would have done it.
        for round in 0..40 {
            let mut egress = Egress::new();
            for to in [bad, good.1, bad, others.1, bad] {
                for _ in 0..2 {
                    egress.room(&mut sink)[..700].fill(round);
                    egress.commit(0, to, 700);
                }
            }
            egress.flush(&mut sink);
            let outcome = egress.outcome();
            assert_eq!(outcome.refused, 3 * count, "{name}");
            assert_eq!(outcome.datagrams, 10 - 3 * count, "{name}");
            if count > 0 {
                assert_eq!(outcome.messages, 2, "{name}: one run each");
            }
            for socket in [&good.0, &others.0] {
                let mut buffer = [0; 2_000];
                for _ in 0..2 {
                    assert_eq!(socket.recv(&mut buffer).unwrap(), 700, "{name}");
                    assert_eq!(buffer[0], round, "{name}");
                }
            }
        }
    }
}

#[test]
fn even_if_it_is_the_only_one_for_a_while() {
    let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap().0;
    let mut sink = Sink(socket, SendBuffers::new());
    let good = receiver();
    let mut messages = |to, rounds: usize| {
        let mut egress = Egress::new();
        for _ in 0..rounds {
            for _ in 0..2 {
                egress.room(&mut sink)[..700].fill(1);
                egress.commit(0, to, 700);
            }
            egress.flush(&mut sink);
        }
        egress.outcome().messages
    };
    assert_eq!(messages("192.0.2.1:9".parse().unwrap(), 100), 0);
    assert_eq!(messages(good.1, 1), 1, "segmentation is still on");
}
