//! AV1 by its dependency descriptor: which frames pass, and what the receiver's descriptors say.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use bridge_media::LayerIndex;
use bridge_rtp::codec::DependencyDescriptor;
use common::dependency::{DependencySender, Mode, TEMPLATES_PER_LAYER};
use common::vp8::Vp8Sender;
use common::{Bridge, Packet, Received, assert_contiguous};

fn target(spatial_id: u8, temporal_id: u8) -> LayerIndex {
    LayerIndex::with_decode_target(0, DependencySender::target_of(spatial_id, temporal_id))
}

/// Reads the descriptors that the receiver gets, in order, as it does.
#[derive(Default)]
struct Reader {
    structure: Option<std::sync::Arc<bridge_rtp::codec::TemplateDependencyStructure>>,
}

impl Reader {
    #[track_caller]
    fn read(&mut self, received: &Received) -> DependencyDescriptor {
        let data = received.dependency_descriptor.as_ref().unwrap();
        let descriptor = DependencyDescriptor::parse(data, self.structure.as_ref()).unwrap();
        self.structure.clone_from(&descriptor.structure);
        descriptor
    }
}

#[test]
fn exactly_the_frames_of_the_target_pass() {
    let modes = [(1, Mode::Svc), (3, Mode::Svc), (3, Mode::Key), (3, Mode::Simulcast)];
    for (spatial_layers, mode) in modes {
        for wanted in 0..spatial_layers * 3 {
            let mut sender = DependencySender::new(spatial_layers, mode, 2);
            let mut bridge = Bridge::new(1, LayerIndex::with_decode_target(0, wanted));
            let mut packets = sender.pictures(40);
            sender.request_keyframe();
            packets.extend(sender.pictures(40));
            let mut received = Vec::new();
            let mut reader = Reader::default();
            for packet in &packets {
                let out = bridge.send(packet);
                let expected = sender.is_present(packet.label, wanted);
                assert_eq!(out.is_some(), expected, "{mode:?} {wanted} {:?}", packet.label);
                let Some(out) = out else { continue };
                let descriptor = reader.read(&out);
                let info = descriptor.frame.unwrap();
                assert_eq!(info.spatial_id, packet.label.spatial_id);
                assert_eq!(info.temporal_id, packet.label.temporal_id);
                let ends = descriptor.is_end_of_frame && info.spatial_id == wanted / 3;
                assert_eq!(out.marker, ends || packet.marker);
                received.push(out);
            }
            assert!(!bridge.wants_keyframe, "{mode:?} {wanted}");
            assert_contiguous(&received);
        }
    }
}

#[test]
fn the_worked_example() {
    let mut low = DependencySender::of_encoding(0, 1_000, 1);
    (low.sequence_number, low.timestamp, low.frame_number) = (700, 90_000, 50);
    let mut high = DependencySender::of_encoding(1, 2_000, 1);
    let mut bridge = Bridge::new(1_000, LayerIndex::with_decode_target(0, 2));
    let mut reader = Reader::default();
    let first = low.picture();
    let out = bridge.forward(&first[0]);
    assert_eq!((out.sequence_number, out.timestamp), (2, 3_001));
    assert_eq!(out.dependency_descriptor, first[0].dependency_descriptor, "nothing to change");
    assert_eq!(reader.read(&out).frame_number, 50);
    let second = low.picture();
    let out = bridge.forward(&second[0]);
    assert_eq!((out.sequence_number, out.timestamp), (3, 6_001));
    assert_eq!(out.dependency_descriptor, second[0].dependency_descriptor);
    bridge.projection.set_target(LayerIndex::with_decode_target(0, 0));
    let out = bridge.forward(&low.picture()[0]);
    assert_eq!(reader.read(&out).frame_number, 52);
    assert!(!bridge.wants_keyframe);
    bridge.forward(&low.picture()[0]);
    let out = bridge.forward(&low.picture()[0]);
    let descriptor = reader.read(&out);
    assert_eq!((descriptor.frame_number, descriptor.active_decode_targets), (54, Some(0b001)));
    assert_eq!(bridge.send(&low.picture()[0]), None);
    bridge.send_all(&low.pictures(16));
    bridge.projection.set_target(LayerIndex::with_decode_target(1, 2));
    high.time = low.time + std::time::Duration::from_millis(400);
    let last = bridge.projection.progress().unwrap();
    let out = bridge.forward(&high.picture()[0]);
    assert_eq!(out.sequence_number, last.0 + 1);
    let descriptor = reader.read(&out);
    assert_eq!(descriptor.frame_number, 71, "the last was 70");
    assert_eq!(descriptor.template_id, TEMPLATES_PER_LAYER);
    assert_eq!(descriptor.structure.unwrap().template_id_offset, TEMPLATES_PER_LAYER);
    let out = bridge.forward(&high.picture()[0]);
    let descriptor = reader.read(&out);
    assert_eq!((descriptor.frame_number, descriptor.template_id), (72, TEMPLATES_PER_LAYER + 3));
    bridge.projection.set_target(LayerIndex::with_decode_target(0, 2));
    low.request_keyframe();
    low.time = high.time + std::time::Duration::from_millis(400);
    let descriptor = reader.read(&bridge.forward(&low.picture()[0]));
    assert_eq!(descriptor.structure.unwrap().template_id_offset, 2 * TEMPLATES_PER_LAYER);
}

