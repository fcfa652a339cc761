//! An endpoint's packets as bytes, and a reception that knows its signalling.

use bridge_media::{
    EndpointReception, Received, ReceivedEncoding, ReceivedPayloadType, ReceivedSource,
    ReceptionRefusal, VideoCodec, VideoType,
};
use bridge_rtp::{HeaderExtensionIds, RtpHeader};
use bridge_units::{MediaType, SourceId, Timestamp};

use super::Packet;

pub const VP8: u8 = 100;
pub const VP9: u8 = 101;
pub const AV1: u8 = 102;
pub const H264: u8 = 103;
pub const RTX: u8 = 97;
pub const ULPFEC: u8 = 117;
pub const OPUS: u8 = 111;
pub const LEVEL_ID: u8 = 1;
pub const DESCRIPTOR_ID: u8 = 11;
pub const ALLOCATION_ID: u8 = 12;

pub const AUDIO: SourceId = SourceId(1);
pub const CAMERA: SourceId = SourceId(2);
pub const AUDIO_SSRC: u32 = 50;
/// Of the camera's encodings; their retransmissions have 100 more.
pub const SSRCS: [u32; 3] = [1_000, 1_001, 1_002];

/// An RTP packet to be written.
#[derive(Clone, Debug)]
pub struct Rtp {
    pub payload_type: u8,
    pub ssrc: u32,
    pub sequence_number: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
    pub padding: u8,
}

impl Rtp {
    pub fn new(payload_type: u8, ssrc: u32, sequence_number: u16, payload: &[u8]) -> Self {
        Self {
            payload_type,
            ssrc,
            sequence_number,
            timestamp: 3_000,
            marker: false,
            extensions: Vec::new(),
            payload: payload.to_vec(),
            padding: 0,
        }
    }

    /// As a browser sends it.
    pub fn of(packet: &Packet) -> Self {
        let payload_type = match packet.codec {
            VideoCodec::Vp8 => VP8,
            VideoCodec::Vp9 => VP9,
            VideoCodec::Av1 => AV1,
            _ => H264,
        };
        let descriptor = packet.dependency_descriptor.iter();
        Self {
            timestamp: packet.timestamp,
            marker: packet.marker,
            extensions: descriptor.map(|data| (DESCRIPTOR_ID, data.clone())).collect(),
            ..Self::new(payload_type, packet.ssrc, packet.sequence_number, &packet.payload)
        }
    }

    pub fn sound(sequence_number: u16, level: Option<u8>) -> Self {
        Self {
            extensions: level.map(|level| (LEVEL_ID, vec![level])).into_iter().collect(),
            ..Self::new(OPUS, AUDIO_SSRC, sequence_number, &[7; 20])
        }
    }

    pub fn with_extension(mut self, id: u8, data: &[u8]) -> Self {
        self.extensions.push((id, data.to_vec()));
        self
    }

    pub fn padded(mut self, padding: u8) -> Self {
        self.padding = padding;
        self
    }

