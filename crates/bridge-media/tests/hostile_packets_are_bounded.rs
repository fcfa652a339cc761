//! Whatever a sender sends, a projection answers, stays within its memory, and goes on with the next
//! sane stream.

mod common;

use bridge_media::{LayerIndex, MediaSource, SignaledSource, VideoCodec};
use bridge_units::{DataSize, EndpointId, Timestamp};
use common::vp8::Vp8Sender;
use common::{Bridge, Label, Packet, assert_contiguous};
use proptest::prelude::*;

/// Numbers, codec, payload and descriptor at random.
fn packets() -> impl Strategy<Value = Packet> {
    let codec = prop_oneof![
        Just(VideoCodec::Vp8),
        Just(VideoCodec::Vp9),
        Just(VideoCodec::Av1),
        Just(VideoCodec::H264),
        Just(VideoCodec::Other)
    ];
    let numbers = (any::<u16>(), any::<u32>(), any::<bool>(), 0_u8..12, 0_u64..100_000);
    let payload = prop::collection::vec(any::<u8>(), 0..24);
    let descriptor = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
    (codec, numbers, payload, descriptor).prop_map(|(codec, numbers, payload, descriptor)| {
        let (sequence_number, timestamp, marker, encoding, ms) = numbers;
        Packet {
            codec,
            encoding,
            ssrc: u32::from(encoding % 5),
            sequence_number,
            timestamp,
            marker,
            payload,
            dependency_descriptor: descriptor,
            received: Timestamp::from_millis(ms),
            label: Label::default(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_sane_stream_after_noise_is_forwarded(
        noise in prop::collection::vec((packets(), -1_i16..200), 0..120),
    ) {
        let mut bridge = Bridge::new(1_000, LayerIndex::new(0, 0, 2));
        let signaled = SignaledSource {
            name: Some("noise-v0".into()),
            owner: EndpointId::new("noise"),
            ssrcs: vec![1_000],
            ..SignaledSource::default()
        };
        let mut source = MediaSource::from_signaling(&signaled).unwrap().remove(0);
        for (packet, target) in &noise {
            let target = u8::try_from(*target).map_or(LayerIndex::SUSPENDED, |target| {
                LayerIndex::with_decode_target(target >> 6, target)
            });
            bridge.projection.set_target(target);
            let parsed = bridge.parse(packet);
            source.handle_packet(&parsed, DataSize::from_bytes(100));
            bridge.projection.accept(&parsed);
            bridge.projection.rewrite_again(&parsed);
            bridge.projection.source_of(packet.sequence_number);
            source.bitrate(target, packet.received);
        }
        bridge.projection.set_target(LayerIndex::SUSPENDED);
        let mut sender = Vp8Sender::of_encoding(0, 1_000, 2);
        sender.time = Timestamp::from_millis(200_000);
        bridge.send(&sender.clone().frame()[0]);
        bridge.projection.set_target(LayerIndex::new(0, 0, 2));
        let received = bridge.send_all(&sender.frames(20));
        prop_assert_eq!(received.len(), 40);
        assert_contiguous(&received);
    }
}

#[test]
fn an_encoding_that_changes_its_ssrc_starts_anew() {
    let mut bridge = Bridge::new(1_000, LayerIndex::new(0, 0, 2));
    let mut first = Vp8Sender::of_encoding(0, 1_000, 2);
    let mut received = bridge.send_all(&first.frames(10));
    let mut second = Vp8Sender::of_encoding(0, 5_000, 2);
    second.time = first.time;
    second.sequence_number = 17;
    received.extend(bridge.send_all(&second.frames(10)));
    assert_eq!(received.len(), 40);
    assert_contiguous(&received);
}