#[test]
fn template_ids_wrap_over_many_switches() {
    let mut senders = [0_u8, 1].map(|n| DependencySender::of_encoding(n, 1_000 + u32::from(n), 1));
    let mut bridge = Bridge::new(1_000, LayerIndex::SUSPENDED);
    let mut reader = Reader::default();
    let mut frame_number = None;
    for round in 0_u8..40 {
        let encoding = round % 2;
        bridge.projection.set_target(LayerIndex::with_decode_target(encoding, 2));
        let sender = &mut senders[usize::from(encoding)];
        sender.request_keyframe();
        sender.time += std::time::Duration::from_secs(u64::from(round));
        for packet in sender.pictures(3) {
            let descriptor = reader.read(&bridge.forward(&packet));
            let info = descriptor.frame.unwrap();
            assert_eq!(info.temporal_id, packet.label.temporal_id);
            if let Some(last) = frame_number {
                assert_eq!(descriptor.frame_number, last + 1);
            }
            frame_number = Some(descriptor.frame_number);
        }
        let offset = reader.structure.as_ref().unwrap().template_id_offset;
        assert_eq!(offset, (round * TEMPLATES_PER_LAYER) % 64);
    }
}

#[test]
fn full_svc_switches_up_on_key_frames_and_down_where_allowed() {
    let mut sender = DependencySender::new(3, Mode::Svc, 1);
    let mut bridge = Bridge::new(1, target(2, 2));
    bridge.send_all(&sender.pictures(9));
    bridge.projection.set_target(target(1, 2));
    let received = bridge.send_all(&sender.pictures(12));
    assert!(!bridge.wants_keyframe);
    assert_contiguous(&received);
    bridge.projection.set_target(target(2, 2));
    bridge.send_all(&sender.pictures(8));
    sender.request_keyframe();
    assert_eq!(bridge.send_all(&sender.pictures(8)).len(), 24);
    assert!(!bridge.wants_keyframe);
}

#[test]
fn simulcast_in_one_stream_switches_on_key_frames_only() {
    for mode in [Mode::Simulcast, Mode::Key] {
        let mut sender = DependencySender::new(3, mode, 1);
        let mut bridge = Bridge::new(1, target(2, 2));
        bridge.send_all(&sender.pictures(9));
        bridge.projection.set_target(target(1, 2));
        let packets = sender.pictures(20);
        for packet in &packets {
            let expected = packet.label.spatial_id == 2;
            assert_eq!(bridge.send(packet).is_some(), expected, "the old target goes on");
        }
        assert!(bridge.wants_keyframe);
        sender.request_keyframe();
        sender.picture().iter().for_each(|packet| drop(bridge.send(packet)));
        assert!(!bridge.wants_keyframe);
        for packet in &sender.pictures(12) {
            assert_eq!(bridge.send(packet).is_some(), packet.label.spatial_id == 1, "{mode:?}");
        }
    }
}

