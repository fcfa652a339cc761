//! The RTP packets of one stream.

use std::collections::VecDeque;
use std::time::Duration;

use bridge_rtp::rtcp::SenderInfo;
use bridge_rtp::{AudioLevel, MIN_RTP_HEADER_LEN, RTX_OSN_LEN};
use bridge_units::Timestamp;

use crate::payload::Stamp;
use crate::stream_id::{StreamId, StreamKind};
use crate::video_frames::{FramePacket, VideoFrames, VideoShape};
use crate::wall_clock::WallClock;

/// A stream that an endpoint is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamPlan {
    pub(crate) id: StreamId,
    /// Sound that is not silence; bridges may drop silence.
    pub(crate) is_audible: bool,
}

/// A stream that is being sent.
pub(crate) struct MediaStream {
    ssrc: u32,
    sequence: u16,
    /// The timestamp of time zero, random as any sender's.
    timestamp_base: u32,
    number: u32,
    octets: u32,
    media: Media,
    retransmission_sequence: u16,
    history: VecDeque<SentPacket>,
}

/// What it takes to write a packet of video again.
#[derive(Clone, Copy)]
struct SentPacket {
    sequence: u16,
    timestamp: u32,
    stamp: Stamp,
    packet: FramePacket,
    /// The last time it went out again.
    repeated: Option<Timestamp>,
}

enum Media {
    Audio { due: Timestamp, level: AudioLevel },
    Video { frames: VideoFrames, encoding: u8 },
}

/// A packet in the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenPacket {
    pub(crate) header_len: usize,
    pub(crate) len: usize,
}

impl MediaStream {
    /// Its first packet is due at `start`. `shape` is what all encodings of a source share.
    pub(crate) fn new(
        plan: StreamPlan,
        encodings: u8,
        shape: VideoShape,
        start: Timestamp,
    ) -> Self {
        let ssrc = plan.id.ssrc();
        let media = match plan.id.kind {
            StreamKind::Audio => Media::Audio {
                due: start,
                level: AudioLevel {
                    level: if plan.is_audible { AUDIBLE } else { AudioLevel::SILENCE },
                    voice_activity: plan.is_audible,
                },
            },
            StreamKind::Video(encoding) | StreamKind::Rtx(encoding) => Media::Video {
                frames: VideoFrames::new(
                    shape_of(shape, encoding, encodings),
                    start,
                    u64::from(ssrc),
                ),
                encoding,
            },
        };
        let (sequence, timestamp_base) = (ssrc as u16, ssrc.wrapping_mul(0x9e37_79b1));
        Self {
            ssrc,
            sequence,
            timestamp_base,
            number: 0,
            octets: 0,
            media,
            retransmission_sequence: 1,
            history: VecDeque::new(),
        }
    }

    pub(crate) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// When the next packet is due.
    pub(crate) fn due(&self) -> Timestamp {
        match &self.media {
            Media::Audio { due, .. } => *due,
            Media::Video { frames, .. } => frames.due(),
        }
    }

    /// Leaves out what should have been sent before `now`.
    pub(crate) fn skip_to(&mut self, now: Timestamp) {
        match &mut self.media {
            Media::Audio { due, .. } => *due = now.max(*due),
            Media::Video { frames, .. } => frames.skip_to(now),
        }
    }

    pub(crate) fn request_key_frame(&mut self) {
        if let Media::Video { frames, .. } = &mut self.media {
            frames.request_key_frame();
        }
    }

    /// Sets how many packets a second the video of this endpoint has, all `encodings` together.
    pub(crate) fn set_rate(&mut self, shape: VideoShape, encodings: u8) {
        if let Media::Video { frames, encoding } = &mut self.media {
            frames.set_rate(shape_of(shape, *encoding, encodings).rate);
        }
    }

