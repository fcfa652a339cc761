//! When which packet of a VP8 stream is sent, and how long it is.

use std::time::Duration;

use bridge_units::Timestamp;

use crate::random::Sequence;

/// How video is cut into packets.
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

    /// Leaves out what should have been sent before `now`.
    pub(crate) fn skip_to(&mut self, now: Timestamp) {
        self.frame_at = self.frame_at.max(now);
    }

    fn interval(&self) -> Duration {
        let packets = if self.shape.singles { 1 } else { self.shape.frame_packets };
        Duration::from_secs_f64(f64::from(packets) / self.shape.rate)
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
            (false, true) => (self.shape.frame_packets * KEY_FRAME_TIMES_10 / 10).max(1),
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