#[test]
fn frames_of_an_unknown_structure_wait_for_a_key_frame() {
    let mut sender = DependencySender::new(1, Mode::Svc, 1);
    let mut bridge = Bridge::new(1, target(0, 2));
    let first = sender.pictures(4);
    // The next base frame has not come: the key frame is not too late.
    for packet in &first[1..] {
        assert_eq!(bridge.send(packet), None);
        assert!(bridge.wants_keyframe);
    }
    assert_eq!(bridge.forward(&first[0]).sequence_number, 2);
    let after = bridge.send_all(&sender.pictures(8));
    assert_eq!((after.len(), after[0].sequence_number), (8, 3));

    let mut bridge = Bridge::new(1, target(0, 2));
    let mut sender = DependencySender::new(1, Mode::Svc, 1);
    let first = sender.pictures(5);
    let late: Vec<&Packet> = first[1..].iter().chain(&first[..1]).collect();
    assert_eq!(bridge.send_all(late), []);
    assert!(bridge.wants_keyframe);
    sender.request_keyframe();
    assert_eq!(bridge.send_all(&sender.pictures(8)).len(), 8);
}

#[test]
fn numbers_go_on_over_a_change_of_codec_and_back() {
    let mut av1 = DependencySender::of_encoding(0, 1_000, 1);
    let mut vp8 = Vp8Sender::of_encoding(0, 1_000, 1);
    let mut bridge = Bridge::new(1_000, LayerIndex::with_decode_target(0, 2));
    let mut reader = Reader::default();
    let mut received = bridge.send_all(&av1.pictures(10));
    let last = reader.read(&received[0]).frame_number + 9;
    received.extend(bridge.send_all(&vp8.frames(10)));
    av1.request_keyframe();
    av1.time = vp8.time;
    let back = bridge.send_all(&av1.pictures(3));
    let descriptor = reader.read(&back[0]);
    assert_eq!(descriptor.frame_number, last + 1);
    assert_eq!(descriptor.structure.unwrap().template_id_offset, TEMPLATES_PER_LAYER);
    received.extend(back);
    assert_eq!(received.len(), 23);
    assert_contiguous(&received);
}

#[test]
fn dropouts_and_suspensions_of_any_length() {
    for power in 6..=16 {
        let pictures = 1_usize << power;
        let mut sender = DependencySender::new(1, Mode::Svc, 1);
        let mut bridge = Bridge::new(1, target(0, 2));
        let mut reader = Reader::default();
        let before = bridge.send_all(&sender.pictures(50));
        let last = before.iter().map(|out| reader.read(out).frame_number).last().unwrap();
        (0..pictures).for_each(|_| drop(sender.picture()));
        let after = bridge.send_all(&sender.pictures(50));
        assert_eq!(after.len(), 50, "{pictures}");
        assert_contiguous(&after);
        let step = reader.read(&after[0]).frame_number.wrapping_sub(last);
        assert_eq!(usize::from(step), (pictures + 1) % 65_536);

        let newest = after.iter().map(|out| reader.read(out).frame_number).last().unwrap();
        bridge.projection.set_target(LayerIndex::SUSPENDED);
        for _ in 0..pictures {
            assert_eq!(bridge.send(&sender.picture()[0]), None);
        }
        bridge.projection.set_target(target(0, 2));
        assert_eq!(bridge.send_all(&sender.pictures(30)), []);
        assert!(bridge.wants_keyframe);
        sender.request_keyframe();
        let resumed = bridge.send_all(&sender.pictures(30));
        assert_eq!(resumed.len(), 30);
        assert_eq!(reader.read(&resumed[0]).frame_number, newest.wrapping_add(1));
        let next = after.last().unwrap().sequence_number.wrapping_add(1);
        assert_eq!(resumed[0].sequence_number, next);
        let ticks = u32::try_from(pictures + 31).unwrap() * 3_000;
        assert_eq!(resumed[0].timestamp, after.last().unwrap().timestamp.wrapping_add(ticks));
    }
}
