//! The simulation checked by itself: what a sender sends is flawless to a receiver, with and without
//! a projection between them, and faults are noticed.

use super::rtp_writer::{DEPENDENCY_DESCRIPTOR_ID, OutgoingRtp};
use super::video_receiver::ReceiverRequest;
use super::*;
use bridge_media::{
    Decision, FrameParser, LayerIndex, PayloadRewrite, SenderClock, SourceProjection, VideoCodec,
    VideoPacket,
};
use bridge_rtp::codec::MAX_DEPENDENCY_DESCRIPTOR_LEN;
use bridge_rtp::{RtpHeader, RtpPacketMut, RtpView};
use bridge_units::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

type Change = Box<dyn FnMut(&mut OutgoingRtp)>;

/// A sender, perhaps a projection, a link and a receiver.
struct Path {
    now: Timestamp,
    sender: VideoSender,
    projection: Option<Projection>,
    link: Link,
    on_the_way: BTreeMap<(Timestamp, u64), (OutgoingRtp, bool)>,
    order: u64,
    receiver: VideoReceiver,
    /// Changes packets, as a fault would.
    fault: Option<Change>,
}

struct Projection {
    inner: SourceProjection,
    parsers: Vec<FrameParser>,
    clocks: Vec<SenderClock>,
    kept: BTreeMap<(u32, u16), (OutgoingRtp, VideoPacket)>,
}

impl Path {
    fn new(settings: VideoSettings, link: LinkSettings) -> Self {
        let now = Timestamp::from_millis(1_000);
        let mut random = SimulationRandom::new(1);
        let mut link = Link::new(link, random.fork());
        link.begin(now);
        Self {
            now,
            sender: VideoSender::new(settings.clone(), now, random.fork()),
            projection: None,
            link,
            on_the_way: BTreeMap::new(),
            order: 0,
            receiver: VideoReceiver::new(settings, now),
            fault: None,
        }
    }

    fn projected(settings: VideoSettings, link: LinkSettings) -> Self {
        let count = settings.ssrcs().len();
        let ssrc = settings.first_ssrc;
        let mut path = Self::new(settings, link);
        path.projection = Some(Projection {
            inner: SourceProjection::new(ssrc),
            parsers: (0..count).map(|_| FrameParser::default()).collect(),
            clocks: (0..count).map(|_| SenderClock::default()).collect(),
            kept: BTreeMap::new(),
        });
        for (clock, info) in path
            .projection
            .as_mut()
            .unwrap()
            .clocks
            .iter_mut()
            .zip(path.sender.all_sender_reports(path.now, 5 << 32))
        {
            clock.handle_sender_report(path.now, info.ntp_timestamp, info.rtp_timestamp);
        }
        path
    }

    fn target(&mut self, target: LayerIndex) {
        self.projection.as_mut().unwrap().inner.set_target(target);
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.tick();
            self.now += Duration::from_millis(1);
        }
    }

    fn tick(&mut self) {
        while let Some(packet) = self.sender.poll(self.now) {
            self.forward(packet);
        }
        while self.on_the_way.first_key_value().is_some_and(|((at, _), _)| *at <= self.now) {
            let (_, (packet, is_retransmission)) = self.on_the_way.pop_first().unwrap();
            let bytes = packet.to_bytes(0);
            let view = RtpView::parse(&bytes).unwrap();
            let descriptor = view.extension(DEPENDENCY_DESCRIPTOR_ID);
            let header = *view.header();
            let receiver = &mut self.receiver;
            receiver.handle_packet(self.now, &header, &bytes, descriptor, is_retransmission);
        }
        while let Some(request) = self.receiver.poll(self.now) {
            match request {
                ReceiverRequest::KeyFrame => self.sender.handle_key_frame_request(self.now),
                ReceiverRequest::Nack(numbers) => self.repeat(&numbers),
            }
        }
    }

    fn forward(&mut self, packet: OutgoingRtp) {
        let out = match &mut self.projection {
            None => Some(packet),
            Some(projection) => {
                let (out, wants_key) = projection.forward(self.now, packet, &self.sender);
                if wants_key {
                    self.sender.handle_key_frame_request(self.now);
                }
                out
            }
        };
        if let Some(out) = out {
            self.transmit(out, false);
        }
    }

    fn repeat(&mut self, numbers: &[u16]) {
        let ssrc = self.receiver.ssrc();
        let copies: Vec<OutgoingRtp> = match &self.projection {
            Some(projection) => numbers.iter().filter_map(|n| projection.repeat(*n)).collect(),
            None => {
                let copies = self.sender.handle_nack(self.now, ssrc, numbers.iter().copied());
                copies.into_iter().map(|copy| unwrapped(copy, ssrc)).collect()
            }
        };
        for copy in copies {
            self.transmit(copy, true);
        }
    }

    fn transmit(&mut self, mut packet: OutgoingRtp, is_retransmission: bool) {
        if let Some(fault) = &mut self.fault {
            fault(&mut packet);
        }
        let bytes = packet.to_bytes(0);
        if let LinkOutcome::Arrives(at) = self.link.send(self.now, &bytes) {
            self.order += 1;
            self.on_the_way.insert((at, self.order), (packet, is_retransmission));
        }
    }

    #[track_caller]
    fn assert_flawless(&self) {
        assert_eq!(self.receiver.violations().list(), []);
    }
}

