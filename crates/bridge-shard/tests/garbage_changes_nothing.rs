//! Random datagrams of every kind, from anybody, change nothing and never panic.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Random, TICK, World, audio_ssrc, bridge_credentials};

const DATAGRAMS: usize = 1_000;

/// First bytes by kind (RFC 7983): STUN, DTLS, RTP, RTCP, none of them.
fn shape(random: &mut Random, kind: usize, ufrag: &str) -> Vec<u8> {
    let len = random.next() as usize % 1_400;
    let mut bytes = random.bytes(len);
    let head: Vec<u8> = match kind {
        0 => vec![0, 1, (len >> 8) as u8, len as u8, 0x21, 0x12, 0xA4, 0x42],
        1 => {
            // A Binding request that names a real session.
            let mut head = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
            head.extend(random.bytes(12));
            let username = format!("{ufrag}:x");
            head.extend([0, 6, 0, username.len() as u8]);
            head.extend(username.bytes());
            head.resize(head.len().next_multiple_of(4), 0);
            let total = (head.len().max(bytes.len()) - 20) as u16 & !3;
            head[2..4].copy_from_slice(&total.to_be_bytes());
            head
        }
        2 => vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, (len >> 8) as u8, len as u8],
        3 => vec![0x80 | random.next() as u8 & 0x3f, 111],
        4 => vec![0x80, 200 + (random.next() % 8) as u8],
        _ => vec![random.next() as u8],
    };
    if bytes.len() < head.len() {
        bytes.resize(head.len(), 0);
    }
    bytes[..head.len()].copy_from_slice(&head);
    if kind == 1 {
        bytes.truncate((bytes.len() - 20) / 4 * 4 + 20);
    }
    bytes
}

#[test]
fn from_unknown_and_from_known_addresses() {
    let mut world = World::with_clients(2, &[0, 1, 1]);
    let known: Vec<SocketAddr> = world.clients.iter().map(|client| client.address).collect();
    let ufrag = bridge_credentials(world.clients[0].session).0;
    let (entries, directory) = (world.entries(), world.group.directory().len());
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for kind in 0..6 {
        for i in 0..DATAGRAMS {
            let bytes = shape(&mut random, kind, &ufrag);
            let from = match i % 2 {
                0 => SocketAddr::from(([203, 0, 113, 9], 1_024 + (random.next() % 60_000) as u16)),
                _ => known[i / 2 % known.len()],
            };
            world.inject(random.next() as usize % 2, from, &bytes);
            if i % 100 == 0 {
                world.tick();
            }
        }
        world.run_for(2 * TICK);
    }
    let totals = world.totals();
    assert_eq!((totals.panics, totals.rtp_in, totals.rtcp_in), (0, 0, 0));
    assert_eq!(world.entries(), entries);
    assert_eq!(world.group.directory().len(), directory);
    let dropped = totals.dropped_unknown_source
        + totals.dropped_stun
        + totals.dropped_dtls
        + totals.dropped_unknown_protocol
        + totals.dropped_rtp_malformed
        + totals.dropped_unknown_payload_type
        + totals.dropped_unauthenticated;
    assert!(dropped > 4_000, "{totals:?}");
    world.run_for(Duration::from_millis(200));
    world.forget_received();
    world.send_audio(0, 0..10);
    world.run_for(5 * TICK);
    let ssrc = audio_ssrc(world.clients[0].session);
    assert_eq!((world.heard(1, ssrc).len(), world.heard(2, ssrc).len()), (10, 10));
}

#[test]
fn at_the_edges_of_length() {
    let mut world = World::with_clients(1, &[0, 0]);
    let known = world.clients[0].address;
    for len in 0..=32 {
        for first in 0..=255_u8 {
            let mut bytes = vec![first; len];
            bytes.truncate(len);
            world.inject(0, known, &bytes);
        }
        world.tick();
    }
    for first in [0, 22, 0x80, 0xff] {
        world.inject(0, known, &vec![first; 65_507]);
    }
    world.run_for(5 * TICK);
    assert_eq!(world.totals().panics, 0);
}
