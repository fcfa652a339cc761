//! The way of packets through an endpoint's reception, a projection and the rewriting of SSRCs, with
//! everything that signalling may change meanwhile. No number may leave twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bridge_media::{
    EndpointReception, LayerIndex, Received, ReceivedEncoding, ReceivedPayloadType, ReceivedSource,
    ReceivedVideo, RewritableSource, SourceProjection, SsrcRewriting, SsrcRewritingConfig,
    VideoType,
};
use bridge_rtp::rtcp::SenderInfo;
use bridge_rtp::{HeaderExtensionIds, RtpHeader, RtpPacketMut, SequenceUnwrapper};
use bridge_units::{MediaType, SourceId, Timestamp};

use crate::bytes::Bytes;

/// Events, one after the other.
pub fn run(data: &[u8]) {
    let mut input = Bytes::new(data);
    let mut path = Path::new();
    for _ in 0..MAX_EVENTS {
        if input.is_empty() {
            break;
        }
        path.happen(&mut input);
    }
}

/// Key frames and others of several codecs, a switch, a pause, and losses.
pub fn seeds() -> Vec<Vec<u8>> {
    let vp8 = |step: u8, id: u8, is_key: bool| {
        let payload = [0x90, 0xe0, 0x80, id, id, 0, u8::from(!is_key), 0, 0, 0x9d, 1, 0x2a, 1, 0];
        packet(0, 0, step, 1, &payload)
    };
    let vp9 = |step: u8, id: u8, spatial: u8, is_key: bool| {
        let first = if is_key { 0xac } else { 0xec };
        let layer = spatial << 1 | u8::from(spatial > 0);
        packet(2, 0, step, 1, &[first, 0x80, id, layer, id, 1, 2, 3])
    };
    let target = |index: u8| vec![TARGET, index];
    let vp8_stream: Vec<_> = (0..12).map(|n| vp8(1, n, n % 5 == 0)).collect();
    let with_loss: Vec<_> = (0..12).map(|n| vp8(1 + n % 3, n, n == 6)).collect();
    let svc: Vec<_> = (0..24).map(|n| vp9(1, n / 3, n % 3, !(3..=17).contains(&n))).collect();
    vec![
        [target(2), vp8_stream.concat()].concat(),
        [target(66), with_loss.concat(), vec![WAIT, 0, 200], target(0)].concat(),
        [target(18), svc[..12].concat(), target(0), svc[12..].concat()].concat(),
    ]
}

struct Path {
    reception: EndpointReception,
    projection: SourceProjection,
    rewriting: SsrcRewriting,
    now: Timestamp,
    /// The newest number and time of each SSRC.
    sent: [(u16, u32); SSRCS.len()],
    projected: Numbers,
    left: BTreeMap<u32, Numbers>,
}

/// Numbers that left, unwrapped as a receiver does.
#[derive(Default)]
struct Numbers {
    unwrapper: SequenceUnwrapper,
    seen: BTreeSet<i64>,
}

impl Numbers {
    fn note(&mut self, number: u16) {
        let index = self.unwrapper.update(number);
        assert!(self.seen.insert(index), "{number} left twice");
    }
}

impl Path {
    fn new() -> Self {
        let mut reception = EndpointReception::default();
        reception.set_payload_types(payload_types());
        reception.set_extension_ids(HeaderExtensionIds {
            audio_level: Some(1),
            dependency_descriptor: Some(11),
            video_layers_allocation: Some(12),
            ..HeaderExtensionIds::default()
        });
        reception.set_sources(&[audio(), video(3)]);
        let config = SsrcRewritingConfig { audio_limit: 2, video_limit: 2, mid_demux: true };
        let mut projection = SourceProjection::new(SSRCS[0]);
        projection.set_target(LayerIndex::new(2, 0, 2));
        let mut path = Self {
            reception,
            projection,
            rewriting: SsrcRewriting::new(config),
            now: Timestamp::from_millis(1_000),
            sent: [(65_500, 0xffff_0000); SSRCS.len()],
            projected: Numbers::default(),
            left: BTreeMap::new(),
        };
        path.map(true);
        path
    }

