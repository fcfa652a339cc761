//! Which encodings and layers a source has: as signalled, and as its packets tell.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use bridge_media::{
    LayerIndex, MediaSource, SignaledGroup, SignaledSource, SourceError, VideoType,
};
use bridge_rtp::VideoLayersAllocation;
use bridge_units::{Bitrate, DataSize, EndpointId};
use common::dependency::{DependencySender, Mode};
use common::vp8::Vp8Sender;
use common::vp9::{Scalability, Vp9Sender};
use common::{Bridge, Packet};

fn group(semantics: &str, ssrcs: &[u32]) -> SignaledGroup {
    SignaledGroup { semantics: semantics.into(), ssrcs: ssrcs.to_vec() }
}

fn signaled(ssrcs: &[u32], groups: &[SignaledGroup]) -> SignaledSource {
    SignaledSource {
        name: Some("abcdef01-v0".into()),
        owner: EndpointId::new("abcdef01"),
        ssrcs: ssrcs.to_vec(),
        groups: groups.to_vec(),
        video_type: None,
    }
}

fn ssrcs(source: &MediaSource) -> Vec<(u32, Option<u32>)> {
    source.encodings().iter().map(|encoding| (encoding.primary_ssrc, encoding.rtx_ssrc)).collect()
}

fn feed(source: &mut MediaSource, packets: &[Packet]) -> (bool, bool) {
    let mut bridge = Bridge::new(1, LayerIndex::SUSPENDED);
    let mut changes = (false, false);
    for packet in packets {
        let parsed = bridge.parse(packet);
        let change = source.handle_packet(&parsed, DataSize::from_bytes(1_000));
        changes = (changes.0 | change.layering, changes.1 | change.became_active);
    }
    changes
}

fn simulcast() -> MediaSource {
    let groups = [
        group("SIM", &[1, 2, 3]),
        group("FID", &[1, 11]),
        group("FID", &[2, 12]),
        group("FID", &[3, 13]),
    ];
    MediaSource::from_signaling(&signaled(&[1, 2, 3, 11, 12, 13], &groups)).unwrap().remove(0)
}

#[test]
fn groups_make_encodings() {
    let source = simulcast();
    assert_eq!(ssrcs(&source), [(1, Some(11)), (2, Some(12)), (3, Some(13))]);
    assert_eq!(source.primary_ssrc(), Some(1));
    assert_eq!(source.video_type, VideoType::Camera);
    let (index, encoding) = source.encoding_of(3).unwrap();
    assert_eq!((index, encoding.nominal_height), (2, 720));
    let layers: Vec<_> = source
        .layers()
        .map(|layer| (layer.index.value(), layer.height.unwrap(), layer.frame_rate.unwrap()))
        .collect();
    assert_eq!(layers[..3], [(0, 180, 7.5), (1, 180, 15.0), (2, 180, 30.0)]);
    assert_eq!(
        layers[3..],
        [
            (64, 360, 7.5),
            (65, 360, 15.0),
            (66, 360, 30.0),
            (128, 720, 7.5),
            (129, 720, 15.0),
            (130, 720, 30.0)
        ]
    );
    let one = signaled(&[5, 6], &[group("fid", &[5, 6])]);
    assert_eq!(ssrcs(&MediaSource::from_signaling(&one).unwrap()[0]), [(5, Some(6))]);
    let fec =
        signaled(&[5, 6, 7], &[group("FEC-FR", &[5, 7]), group("FID", &[5, 6]), group("SIM", &[])]);
    let sources = MediaSource::from_signaling(&fec).unwrap();
    assert_eq!((sources.len(), ssrcs(&sources[0])), (1, vec![(5, Some(6))]));
    let plain = MediaSource::from_signaling(&signaled(&[8, u32::MAX, 9], &[])).unwrap();
    assert_eq!(plain.iter().map(ssrcs).collect::<Vec<_>>(), [vec![(8, None)], vec![(9, None)]]);
}

#[test]
fn incomplete_sources_are_refused() {
    let mut nameless = signaled(&[1], &[]);
    nameless.name = None;
    let mut ownerless = signaled(&[1], &[]);
    ownerless.owner = None;
    let many: Vec<u32> = (1..20).collect();
    for (source, expected) in [
        (nameless, SourceError::NoName),
        (ownerless, SourceError::NoOwner),
        (signaled(&many, &[group("SIM", &many)]), SourceError::TooManyEncodings),
    ] {
        assert_eq!(MediaSource::from_signaling(&source).unwrap_err(), expected);
    }
    assert_eq!(VideoType::from_name("desktop"), Some(VideoType::Desktop));
    assert!(!VideoType::None.is_enabled() && VideoType::DesktopHighFps.is_enabled());
    assert_eq!(VideoType::from_name("sculpture"), None);
}