impl Projection {
    fn forward(
        &mut self,
        now: Timestamp,
        packet: OutgoingRtp,
        sender: &VideoSender,
    ) -> (Option<OutgoingRtp>, bool) {
        let encoding = (packet.ssrc - sender.settings().first_ssrc) as usize;
        let codec = VideoCodec::from_name(sender.settings().codec.name());
        let descriptor = packet.extensions.first().map(|(_, data)| data.as_slice());
        let number = packet.sequence_number;
        let frame = self.parsers[encoding].parse(codec, number, &packet.payload, descriptor);
        let parsed = VideoPacket {
            encoding: encoding as u8,
            ssrc: packet.ssrc,
            sequence_number: number,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload_type: packet.payload_type,
            received: now,
            capture: self.clocks[encoding].capture_time(packet.timestamp),
            frame: frame.unwrap_or(bridge_media::FrameDescription::Unparsed),
        };
        let Decision { outcome, request_keyframe } = self.inner.accept(&parsed);
        let out = outcome.ok().map(|rewrite| apply(&packet, &parsed, rewrite));
        if out.is_some() {
            self.kept.insert((packet.ssrc, number), (packet, parsed));
        }
        (out, request_keyframe)
    }

    fn repeat(&self, number: u16) -> Option<OutgoingRtp> {
        let source = self.inner.source_of(number)?;
        let (packet, parsed) = self.kept.get(&(source.ssrc, source.sequence_number))?;
        self.inner.rewrite_again(parsed).map(|rewrite| apply(packet, parsed, rewrite))
    }
}

fn apply(
    packet: &OutgoingRtp,
    parsed: &VideoPacket,
    rewrite: bridge_media::Rewrite,
) -> OutgoingRtp {
    let mut bytes = packet.to_bytes(0);
    rewrite.apply(&mut RtpPacketMut::parse(&mut bytes).unwrap());
    let header = RtpHeader::parse(&bytes).unwrap();
    let mut extensions = packet.extensions.clone();
    if let (
        PayloadRewrite::Dependency(rewrite),
        bridge_media::FrameDescription::Dependency(frame),
    ) = (rewrite.payload, &parsed.frame)
    {
        let mut out = [0; MAX_DEPENDENCY_DESCRIPTOR_LEN];
        let len = rewrite.write(&extensions[0].1, frame, &mut out).unwrap();
        extensions[0].1 = out[..len].to_vec();
    }
    OutgoingRtp {
        ssrc: header.ssrc,
        payload_type: header.payload_type,
        sequence_number: header.sequence_number,
        timestamp: header.timestamp,
        marker: header.marker,
        extensions,
        payload: header.payload(&bytes).to_vec(),
    }
}