    fn happen(&mut self, input: &mut Bytes<'_>) {
        match input.u8() {
            TARGET => {
                let target = input.u8();
                self.projection.set_target(match target {
                    u8::MAX => LayerIndex::SUSPENDED,
                    _ => LayerIndex::with_decode_target(target >> 6, target),
                });
            }
            WAIT => self.wait(Duration::from_millis(u64::from(input.u16()))),
            MUTE => {
                let what = input.u8();
                self.reception.set_force_mute(what & 1 != 0, what & 2 != 0);
                self.reception.set_audio_forwarded(what & 4 != 0);
            }
            SOURCES => self.set_sources(1 + input.u8() % 3),
            REPORT => {
                let info = SenderInfo {
                    ssrc: input.choice(SSRCS),
                    rtp_timestamp: input.u32(),
                    ntp_timestamp: input.u64(),
                    ..SenderInfo::default()
                };
                self.reception.handle_sender_report(self.now, &info);
                let _rewritten =
                    self.projection.rewrite_sender_report(info.ssrc, info.rtp_timestamp);
            }
            MAP => self.map(input.bool()),
            LOST => {
                let _packet = self.projection.source_of(input.u16());
            }
            _ => self.packet(input),
        }
    }

    /// An encoding that is not signalled any more is forgotten. When it comes again, its old packets could
    /// only be told from new ones by their SRTP indexes, which is done before.
    fn set_sources(&mut self, encodings: u8) {
        self.reception.set_sources(&[video(encodings), audio()]);
        let is_forgotten = |ssrc: &u32| SSRCS[usize::from(encodings)..3].contains(ssrc);
        self.left.retain(|ssrc, _| !is_forgotten(ssrc));
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.reception.poll_nack(self.now, None, |_, numbers| {
            assert!(numbers.count() <= bridge_media::MAX_MISSING);
        });
        self.reception.poll_keyframe_wish();
        let polls = std::iter::from_fn(|| self.reception.poll_layers(self.now)).take(10).count();
        assert!(polls < 10, "layers are told once");
    }

    fn map(&mut self, is_mapped: bool) {
        let sources = [RewritableSource { id: CAMERA, ssrc: SSRCS[0] }];
        let mut random = 0;
        self.rewriting.set_video_sources(&sources[..usize::from(is_mapped)], || {
            random += 1;
            random
        });
        while self.rewriting.poll_mapped().is_some() {}
    }

