//! What leaves as one run arrives as the datagrams that it was made of, at any receiver.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::time::Duration;

use bridge_io::{ReceiveBuffers, SendBuffers, UdpSocket};
use bridge_shard::{Egress, EgressSink, Run, SendOutcome};

const BUFFER: usize = 4 << 20;

/// Sizes that make: a run with a shorter end, single datagrams, a run of the longest allowed, sizes
/// that differ by one as libwebrtc's do.
const BURSTS: [&[usize]; 5] = [
    &[1_200, 1_200, 1_200, 700],
    &[50],
    &[1_000; 64],
    &[1_147, 1_147, 1_146, 1_146, 1_147],
    &[1, 1],
];

struct Sink {
    socket: UdpSocket,
    buffers: SendBuffers,
}

impl EgressSink for Sink {
    fn send(&mut self, arena: &[u8], runs: &[Run]) -> SendOutcome {
        self.socket.send(&mut self.buffers, arena, runs)
    }
}

fn send(address: SocketAddr, to: &[SocketAddr]) -> (SocketAddr, SendOutcome) {
    let mut sink =
        Sink { socket: UdpSocket::bind(address, BUFFER).unwrap().0, buffers: SendBuffers::new() };
    let from = sink.socket.local_addr().unwrap();
    let mut egress = Egress::new();
    for burst in BURSTS {
        for to in to {
            for (i, len) in burst.iter().enumerate() {
                egress.room(&mut sink)[..*len].fill(i as u8);
                egress.commit(0, *to, *len);
            }
        }
    }
    egress.flush(&mut sink);
    (from, egress.outcome())
}

fn expected() -> Vec<Vec<u8>> {
    BURSTS.iter().flat_map(|b| b.iter().enumerate().map(|(i, len)| vec![i as u8; *len])).collect()
}

fn addresses() -> Vec<SocketAddr> {
    ["127.0.0.1:0", "[::1]:0"]
        .iter()
        .map(|text| text.parse().unwrap())
        .filter(|address| StdSocket::bind(address).is_ok())
        .collect()
}

#[test]
fn at_plain_sockets() {
    for address in addresses() {
        let receivers = [(); 2].map(|()| StdSocket::bind(address).unwrap());
        let to = [0, 1].map(|i: usize| receivers[i].local_addr().unwrap());
        let (from, outcome) = send(address, &to);
        let datagrams = expected().len() as u64 * 2;
        assert_eq!((outcome.datagrams, outcome.refused), (datagrams, 0));
        assert!(outcome.messages < datagrams / 4, "{} messages", outcome.messages);
        for receiver in receivers {
            receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut buffer = [0; 2_000];
            for datagram in expected() {
                let (len, sender) = receiver.recv_from(&mut buffer).unwrap();
                assert_eq!((&buffer[..len], sender), (&datagram[..], from));
            }
        }
    }
}

#[test]
fn at_a_socket_that_joins_them_again() {
    for address in addresses() {
        let (receiver, granted) = UdpSocket::bind(address, BUFFER).unwrap();
        assert!(granted > 0);
        let (from, _) = send(address, &[receiver.local_addr().unwrap()]);
        let mut buffers = ReceiveBuffers::new();
        let (mut received, mut messages) = (Vec::new(), 0);
        for _ in 0..5_000 {
            // Nothing there yet is an error.
            if let Ok(count) = receiver.receive(&mut buffers) {
                messages += count;
                buffers.for_each(|sender, datagram| {
                    assert_eq!(sender, from);
                    received.push(datagram.to_vec());
                });
            }
            if received.len() >= expected().len() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(received, expected());
        assert!(messages < expected().len() / 2, "joined: {messages} messages");
    }
}