    /// Writes the next packet, sent `now`, into `out`, which must hold an Ethernet frame's payload.
    pub(crate) fn write(
        &mut self,
        now: Timestamp,
        transport_sequence: u16,
        out: &mut [u8],
    ) -> Option<WrittenPacket> {
        let stamp = Stamp { ssrc: self.ssrc, number: self.number, sent: now };
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        let written = match &mut self.media {
            Media::Audio { due, level } => {
                let timestamp = self.timestamp_base.wrapping_add(ticks(*due, AUDIO_TICKS));
                *due += AUDIO_INTERVAL;
                let head = header(AUDIO_PAYLOAD_TYPE, false, sequence, timestamp, ssrc);
                write_audio(head, transport_sequence, level.to_byte(), stamp, out)?
            }
            Media::Video { frames, encoding } => {
                let ticks = ticks(frames.frame_at(), VIDEO_TICKS);
                let timestamp = self.timestamp_base.wrapping_add(ticks);
                let packet = frames.next_packet();
                let marker = packet.is_last;
                if self.history.len() == MAX_HISTORY {
                    self.history.pop_front();
                }
                self.history.push_back(SentPacket {
                    sequence,
                    timestamp,
                    stamp,
                    packet,
                    repeated: None,
                });
                let head = header(VIDEO_PAYLOAD_TYPE, marker, sequence, timestamp, ssrc);
                write_video(head, transport_sequence, &packet, *encoding, stamp, out)?
            }
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.number = self.number.wrapping_add(1);
        self.octets = self.octets.wrapping_add((written.len - written.header_len) as u32);
        Some(written)
    }

    /// Writes the packet with this number again, in the retransmission format (RFC 4588); `None` if
    /// it is forgotten, or went out again a short time ago: as libwebrtc, so that many receivers that miss
    /// the same packet do not cause as many copies.
    pub(crate) fn write_again(
        &mut self,
        now: Timestamp,
        sequence: u16,
        transport_sequence: u16,
        out: &mut [u8],
    ) -> Option<WrittenPacket> {
        let Media::Video { encoding, .. } = self.media else { return None };
        let sent = self.history.iter_mut().rev().find(|sent| sent.sequence == sequence)?;
        if sent.repeated.is_some_and(|at| now.since(at) < MIN_RESEND_INTERVAL) {
            return None;
        }
        sent.repeated = Some(now);
        let sent = *sent;
        let original = StreamId::of_ssrc(self.ssrc)?;
        let ssrc = StreamId { kind: StreamKind::Rtx(encoding), ..original }.ssrc();
        let (marker, number) = (sent.packet.is_last, self.retransmission_sequence);
        let head = header(RTX_PAYLOAD_TYPE, marker, number, sent.timestamp, ssrc);
        let written =
            write_video(head, transport_sequence, &sent.packet, encoding, sent.stamp, out)?;
        let start = written.header_len;
        out.get(..written.len + RTX_OSN_LEN)?;
        out.copy_within(start..written.len, start + RTX_OSN_LEN);
        out.get_mut(start..start + RTX_OSN_LEN)?.copy_from_slice(&sequence.to_be_bytes());
        self.retransmission_sequence = number.wrapping_add(1);
        Some(WrittenPacket { len: written.len + RTX_OSN_LEN, ..written })
    }

    /// What a sender report says `now`.
    pub(crate) fn sender_info(&self, now: Timestamp, wall_clock: WallClock) -> SenderInfo {
        let per_milli = match self.media {
            Media::Audio { .. } => AUDIO_TICKS,
            Media::Video { .. } => VIDEO_TICKS,
        };
        SenderInfo {
            ssrc: self.ssrc,
            ntp_timestamp: wall_clock.ntp(now),
            rtp_timestamp: self.timestamp_base.wrapping_add(ticks(now, per_milli)),
            packet_count: self.number,
            octet_count: self.octets,
        }
    }
}

/// Where the stamp is in a decrypted payload of this payload type: behind what bridges may rewrite.
pub(crate) const fn stamp_offset(payload_type: u8) -> usize {
    if payload_type == AUDIO_PAYLOAD_TYPE { AUDIO_HEAD_LEN } else { VP8_HEAD_LEN }
}

/// A clock of so many ticks a millisecond.
const fn ticks(at: Timestamp, per_milli: u64) -> u32 {
    // Timestamps wrap.
    (at.as_micros() * per_milli / 1_000) as u32
}

/// The fixed header of a packet with an extension block.
fn header(
    payload_type: u8,
    marker: bool,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
) -> [u8; MIN_RTP_HEADER_LEN] {
    let mut header = [0; MIN_RTP_HEADER_LEN];
    let parts = [HAS_EXTENSION, payload_type | if marker { MARKER } else { 0 }]
        .into_iter()
        .chain(sequence.to_be_bytes())
        .chain(timestamp.to_be_bytes())
        .chain(ssrc.to_be_bytes());
    header.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    header
}

fn shape_of(shape: VideoShape, encoding: u8, encodings: u8) -> VideoShape {
    if encodings <= 1 {
        return shape;
    }
    // A quarter of the pixels has about half of the bits.
    let share = f64::from(1_u32 << encoding) / 7.0;
    let packets = (f64::from(shape.frame_packets) * share).round().max(1.0);
    VideoShape { rate: shape.rate * share, frame_packets: packets as u32, ..shape }
}

fn write_audio(
    header: [u8; MIN_RTP_HEADER_LEN],
    transport_sequence: u16,
    level: u8,
    stamp: Stamp,
    out: &mut [u8],
) -> Option<WrittenPacket> {
    let [high, low] = transport_sequence.to_be_bytes();
    let extension = [
        [0xbe, 0xde, 0, 2],
        [AUDIO_LEVEL_ID << 4, level, TRANSPORT_CC_ID << 4 | 1, high],
        [low, 0, 0, 0],
    ];
    let header_len = header.len() + 4 * extension.len();
    let len = header_len + AUDIO_PAYLOAD_BYTES;
    put(out, &header, extension.as_flattened())?;
    let payload = out.get_mut(header_len..len)?;
    *payload.first_mut()? = OPUS_TOC;
    stamp.write(payload.get_mut(AUDIO_HEAD_LEN..)?);
    Some(WrittenPacket { header_len, len })
}

fn write_video(
    header: [u8; MIN_RTP_HEADER_LEN],
    transport_sequence: u16,
    packet: &FramePacket,
    encoding: u8,
    stamp: Stamp,
    out: &mut [u8],
) -> Option<WrittenPacket> {
    let [high, low] = transport_sequence.to_be_bytes();
    let extension = [0xbe, 0xde, 0, 1, TRANSPORT_CC_ID << 4 | 1, high, low, 0];
    let header_len = header.len() + extension.len();
    put(out, &header, &extension)?;
    let payload = out.get_mut(header_len..packet.bytes)?;
    let (head, rest) = payload.split_first_chunk_mut::<VP8_HEAD_LEN>()?;
    *head = vp8_head(packet, encoding);
    stamp.write(rest);
    Some(WrittenPacket { header_len, len: packet.bytes })
}

fn put(out: &mut [u8], header: &[u8], extension: &[u8]) -> Option<()> {
    let (head, rest) = out.split_at_mut_checked(header.len())?;
    head.copy_from_slice(header);
    rest.get_mut(..extension.len())?.copy_from_slice(extension);
    Some(())
}

/// The payload descriptor (RFC 7741, 4.2) with 15 bits of picture id, TL0PICIDX and TID, and the
/// frame header (RFC 6386, 9.1) in the first packet.
fn vp8_head(packet: &FramePacket, encoding: u8) -> [u8; VP8_HEAD_LEN] {
    let first = if packet.is_first { 0x10 } else { 0 };
    let [picture_high, picture_low] = (packet.frame as u16 | 0x8000).to_be_bytes();
    let descriptor = [0x80 | first, 0xe0, picture_high, picture_low, packet.frame as u8, 0];
    let (width, height) = (320_u16 << encoding, 180_u16 << encoding);
    let ([w0, w1], [h0, h1]) = (width.to_le_bytes(), height.to_le_bytes());
    let frame = match (packet.is_first, packet.is_key) {
        (true, true) => [0x10, 0, 0, 0x9d, 0x01, 0x2a, w0, w1, h0, h1],
        (true, false) => [0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        (false, _) => [0; 10],
    };
    let mut head = [0; VP8_HEAD_LEN];
    head.iter_mut().zip(descriptor.into_iter().chain(frame)).for_each(|(to, from)| *to = from);
    head
}

/// As offered by [`crate::colibri_client`].
pub(crate) const AUDIO_PAYLOAD_TYPE: u8 = 111;
pub(crate) const VIDEO_PAYLOAD_TYPE: u8 = 100;
pub(crate) const RTX_PAYLOAD_TYPE: u8 = 96;
pub(crate) const AUDIO_LEVEL_ID: u8 = 1;
pub(crate) const TRANSPORT_CC_ID: u8 = 5;

/// Packets that can be sent again: two seconds and more.
const MAX_HISTORY: usize = 512;
/// libwebrtc waits for a round trip; this is a usual one.
const MIN_RESEND_INTERVAL: Duration = Duration::from_millis(50);
/// Version 2 with the X bit.
const HAS_EXTENSION: u8 = 0x90;
const MARKER: u8 = 0x80;
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
/// Of the RTP clocks, in a millisecond.
const AUDIO_TICKS: u64 = 48;
const VIDEO_TICKS: u64 = 90;
const AUDIO_PAYLOAD_BYTES: usize = 160;
/// Before the stamp: the byte that says which Opus.
const AUDIO_HEAD_LEN: usize = 1;
const OPUS_TOC: u8 = 0x78;
/// Before the stamp: payload descriptor and frame header.
const VP8_HEAD_LEN: usize = 16;
/// In dB below full scale.
const AUDIBLE: u8 = 30;

#[cfg(test)]
mod tests {
    use bridge_rtp::{RtpHeader, transport_cc_sequence};

    use super::*;

    const SHAPE: VideoShape =
        VideoShape { rate: 210.0, frame_packets: 7, packet_bytes: None, singles: false };

    fn stream(kind: StreamKind, is_audible: bool) -> MediaStream {
        let plan = StreamPlan { id: StreamId { endpoint: 3, kind }, is_audible };
        MediaStream::new(plan, 1, SHAPE, Timestamp::ZERO)
    }

    fn check(stream: &mut MediaStream, number: u32) -> (RtpHeader, Vec<u8>) {
        let mut buffer = [0; 1_500];
        let now = stream.due();
        let written = stream.write(now, 0x1234, &mut buffer).unwrap();
        let packet = &buffer[..written.len];
        let header = RtpHeader::parse(packet).unwrap();
        assert_eq!(header.header_len(), written.header_len);
        assert_eq!(header.ssrc, stream.ssrc());
        let transport = header.extension_data(packet, TRANSPORT_CC_ID).unwrap();
        assert_eq!(transport_cc_sequence(transport), Some(0x1234));
        let stamped = &header.payload(packet)[stamp_offset(header.payload_type)..];
        let stamp = Stamp::read(stamped).unwrap();
        assert_eq!((stamp.ssrc, stamp.number, stamp.sent), (stream.ssrc(), number, now));
        (header, packet.to_vec())
    }

    #[test]
    fn audio_has_50_packets_a_second_with_levels() {
        for (is_audible, level) in [(true, 0x80 | 30), (false, 127)] {
            let mut stream = stream(StreamKind::Audio, is_audible);
            for number in 0..5 {
                assert_eq!(stream.due(), Timestamp::from_millis(20 * u64::from(number)));
                let (header, packet) = check(&mut stream, number);
                assert_eq!(header.payload(&packet).len(), 160);
                assert_eq!(header.extension_data(&packet, AUDIO_LEVEL_ID), Some(&[level][..]));
            }
        }
    }

    #[test]
    fn video_has_frames_of_vp8() {
        let mut stream = stream(StreamKind::Video(0), false);
        let packets: Vec<_> = (0..48).map(|number| check(&mut stream, number)).collect();
        let ends: Vec<usize> = (0..48).filter(|at| packets[*at].0.marker).collect();
        assert_eq!(ends, [40, 47]);
        let payload = |at: usize| packets[at].0.payload(&packets[at].1);
        assert_eq!(payload(0)[..9], [0x90, 0xe0, 0x80, 0, 0, 0, 0x10, 0, 0]);
        assert_eq!(payload(1)[0], 0x80);
        assert_eq!((payload(41)[0], payload(41)[6] & 1), (0x90, 1));
        assert_eq!(packets[0].0.timestamp, packets[40].0.timestamp);
        assert_ne!(packets[40].0.timestamp, packets[41].0.timestamp);
        let numbers: Vec<u16> = packets.iter().map(|(header, _)| header.sequence_number).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
    }

    #[test]
    fn video_is_sent_again_in_the_retransmission_format() {
        let mut stream = stream(StreamKind::Video(0), false);
        let packets: Vec<_> = (0..600).map(|number| check(&mut stream, number)).collect();
        let mut buffer = [0; 1_500];
        let (header, packet) = &packets[500];
        let now = stream.due();
        let again = stream.write_again(now, header.sequence_number, 7, &mut buffer).unwrap();
        let bytes = &buffer[..again.len];
        let rtx = RtpHeader::parse(bytes).unwrap();
        assert_eq!((rtx.payload_type, rtx.timestamp), (RTX_PAYLOAD_TYPE, header.timestamp));
        let id = StreamId::of_ssrc(rtx.ssrc).unwrap();
        assert_eq!((id.endpoint, id.kind), (3, StreamKind::Rtx(0)));
        let (number, payload) = rtx.payload(bytes).split_at(2);
        assert_eq!(number, header.sequence_number.to_be_bytes());
        assert_eq!(payload, header.payload(packet));
        let forgotten = packets[0].0.sequence_number;
        assert_eq!(stream.write_again(now, forgotten, 8, &mut buffer), None);
        let repeated = header.sequence_number;
        assert_eq!(stream.write_again(now, repeated, 8, &mut buffer), None, "too soon");
        let later = now + Duration::from_secs(1);
        assert!(stream.write_again(later, repeated, 8, &mut buffer).is_some());
    }

    #[test]
    fn sender_reports_tell_when_a_frame_was_taken() {
        let wall_clock = WallClock::start(bridge_io::Clock::start());
        for (kind, ticks_a_second) in [(StreamKind::Audio, 48_000), (StreamKind::Video(1), 90_000)]
        {
            let mut stream = stream(kind, true);
            let at = stream.due();
            let (header, packet) = check(&mut stream, 0);
            let [taken, later] =
                [0, 1_000].map(|ms| stream.sender_info(at + Duration::from_millis(ms), wall_clock));
            assert_eq!(taken.rtp_timestamp, header.timestamp, "{kind:?}");
            let ticks = later.rtp_timestamp.wrapping_sub(taken.rtp_timestamp);
            assert_eq!(ticks, ticks_a_second);
            assert_eq!(later.ntp_timestamp - taken.ntp_timestamp, 1 << 32);
            let octets = header.payload(&packet).len() as u32;
            assert_eq!((taken.packet_count, taken.octet_count), (1, octets));
        }
    }

    #[test]
    fn encodings_share_the_rate() {
        let shares: Vec<VideoShape> = (0..3).map(|encoding| shape_of(SHAPE, encoding, 3)).collect();
        assert_eq!(shares.iter().map(|s| s.frame_packets).collect::<Vec<_>>(), [1, 2, 4]);
        let total: f64 = shares.iter().map(|s| s.rate).sum();
        assert!((total - 210.0).abs() < 1e-6);
    }
}
