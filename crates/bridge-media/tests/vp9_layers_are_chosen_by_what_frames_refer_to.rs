//! Full SVC, K-SVC and simulcast of VP9: which frames pass, which end their picture, and when a key
//! frame is needed.

mod common;

use bridge_media::LayerIndex;
use common::vp9::{Scalability, Vp9Sender};
use common::{Bridge, Packet, assert_contiguous};

fn target(spatial_id: u8, temporal_id: u8) -> LayerIndex {
    LayerIndex::new(0, spatial_id, temporal_id)
}

/// Sends pictures and checks which frames pass; their marker is on the target layer's last packet.
#[track_caller]
fn expect(bridge: &mut Bridge, packets: &[Packet], top: u8, passes: impl Fn(&Packet) -> bool) {
    let mut received = Vec::new();
    for (packet, next) in packets.iter().zip(packets.iter().skip(1).chain(packets.first())) {
        let out = bridge.send(packet);
        assert_eq!(out.is_some(), passes(packet), "{:?}", packet.label);
        let Some(out) = out else { continue };
        let ends_frame =
            next.label.spatial_id != packet.label.spatial_id || next.timestamp != packet.timestamp;
        let is_last = packet.label.spatial_id == top && ends_frame;
        assert_eq!(out.marker, packet.marker || is_last, "{:?}", packet.label);
        received.push(out);
    }
    assert_contiguous(&received);
}

#[test]
fn streams_without_spatial_layers() {
    for packets_per_frame in [1, 3] {
        for temporal_id in 0..3 {
            let mut sender = Vp9Sender::new(1, Scalability::Svc, packets_per_frame);
            let mut bridge = Bridge::new(1, target(0, temporal_id));
            let first = sender.timestamp;
            for packet in sender.pictures(300) {
                let out = bridge.send(&packet);
                assert_eq!(out.is_some(), packet.label.temporal_id <= temporal_id);
                let Some(out) = out else { continue };
                // Picture ids keep the source's gaps, times its spacing.
                let pictures = packet.timestamp.wrapping_sub(first) / 3_000;
                let id = (32_700 + pictures) % 32_768;
                assert_eq!(out.picture_id.map(u32::from), Some(id));
                assert_eq!(out.timestamp, 3_001 + pictures * 3_000);
                assert_eq!(out.tl0, Some(packet.payload[4]));
            }
            assert!(!bridge.wants_keyframe);
        }
    }
}

#[test]
fn full_svc_passes_all_layers_up_to_the_target() {
    for (spatial_id, temporal_id) in [(2, 2), (1, 2), (0, 2), (2, 0), (1, 1)] {
        for flexible in [false, true] {
            let mut sender = Vp9Sender::new(3, Scalability::Svc, 2);
            sender.flexible = flexible;
            let mut bridge = Bridge::new(1, target(spatial_id, temporal_id));
            let passes = |packet: &Packet| {
                packet.label.spatial_id <= spatial_id && packet.label.temporal_id <= temporal_id
            };
            expect(&mut bridge, &sender.pictures(60), spatial_id, passes);
            assert!(!bridge.wants_keyframe);
        }
    }
}

#[test]
fn k_svc_passes_lower_layers_in_key_pictures_only() {
    for spatial_id in 0..3 {
        let mut sender = Vp9Sender::new(3, Scalability::KSvc, 2);
        let mut bridge = Bridge::new(1, target(spatial_id, 2));
        let passes = |packet: &Packet| {
            packet.label.spatial_id == spatial_id
                || (packet.label.is_keyframe && packet.label.spatial_id < spatial_id)
        };
        let mut packets = sender.pictures(20);
        sender.request_keyframe();
        packets.extend(sender.pictures(20));
        expect(&mut bridge, &packets, spatial_id, passes);
    }
}

