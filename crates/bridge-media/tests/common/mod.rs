//! Senders that produce packets as browsers do, and a bridge with one receiver behind them.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests use this")]

pub mod allocation;
pub mod allocation_model;
pub mod dependency;
pub mod endpoint;
pub mod vp8;
pub mod vp9;

use std::collections::BTreeMap;
use std::time::Duration;

use bridge_media::{
    Decision, FrameDescription, FrameParser, LayerIndex, PayloadRewrite, Refusal, SenderClock,
    SourceProjection, VideoCodec, VideoPacket,
};
use bridge_rtp::codec::{MAX_DEPENDENCY_DESCRIPTOR_LEN, Vp8Descriptor, Vp9Descriptor};
use bridge_rtp::{RtpHeader, RtpPacketMut};
use bridge_units::Timestamp;

/// A packet on its way from the sender.
#[derive(Clone, Debug)]
pub struct Packet {
    pub codec: VideoCodec,
    pub encoding: u8,
    pub ssrc: u32,
    pub sequence_number: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
    pub dependency_descriptor: Option<Vec<u8>>,
    pub received: Timestamp,
    /// What the sender knows of the frame.
    pub label: Label,
}

/// The layer of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Label {
    pub spatial_id: u8,
    pub temporal_id: u8,
    pub is_keyframe: bool,
    /// The packet's place in the frame.
    pub starts_frame: bool,
    pub ends_frame: bool,
}

impl Packet {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x80, 100 | if self.marker { 0x80 } else { 0 }];
        bytes.extend(self.sequence_number.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// What the receiver gets, read from the rewritten bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub ssrc: u32,
    pub sequence_number: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub picture_id: Option<u16>,
    pub tl0: Option<u8>,
    pub dependency_descriptor: Option<Vec<u8>>,
    pub payload: Vec<u8>,
}

/// A source's packets through one projection.
pub struct Bridge {
    parsers: BTreeMap<u8, FrameParser>,
    pub clocks: BTreeMap<u8, SenderClock>,
    pub projection: SourceProjection,
    pub wants_keyframe: bool,
    pub last_refusal: Option<Refusal>,
}

impl Bridge {
    pub fn new(primary_ssrc: u32, target: LayerIndex) -> Self {
        let mut projection = SourceProjection::new(primary_ssrc);
        projection.set_target(target);
        Self {
            parsers: BTreeMap::new(),
            clocks: BTreeMap::new(),
            projection,
            wants_keyframe: false,
            last_refusal: None,
        }
    }

    pub fn parse(&mut self, packet: &Packet) -> VideoPacket {
        let bytes = packet.bytes();
        let header = RtpHeader::parse(&bytes).unwrap();
        let clock = self.clocks.entry(packet.encoding).or_default();
        VideoPacket {
            encoding: packet.encoding,
            ssrc: header.ssrc,
            sequence_number: header.sequence_number,
            timestamp: header.timestamp,
            marker: header.marker,
            payload_type: header.payload_type,
            received: packet.received,
            capture: clock.capture_time(header.timestamp),
            frame: self
                .parsers
                .entry(packet.encoding)
                .or_default()
                .parse(
                    packet.codec,
                    header.sequence_number,
                    header.payload(&bytes),
                    packet.dependency_descriptor.as_deref(),
                )
                .unwrap_or(FrameDescription::Unparsed),
        }
    }

    /// Sends a packet through; answers what the receiver gets.
    pub fn send(&mut self, packet: &Packet) -> Option<Received> {
        let parsed = self.parse(packet);
        let Decision { outcome, request_keyframe } = self.projection.accept(&parsed);
        self.wants_keyframe = request_keyframe;
        match outcome {
            Ok(rewrite) => {
                assert_eq!(self.projection.rewrite_again(&parsed), Some(rewrite), "{packet:?}");
                Some(receive(packet, &parsed, rewrite))
            }
            Err(refusal) => {
                self.last_refusal = Some(refusal);
                None
            }
        }
    }

    /// As [`Self::send`] for a packet that must be forwarded.
    #[track_caller]
    pub fn forward(&mut self, packet: &Packet) -> Received {
        let received = self.send(packet);
        received.unwrap_or_else(|| panic!("{:?}: {packet:?}", self.last_refusal))
    }

    pub fn send_all<'a>(&mut self, packets: impl IntoIterator<Item = &'a Packet>) -> Vec<Received> {
        packets.into_iter().filter_map(|packet| self.send(packet)).collect()
    }
}

/// Applies a rewriting to the packet's bytes and reads the result as a receiver does.
pub fn receive(packet: &Packet, parsed: &VideoPacket, rewrite: bridge_media::Rewrite) -> Received {
    let mut bytes = packet.bytes();
    rewrite.apply(&mut RtpPacketMut::parse(&mut bytes).unwrap());
    let header = RtpHeader::parse(&bytes).unwrap();
    let payload = header.payload(&bytes).to_vec();
    let (mut picture_id, mut tl0, mut descriptor_len) = (None, None, 0);
    match packet.codec {
        VideoCodec::Vp8 => {
            if let Some(vp8) = Vp8Descriptor::parse(&payload) {
                picture_id = vp8.picture_id.map(|id| id.value);
                tl0 = vp8.tl0_picture_index;
                descriptor_len = usize::from(vp8.len);
            }
        }
        VideoCodec::Vp9 => {
            if let Some(vp9) = Vp9Descriptor::parse(&payload) {
                picture_id = vp9.picture_id.map(|id| id.value);
                tl0 = vp9.tl0_picture_index;
                descriptor_len = usize::from(vp9.len);
            }
        }
        _ => {}
    }
    assert_eq!(payload[descriptor_len..], packet.payload[descriptor_len..], "payload is untouched");
    Received {
        ssrc: header.ssrc,
        sequence_number: header.sequence_number,
        timestamp: header.timestamp,
        marker: header.marker,
        picture_id,
        tl0,
        dependency_descriptor: rewritten_descriptor(packet, parsed, rewrite.payload),
        payload,
    }
}

fn rewritten_descriptor(
    packet: &Packet,
    parsed: &VideoPacket,
    rewrite: PayloadRewrite,
) -> Option<Vec<u8>> {
    let data = packet.dependency_descriptor.as_ref()?;
    let bridge_media::FrameDescription::Dependency(descriptor) = &parsed.frame else {
        return Some(data.clone());
    };
    let PayloadRewrite::Dependency(rewrite) = rewrite else { return Some(data.clone()) };
    let mut out = [0; MAX_DEPENDENCY_DESCRIPTOR_LEN];
    let len = rewrite.write(data, descriptor, &mut out).unwrap();
    Some(out[..len].to_vec())
}

pub fn at_ms(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub fn frame_time() -> Duration {
    Duration::from_nanos(33_333_333)
}

/// Asserts that the receiver misses no number and no time.
#[track_caller]
pub fn assert_contiguous(received: &[Received]) {
    for pair in received.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert_eq!(b.sequence_number, a.sequence_number.wrapping_add(1), "{a:?} {b:?}");
        assert!(b.timestamp == a.timestamp || b.timestamp.wrapping_sub(a.timestamp) >= 3_000);
    }
}