#[test]
fn rates_include_what_a_layer_depends_on() {
    let mut source = simulcast();
    let mut sender = Vp8Sender::of_encoding(1, 2, 1);
    let (layering, became_active) = feed(&mut source, &sender.frames(28));
    assert_eq!((layering, became_active), (false, true));
    let rate = |index: LayerIndex| source.layer_bitrate(index, sender.time).bps() / 8_000;
    let layers = [0, 1, 2].map(|t| rate(LayerIndex::new(1, 0, t)));
    assert_eq!(layers, [7, 14, 28]);
    assert_eq!(rate(LayerIndex::new(0, 0, 2)), 0);
    let best = source.bitrate(LayerIndex::new(2, 0, 2), sender.time);
    assert_eq!(best.bps() / 8_000, 28, "the highest layer that has any");
    assert_eq!(source.bitrate(LayerIndex::new(0, 0, 2), sender.time), Bitrate::ZERO);
    assert_eq!(source.layer(LayerIndex::new(1, 0, 2)).unwrap().height, Some(180), "as told");
}

#[test]
fn vp9_tells_its_layers() {
    for (scalability, top_rate) in [(Scalability::Svc, 28 * 3), (Scalability::KSvc, 28)] {
        for flexible in [false, true] {
            let mut source = simulcast();
            let mut sender = Vp9Sender::new(3, scalability, 1);
            (sender.ssrc, sender.flexible) = (1, flexible);
            let (layering, _) = feed(&mut source, &sender.pictures(28));
            assert!(layering);
            let layers: Vec<_> = source.layers().map(|layer| layer.index.value()).collect();
            assert_eq!(layers, [0, 1, 2, 8, 9, 10, 16, 17, 18], "unused encodings are gone");
            let top = source.layer(LayerIndex::new(0, 2, 1)).unwrap();
            assert_eq!(top.height, Some(720));
            assert_eq!(top.frame_rate, (!flexible).then_some(15.0));
            let rate = source.layer_bitrate(LayerIndex::new(0, 2, 2), sender.time);
            assert_eq!(rate.bps() / 8_000, top_rate, "{scalability:?} {flexible}");
            let (again, _) = feed(&mut source, &sender.pictures(8));
            assert!(!again);
        }
    }
}

#[test]
fn decode_targets_are_layers_of_av1() {
    let mut source = simulcast();
    let mut sender = DependencySender::new(3, Mode::Svc, 1);
    let (layering, _) = feed(&mut source, &sender.pictures(28));
    assert!(layering);
    let layers: Vec<_> = source.layers().map(|layer| layer.index.value()).collect();
    assert_eq!(layers, (0..9).collect::<Vec<_>>());
    let rates: Vec<_> = (0..3)
        .map(|target| source.layer(LayerIndex::with_decode_target(0, target)).unwrap())
        .map(|layer| layer.frame_rate.unwrap())
        .collect();
    assert_eq!(rates.last(), Some(&30.0));
    let rate = |target| {
        let index = LayerIndex::with_decode_target(0, target);
        source.layer_bitrate(index, sender.time).bps() / 8_000
    };
    assert_eq!([0, 2, 5, 8].map(rate), [7, 28, 56, 84]);

    let mut single = simulcast();
    let mut sender = DependencySender::of_encoding(1, 2, 1);
    feed(&mut single, &sender.pictures(3));
    let heights: Vec<_> = single.layers().map(|layer| layer.height).collect();
    assert_eq!(heights, [Some(360); 3], "without sizes the nominal one stays");
}

#[test]
fn told_targets_are_stored() {
    let mut source = simulcast();
    let told = [0x01, 0x80, 0x50, 0x78, 0xc8, 0x01, 0x01, 0x3f, 0x00, 0xb3, 0x21];
    source.handle_layers_allocation(&VideoLayersAllocation::parse(&told).unwrap());
    let layers: Vec<_> = source.layers().take(3).collect();
    let targets: Vec<_> = layers.iter().map(|l| l.target_bitrate.unwrap().kbps()).collect();
    assert_eq!(targets, [80, 120, 200]);
    let rates: Vec<_> = layers.iter().map(|l| l.frame_rate.unwrap()).collect();
    assert_eq!(rates, [8.25, 16.5, 33.0]);
}
