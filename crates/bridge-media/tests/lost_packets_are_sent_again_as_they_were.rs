//! A receiver's report of a lost packet leads back to the sender's packet and to the same rewriting.

mod common;

use std::collections::BTreeMap;

use bridge_media::{LayerIndex, SentPacket};
use common::vp8::Vp8Sender;
use common::{Bridge, receive};

#[test]
fn every_number_leads_back_to_its_packet() {
    let mut senders = [Vp8Sender::of_encoding(0, 1_000, 2), Vp8Sender::of_encoding(1, 2_000, 5)];
    let mut bridge = Bridge::new(1_000, LayerIndex::new(0, 0, 1));
    let mut sent = BTreeMap::new();
    for frame in 0..120 {
        if frame == 60 {
            bridge.projection.set_target(LayerIndex::new(1, 0, 1));
            senders[1].request_keyframe();
        }
        for sender in &mut senders {
            for packet in sender.frame() {
                if let Some(out) = bridge.send(&packet) {
                    sent.insert(out.sequence_number, (packet, out));
                }
            }
        }
    }
    assert!(sent.len() > 150);
    for (number, (packet, out)) in &sent {
        let source = bridge.projection.source_of(*number);
        let expected = SentPacket {
            encoding: packet.encoding,
            ssrc: packet.ssrc,
            sequence_number: packet.sequence_number,
        };
        assert_eq!(source, Some(expected), "{number}");
        let parsed = bridge.parse(packet);
        // Frames are remembered for four seconds at 30 a second.
        let rewrite = bridge.projection.rewrite_again(&parsed).unwrap();
        assert_eq!(&receive(packet, &parsed, rewrite), out);
    }
    let newest = *sent.keys().last().unwrap();
    for never_sent in [1, newest + 1, newest + 1_000, newest.wrapping_sub(30_000)] {
        assert_eq!(bridge.projection.source_of(never_sent), None, "{never_sent}");
    }
}

#[test]
fn frames_that_were_left_out_have_no_rewriting() {
    let mut sender = Vp8Sender::new(1);
    let mut bridge = Bridge::new(1, LayerIndex::new(0, 0, 0));
    for packet in sender.frames(40) {
        let was_sent = bridge.send(&packet).is_some();
        let parsed = bridge.parse(&packet);
        assert_eq!(bridge.projection.rewrite_again(&parsed).is_some(), was_sent);
    }
}