    /// The packet as its retransmission.
    pub fn sent_again(&self, sequence_number: u16) -> Self {
        let mut payload = self.sequence_number.to_be_bytes().to_vec();
        payload.extend(&self.payload);
        Self { payload_type: RTX, ssrc: self.ssrc + 100, sequence_number, payload, ..self.clone() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut first = 0x80;
        if self.padding > 0 {
            first |= 0x20;
        }
        if !self.extensions.is_empty() {
            first |= 0x10;
        }
        let mut bytes = vec![first, self.payload_type | if self.marker { 0x80 } else { 0 }];
        bytes.extend(self.sequence_number.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        if !self.extensions.is_empty() {
            let mut block = Vec::new();
            for (id, data) in &self.extensions {
                block.extend([*id, u8::try_from(data.len()).unwrap()]);
                block.extend(data);
            }
            block.resize(block.len().next_multiple_of(4), 0);
            bytes.extend([0x10, 0]);
            bytes.extend(u16::try_from(block.len() / 4).unwrap().to_be_bytes());
            bytes.extend(block);
        }
        bytes.extend(&self.payload);
        if self.padding > 0 {
            bytes.resize(bytes.len() + usize::from(self.padding), 0);
            *bytes.last_mut().unwrap() = self.padding;
        }
        bytes
    }
}

pub fn video(id: SourceId, ssrcs: &[u32]) -> ReceivedSource {
    let encoding = |ssrc: &u32| ReceivedEncoding { primary: *ssrc, rtx: Some(ssrc + 100) };
    ReceivedSource {
        id,
        media: MediaType::Video,
        video_type: VideoType::Camera,
        encodings: ssrcs.iter().map(encoding).collect(),
    }
}

pub fn audio(id: SourceId, ssrc: u32) -> ReceivedSource {
    ReceivedSource {
        id,
        media: MediaType::Audio,
        video_type: VideoType::Camera,
        encodings: vec![ReceivedEncoding { primary: ssrc, rtx: None }],
    }
}

pub fn payload_types() -> [ReceivedPayloadType<'static>; 7] {
    let video =
        |number, name| ReceivedPayloadType { number, name, media: MediaType::Video, apt: None };
    [
        video(VP8, "VP8"),
        video(VP9, "vp9"),
        video(AV1, "AV1"),
        video(H264, "H264"),
        ReceivedPayloadType { apt: Some(VP8), ..video(RTX, "rtx") },
        video(ULPFEC, "ulpfec"),
        ReceivedPayloadType { number: OPUS, name: "opus", media: MediaType::Audio, apt: None },
    ]
}

pub fn extension_ids() -> HeaderExtensionIds {
    HeaderExtensionIds {
        audio_level: Some(LEVEL_ID),
        dependency_descriptor: Some(DESCRIPTOR_ID),
        video_layers_allocation: Some(ALLOCATION_ID),
        ..HeaderExtensionIds::default()
    }
}

/// Of an endpoint with a microphone and a camera in three encodings.
pub fn reception() -> EndpointReception {
    let mut reception = EndpointReception::default();
    reception.set_payload_types(payload_types());
    reception.set_extension_ids(extension_ids());
    reception.set_sources(&[audio(AUDIO, AUDIO_SSRC), video(CAMERA, &SSRCS)]);
    reception
}

/// What came out, owned.
#[derive(Clone, Debug)]
pub struct Output {
    pub source: Option<SourceId>,
    pub header: RtpHeader,
    pub bytes: Vec<u8>,
    pub level: Option<u8>,
    pub packet: Option<bridge_media::VideoPacket>,
}

impl Output {
    pub fn number(&self) -> u16 {
        self.header.sequence_number
    }

    pub fn payload(&self) -> &[u8] {
        self.header.payload(&self.bytes)
    }
}

/// Lets a packet arrive.
pub fn receive(
    reception: &mut EndpointReception,
    now: Timestamp,
    rtp: &Rtp,
) -> Result<Output, ReceptionRefusal> {
    receive_bytes(reception, now, &mut rtp.bytes())
}

pub fn receive_bytes(
    reception: &mut EndpointReception,
    now: Timestamp,
    bytes: &mut [u8],
) -> Result<Output, ReceptionRefusal> {
    let header = RtpHeader::parse(bytes).unwrap();
    let output = match reception.handle_rtp(now, bytes, &header)? {
        Received::Audio(audio) => Output {
            source: audio.source,
            header: audio.header,
            bytes: audio.bytes.to_vec(),
            level: audio.level.map(|level| level.level),
            packet: None,
        },
        Received::AudioLevel { source, level } => {
            let level = Some(level.level);
            return Ok(Output { source, header, bytes: Vec::new(), level, packet: None });
        }
        Received::Video(video) => {
            assert_eq!(video.packet.sequence_number, video.header.sequence_number);
            assert_eq!(video.packet.ssrc, video.header.ssrc);
            Output {
                source: Some(video.source),
                header: video.header,
                bytes: video.bytes.to_vec(),
                level: None,
                packet: Some(video.packet),
            }
        }
    };
    assert_eq!(RtpHeader::parse(&output.bytes), Ok(output.header), "bytes and header are equal");
    Ok(output)
}