    fn packet(&mut self, input: &mut Bytes<'_>) {
        let payload_type = input.choice(PAYLOAD_TYPES);
        let stream = usize::from(input.u8()) % SSRCS.len();
        let (number, timestamp) = &mut self.sent[stream];
        match input.u8() {
            step @ ..128 => *number = number.wrapping_add(u16::from(step)),
            192 => *number = input.u16(),
            step => *number = number.wrapping_sub(u16::from(step & 63)),
        }
        *timestamp = timestamp.wrapping_add(u32::from(input.u8()) * 3_000);
        let mut bytes = vec![0x80, payload_type];
        bytes.extend(number.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend(SSRCS[stream].to_be_bytes());
        extend(&mut bytes, input);
        bytes.extend(input.chunk());
        self.now += Duration::from_millis(5);
        self.receive(&mut bytes);
    }

    fn receive(&mut self, bytes: &mut [u8]) {
        let Ok(header) = RtpHeader::parse(bytes) else { return };
        match self.reception.handle_rtp(self.now, bytes, &header) {
            Ok(Received::Audio(audio)) => {
                assert_eq!(RtpHeader::parse(audio.bytes), Ok(audio.header));
                let (header, numbers) = (audio.header, &mut self.left);
                numbers.entry(header.ssrc).or_default().note(header.sequence_number);
                let _rewritten = self.rewriting.rewrite_audio(audio.source, &header, || 77);
            }
            Ok(Received::Video(video)) => {
                assert_eq!(RtpHeader::parse(video.bytes), Ok(video.header));
                let (header, numbers) = (video.header, &mut self.left);
                numbers.entry(header.ssrc).or_default().note(header.sequence_number);
                project(&video, &mut self.projection, &mut self.projected, &mut self.rewriting);
            }
            Ok(Received::AudioLevel { .. }) | Err(_) => {}
        }
    }
}

/// What one receiver gets of a packet.
fn project(
    video: &ReceivedVideo<'_>,
    projection: &mut SourceProjection,
    projected: &mut Numbers,
    rewriting: &mut SsrcRewriting,
) {
    let Ok(rewrite) = projection.accept(&video.packet).outcome else { return };
    projected.note(rewrite.sequence_number);
    assert_eq!(projection.rewrite_again(&video.packet), Some(rewrite));
    let mut copy = video.bytes.to_vec();
    if let Ok(mut packet) = RtpPacketMut::parse(&mut copy) {
        rewrite.apply(&mut packet);
    }
    assert_eq!(copy.len(), video.bytes.len());
    if let Ok(rewritten) = rewriting.rewrite_video(CAMERA, &video.packet, &rewrite) {
        let mut copy = video.bytes.to_vec();
        if let Ok(mut packet) = RtpPacketMut::parse(&mut copy) {
            rewritten.rewrite.apply(&mut packet);
        }
        assert_eq!(rewriting.rewrite_again(CAMERA, &video.packet, &rewrite), Some(rewritten));
    }
}

/// Header extensions in the form of two bytes.
fn extend(bytes: &mut Vec<u8>, input: &mut Bytes<'_>) {
    let count = input.u8() % 4;
    if count == 0 {
        return;
    }
    let mut block = Vec::new();
    for _ in 0..count {
        let (id, data) = (input.choice([1, 11, 11, 12]), input.chunk());
        block.extend([id, u8::try_from(data.len()).unwrap_or_default()]);
        block.extend(data);
    }
    block.resize(block.len().next_multiple_of(4), 0);
    bytes[0] |= 0x10;
    bytes.extend([0x10, 0]);
    bytes.extend(u16::try_from(block.len() / 4).unwrap_or_default().to_be_bytes());
    bytes.extend(block);
}

/// An event with a packet without extensions.
fn packet(payload_type: u8, stream: u8, step: u8, frames: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap_or_default();
    let mut event = vec![0, payload_type, stream, step, frames, 0, len];
    event.extend(payload);
    event
}

fn audio() -> ReceivedSource {
    ReceivedSource {
        id: SourceId(1),
        media: MediaType::Audio,
        video_type: VideoType::Camera,
        encodings: vec![ReceivedEncoding { primary: AUDIO_SSRC, rtx: None }],
    }
}

fn video(encodings: u8) -> ReceivedSource {
    let ssrcs = SSRCS.iter().take(usize::from(encodings));
    ReceivedSource {
        id: CAMERA,
        media: MediaType::Video,
        video_type: VideoType::Camera,
        encodings: ssrcs
            .map(|ssrc| ReceivedEncoding { primary: *ssrc, rtx: Some(ssrc + RTX_DISTANCE) })
            .collect(),
    }
}

fn payload_types() -> [ReceivedPayloadType<'static>; 6] {
    let video =
        |number, name| ReceivedPayloadType { number, name, media: MediaType::Video, apt: None };
    [
        video(100, "VP8"),
        video(101, "VP9"),
        video(102, "AV1"),
        video(103, "H264"),
        ReceivedPayloadType { apt: Some(100), ..video(97, "rtx") },
        ReceivedPayloadType { number: 111, name: "opus", media: MediaType::Audio, apt: None },
    ]
}

const CAMERA: SourceId = SourceId(2);
const RTX_DISTANCE: u32 = 3;
const AUDIO_SSRC: u32 = 50;
/// Three encodings, their retransmissions, audio, and one of nobody.
const SSRCS: [u32; 8] = [1_000, 1_001, 1_002, 1_003, 1_004, 1_005, AUDIO_SSRC, 9];
const PAYLOAD_TYPES: [u8; 8] = [100, 100 | 0x80, 101, 102, 103, 97, 111, 5];

const TARGET: u8 = 255;
const WAIT: u8 = 254;
const MUTE: u8 = 253;
const SOURCES: u8 = 252;
const REPORT: u8 = 251;
const MAP: u8 = 250;
const LOST: u8 = 249;
/// Fewer than a sequence number has values.
const MAX_EVENTS: usize = 500;
