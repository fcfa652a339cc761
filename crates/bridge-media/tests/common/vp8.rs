use bridge_media::VideoCodec;
use bridge_units::Timestamp;

use super::{Label, Packet, frame_time};

/// Sends VP8 with three temporal layers, as one encoding of a source.
#[derive(Clone, Debug)]
pub struct Vp8Sender {
    pub encoding: u8,
    pub ssrc: u32,
    pub packets_per_frame: usize,
    pub sequence_number: u16,
    pub timestamp: u32,
    pub picture_id: u16,
    pub tl0: u8,
    pub time: Timestamp,
    pub has_layers: bool,
    frames: usize,
    keyframe_wanted: bool,
}

impl Vp8Sender {
    pub fn new(packets_per_frame: usize) -> Self {
        Self::of_encoding(0, 0xcafe_babe, packets_per_frame)
    }

    pub fn of_encoding(encoding: u8, ssrc: u32, packets_per_frame: usize) -> Self {
        Self {
            encoding,
            ssrc,
            packets_per_frame,
            sequence_number: 65_000_u16.wrapping_add(u16::from(encoding) * 7_919),
            timestamp: 0xffff_0000_u32.wrapping_add(u32::from(encoding) * 104_729),
            picture_id: u16::from(encoding) * 100,
            tl0: 0,
            time: Timestamp::from_millis(1_000),
            has_layers: true,
            frames: 0,
            keyframe_wanted: true,
        }
    }

    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// The temporal layer of the next frame.
    pub fn next_temporal_id(&self) -> u8 {
        if self.keyframe_wanted { 0 } else { [0, 2, 1, 2][self.frames % 4] }
    }

    /// Lets frames pass unsent, with all their numbers.
    pub fn skip_frames(&mut self, frames: usize) {
        for _ in 0..frames {
            self.frame();
        }
    }

    pub fn frame(&mut self) -> Vec<Packet> {
        let is_keyframe = std::mem::take(&mut self.keyframe_wanted);
        if is_keyframe {
            self.frames = 0;
        }
        let temporal_id = [0_u8, 2, 1, 2][self.frames % 4];
        if temporal_id == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        let packets = (0..self.packets_per_frame)
            .map(|part| self.packet(part, is_keyframe, temporal_id))
            .collect();
        self.frames += 1;
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.time += frame_time();
        packets
    }

    pub fn frames(&mut self, count: usize) -> Vec<Packet> {
        (0..count).flat_map(|_| self.frame()).collect()
    }

    fn packet(&mut self, part: usize, is_keyframe: bool, temporal_id: u8) -> Packet {
        let start = if part == 0 { 0x10 } else { 0 };
        let [high, low] = self.picture_id.to_be_bytes();
        let mut payload = if self.has_layers {
            vec![0x80 | start, 0xe0, 0x80 | high, low, self.tl0, temporal_id << 6]
        } else {
            vec![start]
        };
        payload.extend([u8::from(!is_keyframe), 0, 0, 0x9d, 0x01, 0x2a, 0x40, 1, 0xb4, 0, 0xaa]);
        let packet = Packet {
            codec: VideoCodec::Vp8,
            encoding: self.encoding,
            ssrc: self.ssrc,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            marker: part + 1 == self.packets_per_frame,
            payload,
            dependency_descriptor: None,
            received: self.time,
            label: Label {
                spatial_id: 0,
                temporal_id,
                is_keyframe,
                starts_frame: part == 0,
                ends_frame: part + 1 == self.packets_per_frame,
            },
        };
        self.sequence_number = self.sequence_number.wrapping_add(1);
        packet
    }
}