/// What a receiver makes of a retransmission.
fn unwrapped(copy: OutgoingRtp, ssrc: u32) -> OutgoingRtp {
    let number = u16::from_be_bytes([copy.payload[0], copy.payload[1]]);
    let codec = SimulatedCodec::ALL.into_iter().find(|c| c.rtx_payload_type() == copy.payload_type);
    OutgoingRtp {
        ssrc,
        payload_type: codec.unwrap().payload_type(),
        sequence_number: number,
        payload: copy.payload[2..].to_vec(),
        ..copy
    }
}

fn one_layer(mut settings: VideoSettings) -> VideoSettings {
    settings.layers.truncate(1);
    settings
}

fn all_codecs() -> [VideoSettings; 9] {
    let camera = |codec, layering| VideoSettings::camera("a-v0", 1_000, codec, layering);
    [
        camera(SimulatedCodec::Vp8, Layering::Simulcast),
        camera(SimulatedCodec::H264, Layering::Simulcast),
        camera(SimulatedCodec::Vp9, Layering::Svc),
        camera(SimulatedCodec::Vp9, Layering::KeySvc),
        camera(SimulatedCodec::Vp9, Layering::Simulcast),
        camera(SimulatedCodec::Vp9NonFlexible, Layering::Svc),
        camera(SimulatedCodec::Vp9NonFlexible, Layering::KeySvc),
        camera(SimulatedCodec::Av1, Layering::Svc),
        camera(SimulatedCodec::Av1, Layering::Simulcast),
    ]
}

#[test]
fn what_senders_send_is_flawless() {
    for settings in all_codecs() {
        // Without a bridge only one SSRC can be received.
        let is_svc = settings.layering != Layering::Simulcast;
        let settings = if is_svc { settings } else { one_layer(settings) };
        let mut path = Path::new(settings.clone(), LinkSettings::ideal());
        path.run(Duration::from_secs(4));
        path.assert_flawless();
        let shown = path.receiver.playback().shown().len();
        assert!((118..=120).contains(&shown), "{shown} of {settings:?}");
        let wanted = settings.layers.last().unwrap().height;
        assert!(path.receiver.playback().shown().iter().all(|picture| picture.height == wanted));
        assert!(path.receiver.unreceived().is_empty());
        assert_eq!(path.receiver.playback().freezes(), []);
        assert_eq!(path.receiver.counters().key_frame_requests, 0);
    }
}

#[test]
fn losses_are_repaired_or_seen_as_freezes_never_as_faults() {
    for settings in all_codecs() {
        let is_svc = settings.layering != Layering::Simulcast;
        let settings = if is_svc { settings } else { one_layer(settings) };
        let loss = LinkSettings::ideal().with_loss(LossModel::bursts(0.05, 3.0));
        let mut path = Path::new(settings, loss);
        path.run(Duration::from_secs(10));
        path.assert_flawless();
        let counters = path.receiver.counters();
        assert!(counters.recovered > 10 && counters.nacked >= counters.recovered, "{counters:?}");
        let shown = path.receiver.playback().shown().len();
        let freezes = path.receiver.playback().freezes();
        assert!(shown > 280, "{shown} {counters:?} {freezes:?} {:?}", path.receiver);
    }
}

#[test]
fn projections_are_flawless_over_switches_and_pauses() {
    for settings in all_codecs() {
        for loss in [LossModel::None, LossModel::bursts(0.03, 2.0)] {
            let link = LinkSettings::ideal().with_loss(loss).with_reordering(
                if loss == LossModel::None { 0.02 } else { 0.0 },
                Duration::from_millis(15),
            );
            let mut path = Path::projected(settings.clone(), link);
            for (layer, temporal) in [(0, 2), (2, 2), (1, 1), (0, 0), (2, 2)] {
                path.target(target(&settings, layer, temporal));
                path.run(Duration::from_secs(3));
                let height = path.receiver.playback().height_at(path.now);
                let wanted = settings.layers[usize::from(layer)].height;
                assert_eq!(height, Some(wanted), "{settings:?} {layer} {loss:?}");
            }
            path.target(LayerIndex::SUSPENDED);
            path.run(Duration::from_millis(300));
            path.receiver.pause();
            let before = path.receiver.counters();
            path.run(Duration::from_secs(2));
            assert_eq!(path.receiver.counters().packets, before.packets, "suspended");
            path.target(target(&settings, 1, 2));
            path.run(Duration::from_secs(3));
            let found = path.receiver.violations().list();
            assert!(found.is_empty(), "{found:?} {settings:?} {loss:?}");
            let wanted = settings.layers[1].height;
            assert_eq!(path.receiver.playback().height_at(path.now), Some(wanted));
        }
    }
}

