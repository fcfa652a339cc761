//! RTP packets and the streams of a participant.

use bridge_media::VideoType;
use bridge_rtp::{AddedExtension, ExtensionIdSet, ExtensionType, RtpHeader, write_packet};
use bridge_shard::{EncodingSsrcs, SourceDescription, StreamDescription, StreamRole};
use bridge_units::{EndpointId, MediaType, SessionId, SourceId};
use std::sync::Arc;

pub const AUDIO: u8 = 111;
pub const VIDEO: u8 = 100;
pub const RTX: u8 = 96;

pub const EXTENSIONS: [(u8, ExtensionType); 5] = [
    (1, ExtensionType::AudioLevel),
    (3, ExtensionType::AbsSendTime),
    (5, ExtensionType::TransportCc),
    (6, ExtensionType::VideoOrientation),
    (10, ExtensionType::Mid),
];

pub fn audio_ssrc(session: SessionId) -> u32 {
    session.0 as u32 * 1_000 + 1
}

pub fn video_ssrc(session: SessionId, encoding: u8) -> u32 {
    session.0 as u32 * 1_000 + 10 + u32::from(encoding)
}

pub fn rtx_ssrc(session: SessionId, encoding: u8) -> u32 {
    session.0 as u32 * 1_000 + 20 + u32::from(encoding)
}

/// The endpoint's audio and its video are one source each.
pub fn source_id(owner: SessionId, media: MediaType) -> SourceId {
    SourceId(owner.0 as u32 * 2 + u32::from(media == MediaType::Video))
}

/// The sources that these streams make up, by rising id.
pub fn sources(owner: SessionId) -> Vec<Arc<SourceDescription>> {
    let source = |media, name: &str, encodings| {
        Arc::new(SourceDescription {
            id: source_id(owner, media),
            owner,
            endpoint: EndpointId::new(&format!("{:08x}", owner.0)).unwrap(),
            name: format!("{:08x}-{name}", owner.0).into(),
            media,
            video_type: VideoType::Camera,
            synthetic: false,
            encodings,
        })
    };
    let video = (0..3).map(|encoding| EncodingSsrcs {
        primary: video_ssrc(owner, encoding),
        rtx: Some(rtx_ssrc(owner, encoding)),
    });
    let audio = EncodingSsrcs { primary: audio_ssrc(owner), rtx: None };
    vec![
        source(MediaType::Audio, "a0", vec![audio]),
        source(MediaType::Video, "v0", video.collect()),
    ]
}

/// Audio, and video in three encodings with their retransmissions.
pub fn streams(owner: SessionId) -> Vec<(u32, StreamDescription)> {
    let stream = |media, role| {
        let source = source_id(owner, media);
        StreamDescription { owner, source, media, role }
    };
    let mut streams =
        vec![(audio_ssrc(owner), stream(MediaType::Audio, StreamRole::Primary { encoding: 0 }))];
    for encoding in 0..3 {
        let primary = video_ssrc(owner, encoding);
        streams.push((primary, stream(MediaType::Video, StreamRole::Primary { encoding })));
        let rtx = StreamRole::Rtx { encoding, primary };
        streams.push((rtx_ssrc(owner, encoding), stream(MediaType::Video, rtx)));
    }
    streams
}

/// An RTP packet with these header extensions.
pub fn rtp(
    ssrc: u32,
    payload_type: u8,
    sequence_number: u16,
    extensions: &[(u8, &[u8])],
    payload: &[u8],
) -> Vec<u8> {
    let mut plain = vec![0x80, payload_type];
    plain.extend(sequence_number.to_be_bytes());
    plain.extend((u32::from(sequence_number) * 960).to_be_bytes());
    plain.extend(ssrc.to_be_bytes());
    plain.extend(payload);
    let header = RtpHeader::parse(&plain).unwrap();
    let added: Vec<_> =
        extensions.iter().map(|(id, data)| AddedExtension { id: *id, data }).collect();
    let mut out = vec![0; plain.len() + 256];
    let (_, len) = write_packet(&plain, &header, &ExtensionIdSet::EMPTY, &added, &mut out).unwrap();
    out.truncate(len);
    out
}

/// A packet that tells its number in the payload too.
pub fn numbered(ssrc: u32, payload_type: u8, number: u16) -> Vec<u8> {
    rtp(ssrc, payload_type, number, &[], &[&number.to_be_bytes()[..], &[0x5A; 98]].concat())
}

/// A value of the video orientation extension.
pub fn orientation() -> [u8; 1] {
    [2]
}

/// Numbers from one seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
