//! Thousands of random datagrams at the media port: counted, never answered, never a crash.

#![allow(clippy::disallowed_methods, reason = "this test runs a real process in real time")]

mod common;

use common::Bridge;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// A second's worth at a thousand a second, three times.
const DATAGRAMS: u32 = 3_000;

#[test]
fn a_thousand_a_second_change_nothing() {
    let mut bridge = Bridge::start("");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", bridge.udp_port)).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let started = Instant::now();
    for i in 0..DATAGRAMS {
        let mut datagram = [0u8; 200];
        for byte in &mut datagram {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
        // Every kind that the demultiplexer knows, and every length down to nothing.
        datagram[0] = [0, 1, 22, 60, 128, 144, 200, 255][i as usize % 8];
        if i % 16 == 0 {
            datagram[..2].copy_from_slice(&[0, 1]);
            datagram[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        }
        socket.send(&datagram[..(i as usize * 7) % 201]).unwrap();
        let due = Duration::from_millis(u64::from(i));
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
    std::thread::sleep(Duration::from_millis(300));
    assert!(bridge.is_alive());
    assert_eq!(bridge.get("/about/health").status, 200);
    let seen = bridge.metric("jitsi_jvb_shard_datagrams_in_total");
    assert!(seen >= f64::from(DATAGRAMS) * 0.9, "{seen} of {DATAGRAMS}");
    assert_eq!(bridge.metric("jitsi_jvb_shard_dropped_unknown_source_total"), seen);
    assert_eq!(bridge.metric("jitsi_jvb_shard_entries"), 0.0);
    assert_eq!(bridge.metric("jitsi_jvb_shard_datagrams_out_total"), 0.0, "nobody is answered");
}