/// The index of a layer for the codec's kind of layers.
fn target(settings: &VideoSettings, layer: u8, temporal: u8) -> LayerIndex {
    match (settings.codec, settings.layering) {
        (SimulatedCodec::H264, _) => LayerIndex::new(layer, 0, 0),
        (SimulatedCodec::Av1, Layering::Simulcast) => {
            LayerIndex::with_decode_target(layer, temporal)
        }
        (_, Layering::Simulcast) => LayerIndex::new(layer, 0, temporal),
        (SimulatedCodec::Av1, _) => LayerIndex::with_decode_target(0, layer * 3 + temporal),
        _ => LayerIndex::new(0, layer, temporal),
    }
}

/// Faults that a receiver must notice: `(what, change)`.
#[test]
fn faults_are_noticed() {
    type Fault = fn(&mut OutgoingRtp, &mut u32);
    type IsRight = fn(&ViolationKind) -> bool;
    let rows: [(&str, Fault, IsRight); 6] = [
        (
            "left out without a gap",
            |p, n| p.sequence_number = p.sequence_number.wrapping_sub((*n > 500) as u16),
            |k| matches!(k, ViolationKind::Misplaced { .. } | ViolationKind::RepeatedNumber(_)),
        ),
        (
            "payload cut",
            |p, n| {
                if *n == 400 {
                    p.payload.pop();
                }
            },
            |k| matches!(k, ViolationKind::DamagedPayload(_)),
        ),
        (
            "timestamp jumps",
            |p, n| {
                if *n > 400 {
                    p.timestamp = p.timestamp.wrapping_add(90_000)
                }
            },
            |k| {
                matches!(
                    k,
                    ViolationKind::TimestampSpacing { .. }
                        | ViolationKind::TimestampWithinPicture(_)
                )
            },
        ),
        (
            "picture id jumps",
            |p, n| {
                if *n > 400 {
                    p.payload[3] = p.payload[3].wrapping_add(7)
                }
            },
            |k| matches!(k, ViolationKind::PictureId { .. }),
        ),
        ("no markers", |p, _| p.marker = false, |k| matches!(k, ViolationKind::MissingMarker(_))),
        (
            "another source",
            |p, n| {
                if *n == 400 {
                    p.payload[17] ^= 1
                }
            },
            |k| matches!(k, ViolationKind::DamagedPayload(_) | ViolationKind::OtherSource),
        ),
    ];
    for (what, fault, is_right) in rows {
        let mut path =
            Path::new(one_layer(VideoSettings::vp8("a-v0", 1_000)), LinkSettings::ideal());
        let mut count = 0;
        path.fault = Some(Box::new(move |packet| {
            count += 1;
            fault(packet, &mut count);
        }));
        path.run(Duration::from_secs(20));
        let found = path.receiver.violations();
        assert!(found.list().iter().any(|v| is_right(&v.kind)), "{what}: {:?}", found.list());
    }
}

#[test]
fn one_seed_gives_one_result() {
    let run = || {
        let link = LinkSettings::ideal()
            .with_loss(LossModel::bursts(0.05, 3.0))
            .with_jitter(Duration::from_millis(20));
        let mut path = Path::projected(VideoSettings::vp8("a-v0", 1_000), link);
        path.target(target(path.sender.settings(), 2, 2));
        path.run(Duration::from_secs(3));
        (path.receiver.counters(), path.receiver.playback().shown().to_vec())
    };
    assert_eq!(run(), run());
}
