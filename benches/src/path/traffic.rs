//! What the sender sends: VP8 frames of eight equal packets, and opus.

use super::{AUDIO, AUDIO_SSRC, EXTENSIONS, VIDEO, VIDEO_SSRC};
use anyhow::Result;
use bridge_rtp::rtcp::SenderInfo;
use bridge_rtp::{
    AddedExtension, ExtensionIdSet, ExtensionType, RtcpWriter, RtpHeader, write_packet,
};
use bridge_units::Timestamp;
use std::time::Duration;

/// Packets of a video frame.
pub(crate) const FRAME_PACKETS: usize = 8;
/// Bytes of a video packet before it is sealed, from the RTP header on.
pub(crate) const VIDEO_BYTES: usize = 1_184;
/// Bytes of an audio packet before it is sealed.
pub(crate) const AUDIO_BYTES: usize = 160;

/// A sender's streams.
pub(crate) struct Traffic {
    video: Stream,
    audio: Stream,
    picture: u16,
    transport_number: u16,
    wants_keyframe: bool,
    buffer: [u8; 1_500],
}

/// What differs from packet to packet of one SSRC.
struct Stream {
    ssrc: u32,
    payload_type: u8,
    sequence_number: u16,
    timestamp: u32,
    packets: u32,
    octets: u32,
}

impl Traffic {
    /// Nothing sent yet.
    pub(crate) fn new() -> Self {
        let stream = |ssrc, payload_type| Stream {
            ssrc,
            payload_type,
            sequence_number: 1,
            timestamp: 90_000,
            packets: 0,
            octets: 0,
        };
        Self {
            video: stream(VIDEO_SSRC, VIDEO),
            audio: stream(AUDIO_SSRC, AUDIO),
            picture: 0,
            transport_number: 0,
            wants_keyframe: true,
            buffer: [0; 1_500],
        }
    }

    /// Makes the next frame a key frame.
    pub(crate) fn request_keyframe(&mut self) {
        self.wants_keyframe = true;
    }

    /// The packets of the next frame, one after the other.
    pub(crate) fn frame(&mut self, mut send: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let is_keyframe = std::mem::take(&mut self.wants_keyframe);
        self.picture = (self.picture + 1) & 0x7fff;
        self.video.timestamp = self.video.timestamp.wrapping_add(2_880);
        for packet in 0..FRAME_PACKETS {
            let (is_first, is_last) = (packet == 0, packet + 1 == FRAME_PACKETS);
            let mut descriptor = vp8_descriptor(self.picture, is_first);
            descriptor[DESCRIPTOR_LEN] = u8::from(!is_keyframe);
            if !is_first {
                descriptor[DESCRIPTOR_LEN] = 0x5a;
            }
            let len = self.packet(true, is_last, VIDEO_BYTES, &descriptor)?;
            send(&self.buffer[..len])?;
        }
        Ok(())
    }

    /// The next packet of sound.
    pub(crate) fn sound(&mut self) -> Result<&[u8]> {
        self.audio.timestamp = self.audio.timestamp.wrapping_add(960);
        let len = self.packet(false, false, AUDIO_BYTES, &[])?;
        Ok(&self.buffer[..len])
    }

    /// A sender report of each stream, one after the other.
    pub(crate) fn reports(
        &self,
        now: Timestamp,
        mut send: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        for stream in [&self.video, &self.audio] {
            let info = SenderInfo {
                ssrc: stream.ssrc,
                ntp_timestamp: (now.as_millis() / 1_000) << 32,
                rtp_timestamp: stream.timestamp,
                packet_count: stream.packets,
                octet_count: stream.octets,
            };
            let mut buffer = [0; 128];
            let mut writer = RtcpWriter::new(&mut buffer);
            writer.sender_report(&info, &[])?;
            send(writer.as_bytes())?;
        }
        Ok(())
    }

    /// Writes the next packet of `size` bytes, which begins its payload with `start`.
    fn packet(&mut self, is_video: bool, marker: bool, size: usize, start: &[u8]) -> Result<usize> {
        let stream = if is_video { &mut self.video } else { &mut self.audio };
        stream.sequence_number = stream.sequence_number.wrapping_add(1);
        self.transport_number = self.transport_number.wrapping_add(1);
        let mut plain = [0x5a; VIDEO_BYTES];
        plain[0] = 0x80;
        plain[1] = stream.payload_type | (u8::from(marker) << 7);
        plain[2..4].copy_from_slice(&stream.sequence_number.to_be_bytes());
        plain[4..8].copy_from_slice(&stream.timestamp.to_be_bytes());
        plain[8..12].copy_from_slice(&stream.ssrc.to_be_bytes());
        plain[12..12 + start.len()].copy_from_slice(start);
        let number = self.transport_number.to_be_bytes();
        let values = [
            AddedExtension { id: extension_id(ExtensionType::TransportCc), data: &number },
            AddedExtension { id: extension_id(ExtensionType::AudioLevel), data: &[0x80 | 30] },
        ];
        let values = if is_video { &values[..1] } else { &values[..] };
        // Each block is four bytes of head and its elements, padded to a word.
        let block = if is_video { 8 } else { 12 };
        let plain = &plain[..size - block];
        stream.packets += 1;
        stream.octets = stream.octets.wrapping_add(plain.len() as u32 - 12);
        let header = RtpHeader::parse(plain)?;
        let (_, len) =
            write_packet(plain, &header, &ExtensionIdSet::EMPTY, values, &mut self.buffer)?;
        debug_assert_eq!(len, size);
        Ok(len)
    }
}

/// The time between two frames.
pub(crate) const FRAME_INTERVAL: Duration = Duration::from_millis(32);
/// The time between two packets of sound.
pub(crate) const SOUND_INTERVAL: Duration = Duration::from_millis(20);
/// The time between two sender reports.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The id that this header extension has been negotiated with.
pub(crate) fn extension_id(kind: ExtensionType) -> u8 {
    let known = EXTENSIONS.iter().find(|(_, known)| *known == kind);
    known.map_or(0, |(id, _)| *id)
}

/// With a picture id of 15 bits, layer 0 index and temporal layer 0, and the first bytes of the VP8
/// header (RFC 7741 section 4.2): start code and size, as a key frame has them.
fn vp8_descriptor(picture: u16, is_first: bool) -> [u8; DESCRIPTOR_LEN + 10] {
    let [high, low] = picture.to_be_bytes();
    let first = 0x80 | if is_first { 0x10 } else { 0 };
    let (width, height) = (1_280_u16.to_le_bytes(), 720_u16.to_le_bytes());
    let [w0, w1] = width;
    let [h0, h1] = height;
    [first, 0xe0, 0x80 | high, low, low, 0, 0, 0, 0, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]
}

/// Bytes of the VP8 payload descriptor.
const DESCRIPTOR_LEN: usize = 6;
