//! Once an endpoint's streams run, their packets are received without allocation.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use bridge_rtp::RtpHeader;
use bridge_units::Timestamp;
use common::Packet;
use common::dependency::DependencySender;
use common::endpoint::{AV1, Rtp, SSRCS, reception};
use common::vp8::Vp8Sender;

#[global_allocator]
static ALLOCATOR: bridge_allocations::Counting = bridge_allocations::Counting;

/// Sound, padding, losses and retransmissions between the video packets, in bytes.
fn traffic(packets: &[Packet]) -> Vec<(Timestamp, Vec<u8>)> {
    let mut all = Vec::new();
    for (n, packet) in packets.iter().enumerate() {
        let mut rtp = Rtp::of(packet);
        let number = u16::try_from(n).unwrap();
        rtp.padding = if n % 7 == 0 { 30 } else { 0 };
        if n % 50 != 3 {
            all.push((packet.received, rtp.bytes()));
        }
        if n % 25 == 13 && rtp.payload_type != AV1 {
            let again = Rtp::of(&packets[n - 10]).sent_again(number);
            all.push((packet.received, again.bytes()));
        }
        let level = if n % 100 < 50 { 127 } else { 30 };
        all.push((packet.received, Rtp::sound(number, Some(level)).bytes()));
    }
    all
}

fn passes_without_allocation(packets: &[Packet]) {
    let mut reception = reception();
    let mut traffic = traffic(packets);
    let half = traffic.len() / 2;
    let mut received = 0;
    let mut asked = 0;
    let (mut before, mut reported) = (0, 0);
    for (n, (now, bytes)) in traffic.iter_mut().enumerate() {
        if n == half {
            (before, reported) = (bridge_allocations::count(), 0);
        }
        let header = RtpHeader::parse(bytes).unwrap();
        received += usize::from(reception.handle_rtp(*now, bytes, &header).is_ok());
        reception.poll_nack(*now, None, |_, numbers| asked += numbers.count());
        // Reports are not per packet.
        let without_report = bridge_allocations::count();
        while reception.poll_layers(*now).is_some() {}
        reported += bridge_allocations::count() - without_report;
    }
    assert_eq!(bridge_allocations::count() - before - reported, 0);
    assert!(received > half && asked > 10, "{received} {asked}");
}

#[test]
fn vp8_is_received_without_allocation() {
    let mut senders = [0_u8, 1].map(|n| Vp8Sender::of_encoding(n, SSRCS[usize::from(n)], 2));
    let packets: Vec<_> =
        (0..600).flat_map(|_| senders.each_mut().map(Vp8Sender::frame)).flatten().collect();
    passes_without_allocation(&packets);
}

#[test]
fn av1_is_received_without_allocation() {
    passes_without_allocation(&DependencySender::of_encoding(0, SSRCS[0], 2).pictures(1_200));
}