#[test]
fn full_svc_goes_down_at_once_and_up_on_a_key_frame() {
    let mut sender = Vp9Sender::new(3, Scalability::Svc, 2);
    let mut bridge = Bridge::new(1, target(0, 2));
    expect(&mut bridge, &sender.pictures(9), 0, |packet| packet.label.spatial_id == 0);
    bridge.projection.set_target(target(2, 2));
    expect(&mut bridge, &sender.pictures(9), 0, |packet| packet.label.spatial_id == 0);
    assert!(bridge.wants_keyframe);
    sender.request_keyframe();
    expect(&mut bridge, &sender.pictures(9), 2, |_| true);
    assert!(!bridge.wants_keyframe);
    bridge.projection.set_target(target(1, 2));
    // The layer that is left goes on at its base until the wanted one has been seen.
    let packets = sender.pictures(12);
    let received = bridge.send_all(&packets);
    assert!(!bridge.wants_keyframe);
    assert_contiguous(&received);
    let lower = packets.iter().filter(|packet| packet.label.spatial_id <= 1).count();
    assert_eq!(received.len(), lower);
}

#[test]
fn k_svc_needs_a_key_frame_in_both_directions() {
    for (from, to) in [(2, 1), (1, 2), (1, 0), (2, 0)] {
        let mut sender = Vp9Sender::new(3, Scalability::KSvc, 1);
        let mut bridge = Bridge::new(1, target(from, 2));
        bridge.send_all(&sender.pictures(8));
        bridge.projection.set_target(target(to, 2));
        // On the way down only the base of the old layer goes on.
        let allowed = if to < from { 0 } else { 2 };
        expect(&mut bridge, &sender.pictures(16), from, |packet| {
            packet.label.spatial_id == from && packet.label.temporal_id <= allowed
        });
        assert!(bridge.wants_keyframe);
        sender.request_keyframe();
        expect(&mut bridge, &sender.pictures(16), to, |packet| {
            packet.label.spatial_id == to
                || (packet.label.is_keyframe && packet.label.spatial_id < to)
        });
        assert!(!bridge.wants_keyframe);
    }
}

#[test]
fn full_svc_goes_down_on_a_key_frame_as_on_others() {
    for (from, to) in [(2, 1), (2, 0), (1, 0)] {
        let mut sender = Vp9Sender::new(3, Scalability::Svc, 2);
        let mut bridge = Bridge::new(1, target(from, 2));
        bridge.send_all(&sender.pictures(8));
        bridge.projection.set_target(target(to, 2));
        sender.request_keyframe();
        expect(&mut bridge, &sender.pictures(16), to, |packet| packet.label.spatial_id <= to);
        assert!(!bridge.wants_keyframe);
    }
}

#[test]
fn fewer_layers_than_wanted_are_all_forwarded() {
    let mut sender = Vp9Sender::new(2, Scalability::Svc, 1);
    let mut bridge = Bridge::new(1, target(2, 2));
    assert_eq!(bridge.send_all(&sender.pictures(20)).len(), 40);
}

#[test]
fn the_worked_example() {
    let mut sender = Vp9Sender::new(3, Scalability::Svc, 2);
    (sender.picture_id, sender.tl0) = (200, 49);
    let mut bridge = Bridge::new(1_000, target(0, 2));
    let key = bridge.send_all(&sender.picture());
    let summary: Vec<_> =
        key.iter().map(|out| (out.sequence_number, out.timestamp, out.marker)).collect();
    assert_eq!(summary, [(2, 3_001, false), (3, 3_001, true)]);
    assert_eq!((key[0].picture_id, key[0].tl0), (Some(200), Some(50)));
    let next = bridge.send_all(&sender.picture());
    assert_eq!((next[0].sequence_number, next[0].timestamp), (4, 6_001));
    assert_eq!((next[1].marker, next[1].picture_id, next[1].tl0), (true, Some(201), Some(50)));
    bridge.projection.set_target(target(2, 2));
    bridge.send_all(&sender.pictures(28));
    assert!(bridge.wants_keyframe);
    sender.request_keyframe();
    let key = bridge.send_all(&sender.picture());
    assert_eq!(
        key.iter().map(|out| out.marker).collect::<Vec<_>>(),
        [false, false, false, false, false, true]
    );
    assert_contiguous(&key);
}

