//! When which packet of a VP8 stream is sent, and how long it is.

use std::time::Duration;

use bridge_units::Timestamp;

use crate::arguments::Arguments;
use crate::random::Sequence;

/// How video is cut into packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As by libwebrtc: packets of a frame differ by a byte.
    Frames,
    /// Bursts of equal packets, which bridges can send in one go.
    EqualFrames,
    /// Evenly spaced packets, each a frame of its own.
    Singles,
}

/// The same in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct VideoShape {
    /// Packets a second in the long run, without key frames' surplus.
    pub(crate) rate: f64,
    /// Packets of a delta frame.
    pub(crate) frame_packets: u32,
    /// RTP packets of this size, if fixed.
    pub(crate) packet_bytes: Option<usize>,
    /// Evenly spaced, each a frame of its own.
    pub(crate) singles: bool,
}

/// One packet to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FramePacket {
    pub(crate) is_key: bool,
    pub(crate) is_first: bool,
    pub(crate) is_last: bool,
    /// Size with the RTP header, before encryption.
    pub(crate) bytes: usize,
    /// Frames before this one.
    pub(crate) frame: u32,
}

/// The frames of one stream, packet by packet.
#[derive(Clone, Debug)]
pub(crate) struct VideoFrames {
    shape: VideoShape,
    sizes: Sequence,
    frame: u32,
    frame_at: Timestamp,
    packets: u32,
    next: u32,
    is_key: bool,
    base_bytes: usize,
    longer: u32,
    key_wanted: bool,
    key_at: Timestamp,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 3] = [Self::Frames, Self::EqualFrames, Self::Singles];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::EqualFrames => "equal-frames",
            Self::Singles => "singles",
        }
    }

    /// From its name on the command line.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.name() == name)
    }
}

impl VideoShape {
    /// What the command line asks for.
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let (frame_packets, packet_bytes) = match arguments.shape {
            Shape::Frames => (LIBWEBRTC_PACKETS, None),
            Shape::EqualFrames => (BURST_PACKETS, Some(EQUAL_BYTES)),
            Shape::Singles => (1, Some(EQUAL_BYTES)),
        };
        let singles = arguments.shape == Shape::Singles;
        let frame_packets =
            if singles { 1 } else { arguments.frame_packets.unwrap_or(frame_packets) };
        let packet_bytes = arguments.packet_bytes.or(packet_bytes);
        let mean_bytes = packet_bytes.unwrap_or(MIN_BYTES + BYTES_RANGE as usize / 2);
        let rate = arguments.video_bitrate.map(|bits| bits / (8.0 * mean_bytes as f64));
        Self { rate: rate.unwrap_or(arguments.rate), frame_packets, packet_bytes, singles }
    }
}

impl VideoFrames {
    /// The first frame, a key frame, is due at `start`.
    pub(crate) fn new(shape: VideoShape, start: Timestamp, seed: u64) -> Self {
        let mut frames = Self {
            shape,
            sizes: Sequence::new(seed),
            frame: 0,
            frame_at: start,
            packets: 0,
            next: 0,
            is_key: true,
            base_bytes: 0,
            longer: 0,
            key_wanted: true,
            key_at: Timestamp::ZERO,
        };
        frames.begin_frame();
        frames
    }

    /// When the next packet is due: a frame leaves in bursts, as from libwebrtc's pacer.
    pub(crate) fn due(&self) -> Timestamp {
        self.frame_at + BURST_INTERVAL * (self.next / BURST_PACKETS)
    }

    /// The next packet.
    pub(crate) fn next_packet(&mut self) -> FramePacket {
        let packet = FramePacket {
            is_key: self.is_key,
            is_first: self.next == 0,
            is_last: self.next + 1 == self.packets,
            bytes: self.base_bytes + usize::from(self.next < self.longer),
            frame: self.frame,
        };
        self.next += 1;
        if self.next == self.packets {
            self.frame += 1;
            self.frame_at += self.interval();
            self.begin_frame();
        }
        packet
    }

    /// Somebody wants a key frame.
    pub(crate) fn request_key_frame(&mut self) {
        self.key_wanted = true;
    }

    pub(crate) fn set_rate(&mut self, rate: f64) {
        self.shape.rate = rate;
    }

    /// When the current frame was taken, as its timestamp tells: the same in all encodings.
    pub(crate) const fn frame_at(&self) -> Timestamp {
        self.frame_at
    }

    /// Leaves out what should have been sent before `now`.
    pub(crate) fn skip_to(&mut self, now: Timestamp) {
        self.frame_at = self.frame_at.max(now);
    }

    fn interval(&self) -> Duration {
        let packets = if self.shape.singles { 1 } else { self.shape.frame_packets };
        Duration::from_secs_f64(f64::from(packets) / self.shape.rate)
    }

    /// A number of whole bursts where all packets are equal.
    fn key_frame_packets(&self) -> u32 {
        let packets = (self.shape.frame_packets * KEY_FRAME_TIMES_10 / 10).max(1);
        match self.shape.packet_bytes {
            Some(_) => packets.next_multiple_of(self.shape.frame_packets.clamp(1, BURST_PACKETS)),
            None => packets,
        }
    }

    fn begin_frame(&mut self) {
        let key_allowed = self.frame == 0 || self.frame_at.since(self.key_at) >= KEY_INTERVAL;
        self.is_key = self.key_wanted && key_allowed;
        if self.is_key {
            self.key_wanted = false;
            self.key_at = self.frame_at;
        }
        let packets = match (self.shape.singles, self.is_key) {
            (true, _) => 1,
            (false, false) => self.shape.frame_packets,
            (false, true) => self.key_frame_packets(),
        };
        self.next = 0;
        self.packets = packets;
        match self.shape.packet_bytes {
            Some(bytes) => (self.base_bytes, self.longer) = (bytes, 0),
            None => {
                // libwebrtc cuts a frame into packets that differ by a byte at most.
                self.base_bytes = MIN_BYTES + self.sizes.below(BYTES_RANGE) as usize;
                self.longer = self.sizes.below(u64::from(packets)) as u32;
            }
        }
    }
}

