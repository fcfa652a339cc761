//! Runs against the real bridge, directly and through a network that damages and loses packets.
//!
//! They need the bridge's binary: VIDEOBRIDGE_BIN=target/debug/videobridge cargo test -p bridge-load
//! -- --ignored

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

mod common;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bridge_load::{Arguments, Peers, Report, Scenario, run};
use common::Bridge;

/// A network between generator and bridge: the bridge's port at another address of loopback.
struct Network {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What happens to a media packet from the bridge, given how many there were.
type Fate = fn(count: u64, packet: &mut [u8]) -> bool;

impl Network {
    fn start(port: u16, fate: Fate) -> Self {
        let front = UdpSocket::bind((NETWORK, port)).unwrap();
        front.set_nonblocking(true).unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        let bridge = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let thread = std::thread::spawn(move || {
            let mut paths: HashMap<SocketAddr, UdpSocket> = HashMap::new();
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                let forwarded = forward_once(&front, bridge, &mut paths, &mut count, fate);
                if forwarded == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        });
        Self { ends, thread: Some(thread) }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn forward_once(
    front: &UdpSocket,
    bridge: SocketAddr,
    paths: &mut HashMap<SocketAddr, UdpSocket>,
    count: &mut u64,
    fate: Fate,
) -> usize {
    let (mut buffer, mut forwarded) = ([0; 2_000], 0);
    while let Some((len, peer)) = receive(front, &mut buffer) {
        let path = paths.entry(peer).or_insert_with(|| {
            let path = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            path.set_nonblocking(true).unwrap();
            path
        });
        path.send_to(&buffer[..len], bridge).unwrap();
        forwarded += 1;
    }
    for (peer, path) in paths {
        while let Some((len, _)) = receive(path, &mut buffer) {
            let packet = &mut buffer[..len];
            let is_rtp = packet[0] & 0xc0 == 0x80 && !(192..224).contains(&packet[1]);
            *count += u64::from(is_rtp);
            if !is_rtp || fate(*count, packet) {
                front.send_to(packet, peer).unwrap();
            }
            forwarded += 1;
        }
    }
    forwarded
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    match socket.recv_from(buffer) {
        Ok(received) => Some(received),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

fn through(fate: Fate) -> Report {
    let bridge = Bridge::start("");
    let _network = Network::start(bridge.udp, fate);
    let arguments =
        Arguments { connect_to: Some(NETWORK.into()), ..bridge.arguments(Scenario::OneToMany) };
    run(&arguments).unwrap()
}

fn errors(report: &Report, name: &str) -> u64 {
    report.error_kinds.iter().find(|(kind, _)| *kind == name).unwrap().1
}

#[test]
#[ignore = "needs the bridge's binary"]
fn a_bridge_is_measured_and_nothing_is_wrong() {
    let bridge = Bridge::start("");
    for (scenario, least) in
        [(Scenario::OneToMany, 1_000), (Scenario::Audio, 500), (Scenario::Meeting, 2_000)]
    {
        let report = run(&bridge.arguments(scenario)).unwrap();
        assert!(report.passed(), "{report:?}");
        assert!(report.packets_out >= least, "{report:?}");
        assert_eq!(report.loss_ratio, 0.0, "{report:?}");
        // Whoever joins hears at least who is there and who speaks.
        assert!(report.channel_messages > 0, "{report:?}");
        assert!(report.packets_opened > 500 && report.delay_last.p99.is_some());
        assert!(report.bridge_cpu_us_per_packet_out.is_some_and(|micros| micros > 0.0));
    }
}

#[test]
#[ignore = "needs the bridge's binary"]
fn full_peers_get_what_thin_ones_get() {
    let bridge = Bridge::start("");
    for scenario in [Scenario::OneToMany, Scenario::Meeting, Scenario::Audio] {
        let [thin, full] = [Peers::Thin, Peers::Webrtc].map(|peers| {
            let warm_up = Duration::from_secs(2);
            // As little as a busy machine can do: delays are not what is compared.
            let small = Arguments { rate: 50.0, warm_up, ..bridge.arguments(scenario) };
            let report = run(&Arguments { peers, ..small }).unwrap();
            assert!(report.passed(), "{peers:?}: {report:?}");
            report.packets_out as f64
        });
        assert!((0.95..1.05).contains(&(full / thin)), "{scenario:?}: {full} against {thin}");
    }
}

#[test]
#[ignore = "needs the bridge's binary"]
fn a_network_that_does_nothing_is_not_noticed() {
    let report = through(|_, _| true);
    // On a busy machine the network's own sockets may overflow.
    assert!(report.passed() && report.packets_lost == report.packets_recovered, "{report:?}");
}

#[test]
#[ignore = "needs the bridge's binary"]
fn a_damaged_packet_fails_the_run() {
    let report = through(|count, packet| {
        if count % 200 == 0 {
            packet[100] ^= 1;
        }
        true
    });
    assert!(!report.passed());
    assert!(errors(&report, "unauthenticated") > 5, "{report:?}");
}

#[test]
#[ignore = "needs the bridge's binary"]
fn losses_are_measured() {
    let report = through(|count, _| count % 50 != 0);
    // On a busy machine the network's own sockets may overflow too.
    assert!((0.015..0.15).contains(&report.loss_before_repair_ratio), "{report:?}");
    assert!(report.loss_ratio < report.loss_before_repair_ratio / 4.0, "{report:?}");
    assert!(report.passed(), "a lost packet is not a wrong one");
    // The network loses retransmissions too.
    assert!(report.packets_recovered as f64 > 0.8 * report.packets_lost as f64, "{report:?}");
}

#[test]
#[ignore = "needs the bridge's binary"]
fn silence_fails_the_run() {
    let report = through(|_, _| false);
    assert!(!report.passed());
    assert_eq!(errors(&report, "silent"), 5);
}

const NETWORK: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