#[test]
fn a_switch_may_start_in_the_middle_of_a_key_frame() {
    let mut low = Vp9Sender::of_encoding(0, 1_000, 2);
    let mut high = Vp9Sender::of_encoding(1, 2_000, 5);
    let mut bridge = Bridge::new(1_000, LayerIndex::new(0, 0, 2));
    let before = bridge.send_all(&low.pictures(10));
    let last = before.last().unwrap();
    bridge.projection.set_target(LayerIndex::new(1, 0, 2));
    high.time = low.time;
    let key = high.picture();
    let joined = bridge.forward(&key[3]);
    assert_eq!(joined.sequence_number, last.sequence_number + 16);
    assert_eq!(joined.timestamp, last.timestamp + 3_000);
    assert_eq!(joined.picture_id, Some((last.picture_id.unwrap() + 1) & 0x7fff));
    for (packet, back) in key[..3].iter().zip([3, 2, 1]) {
        assert_eq!(bridge.forward(packet).sequence_number, joined.sequence_number - back);
    }
    assert_eq!(bridge.forward(&key[4]).sequence_number, joined.sequence_number + 1);
    assert_eq!(bridge.send_all(&low.pictures(3)), []);
}

#[test]
fn encodings_are_switched_as_with_vp8() {
    let mut senders: Vec<_> =
        (0_u8..3).map(|n| Vp9Sender::of_encoding(n, 1_000 + u32::from(n), 3)).collect();
    let mut bridge = Bridge::new(1_000, LayerIndex::new(2, 0, 1));
    let mut received = Vec::new();
    for round in 0..60 {
        if round == 30 {
            bridge.projection.set_target(LayerIndex::new(1, 0, 1));
        }
        if round == 45 {
            senders.iter_mut().for_each(Vp9Sender::request_keyframe);
        }
        for sender in &mut senders {
            let packets = sender.picture();
            received.extend(bridge.send_all(&packets));
        }
        let expected = if round < 45 { 2 } else { 1 };
        assert_eq!(bridge.projection.current_encoding(), Some(expected), "{round}");
        assert_eq!(bridge.wants_keyframe, (30..45).contains(&round), "{round}");
    }
    assert_contiguous(&received);
}

#[test]
fn a_resumed_source_goes_on_and_refuses_what_is_older() {
    let mut sender = Vp9Sender::new(3, Scalability::Svc, 1);
    let mut bridge = Bridge::new(1, target(2, 2));
    let before = bridge.send_all(&sender.pictures(30));
    let last = before.last().unwrap();
    for pictures in [64, 3_000] {
        bridge.projection.set_target(LayerIndex::SUSPENDED);
        let away = sender.pictures(pictures);
        assert_eq!(bridge.send_all(&away), []);
        bridge.projection.set_target(target(2, 2));
        assert_eq!(bridge.send_all(&sender.pictures(30)), []);
        assert!(bridge.wants_keyframe);
    }
    sender.request_keyframe();
    let older = sender.clone().pictures(0);
    let after = bridge.send_all(&sender.pictures(30));
    assert_eq!(bridge.send_all(&older), []);
    assert_eq!(after[0].sequence_number, last.sequence_number + 1);
    assert_eq!(after[0].picture_id, Some((last.picture_id.unwrap() + 1) & 0x7fff));
    assert_eq!(after[0].tl0, Some(last.tl0.unwrap().wrapping_add(1)));
    assert_eq!(after[0].timestamp, last.timestamp + 3_000 * (64 + 3_000 + 60 + 1));
    assert_contiguous(&after);
}

#[test]
fn dropouts_of_any_length_need_no_key_frame() {
    for power in 6..=16 {
        let pictures = 1_usize << power;
        let mut sender = Vp9Sender::new(1, Scalability::Svc, 1);
        let mut bridge = Bridge::new(1, target(0, 2));
        let before = bridge.send_all(&sender.pictures(50));
        let last = before.last().unwrap();
        (0..pictures).for_each(|_| drop(sender.picture()));
        let after = bridge.send_all(&sender.pictures(50));
        assert_eq!(after.len(), 50, "{pictures}");
        assert_contiguous(&after);
        let ticks = u32::try_from(pictures + 1).unwrap() * 3_000;
        assert_eq!(after[0].timestamp, last.timestamp.wrapping_add(ticks));
        let ids = after[0].picture_id.unwrap().wrapping_sub(last.picture_id.unwrap()) & 0x7fff;
        assert_eq!(usize::from(ids), (pictures + 1) % 32_768, "{pictures}");
    }
}