/// libwebrtc's pacer wakes up this often.
const BURST_INTERVAL: Duration = Duration::from_millis(5);
/// A delta frame leaves in one burst, a key frame in several.
const BURST_PACKETS: u32 = 8;
/// Packets of a frame of 2 Mbit/s.
const LIBWEBRTC_PACKETS: u32 = 7;
/// 1,200 bytes with the authentication tag of AES-GCM.
const EQUAL_BYTES: usize = 1_184;
/// Key frames of 41 packets where others have 7.
const KEY_FRAME_TIMES_10: u32 = 59;
/// Requests within this time are one.
const KEY_INTERVAL: Duration = Duration::from_millis(300);
const MIN_BYTES: usize = 1_100;
const BYTES_RANGE: u64 = 99;

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: VideoShape =
        VideoShape { rate: 210.0, frame_packets: 7, packet_bytes: None, singles: false };

    #[test]
    fn shapes_lead_to_numbers() {
        let bridge = "http://127.0.0.1:1".parse().unwrap();
        let arguments = Arguments::new(bridge, crate::scenario::Scenario::OneToMany);
        let shape = |shape| VideoShape::new(&Arguments { shape, ..arguments.clone() });
        assert_eq!(shape(Shape::Frames), SHAPE);
        let equal = shape(Shape::EqualFrames);
        assert_eq!((equal.frame_packets, equal.packet_bytes), (8, Some(1_184)));
        let singles = shape(Shape::Singles);
        assert!(singles.singles && singles.packet_bytes == Some(1_184));
        let chosen =
            Arguments { video_bitrate: Some(1e6), packet_bytes: Some(125), ..arguments.clone() };
        assert_eq!(VideoShape::new(&chosen).rate, 1_000.0);
        for shape in Shape::ALL {
            assert_eq!(Shape::from_name(shape.name()), Some(shape));
        }
    }

    #[test]
    fn equal_frames_are_whole_bursts() {
        let shape = VideoShape { frame_packets: 8, packet_bytes: Some(1_184), ..SHAPE };
        let mut frames = VideoFrames::new(shape, Timestamp::ZERO, 1);
        let key = frame(&mut frames);
        let mut bursts = std::collections::BTreeMap::new();
        key.iter().for_each(|(due, _)| *bursts.entry(*due).or_insert(0) += 1);
        assert!(key.len() == 48 && bursts.values().all(|count| *count == 8), "{bursts:?}");
        let delta = frame(&mut frames);
        assert!(delta.len() == 8 && delta.iter().all(|(due, _)| *due == delta[0].0));
        assert!(key.iter().chain(&delta).all(|(_, packet)| packet.bytes == 1_184));
    }

    fn frame(frames: &mut VideoFrames) -> Vec<(Timestamp, FramePacket)> {
        let mut packets = Vec::new();
        loop {
            let due = frames.due();
            let packet = frames.next_packet();
            packets.push((due, packet));
            if packet.is_last {
                return packets;
            }
        }
    }

    #[test]
    fn frames_look_like_libwebrtcs() {
        let start = Timestamp::from_millis(1_000);
        let mut frames = VideoFrames::new(SHAPE, start, 1);
        let key = frame(&mut frames);
        assert_eq!(key.len(), 41);
        assert!(key.iter().all(|(_, packet)| packet.is_key));
        let bursts: Vec<u64> =
            key.iter().map(|(due, _)| due.since(start).as_millis() as u64).collect();
        assert_eq!((bursts[0], bursts[7], bursts[8], bursts[40]), (0, 0, 5, 25));
        for number in 1..=30_u32 {
            let delta = frame(&mut frames);
            assert_eq!(delta.len(), 7);
            let sizes: Vec<usize> = delta.iter().map(|(_, packet)| packet.bytes).collect();
            let (least, most) = (*sizes.iter().min().unwrap(), *sizes.iter().max().unwrap());
            assert!(most - least <= 1 && least >= 1_100 && most <= 1_200, "{sizes:?}");
            assert!(delta.iter().all(|(due, packet)| {
                let at = due.since(start).as_micros() as i64;
                !packet.is_key
                    && packet.frame == number
                    && (at - i64::from(number) * 33_333).abs() < 50
            }));
        }
    }

    #[test]
    fn key_frames_come_when_asked_for_but_not_too_often() {
        let mut frames = VideoFrames::new(SHAPE, Timestamp::from_millis(1_000), 1);
        let is_key: Vec<bool> = (0..30)
            .map(|_| {
                frames.request_key_frame();
                frame(&mut frames)[0].1.is_key
            })
            .collect();
        assert_eq!(is_key.iter().filter(|is_key| **is_key).count(), 3, "{is_key:?}");
    }

    #[test]
    fn singles_are_evenly_spaced() {
        let shape = VideoShape { rate: 1_000.0, singles: true, packet_bytes: Some(500), ..SHAPE };
        let mut frames = VideoFrames::new(shape, Timestamp::ZERO, 1);
        for number in 0..10 {
            assert_eq!(frames.due(), Timestamp::from_millis(number));
            let packet = frames.next_packet();
            assert!(packet.is_first && packet.is_last);
            assert_eq!(packet.bytes, 500);
        }
    }
}
