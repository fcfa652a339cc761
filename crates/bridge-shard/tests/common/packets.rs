//! RTP packets and the streams of a participant.

use bridge_rtp::{AddedExtension, ExtensionIdSet, ExtensionType, RtpHeader, write_packet};
use bridge_shard::{StreamDescription, StreamRole};
use bridge_units::{MediaType, SessionId};

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

/// Audio, and video in three encodings with their retransmissions.
pub fn streams(owner: SessionId) -> Vec<(u32, StreamDescription)> {
    let stream = |media, role| StreamDescription { owner, media, role };
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
