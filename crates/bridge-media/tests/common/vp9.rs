use bridge_media::VideoCodec;
use bridge_units::Timestamp;

use super::{Label, Packet, frame_time};

/// Which frames refer to the spatial layer below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalability {
    /// All of them.
    Svc,
    /// Those of key pictures.
    KSvc,
}

/// Sends VP9 with three temporal layers.
#[derive(Clone, Debug)]
pub struct Vp9Sender {
    pub encoding: u8,
    pub ssrc: u32,
    pub packets_per_frame: usize,
    pub spatial_layers: u8,
    pub scalability: Scalability,
    pub flexible: bool,
    pub sequence_number: u16,
    pub timestamp: u32,
    pub picture_id: u16,
    pub tl0: u8,
    pub time: Timestamp,
    pictures: usize,
    keyframe_wanted: bool,
}

impl Vp9Sender {
    pub fn new(spatial_layers: u8, scalability: Scalability, packets_per_frame: usize) -> Self {
        Self {
            encoding: 0,
            ssrc: 0xcafe_babe,
            packets_per_frame,
            spatial_layers,
            scalability,
            flexible: false,
            sequence_number: 65_400,
            timestamp: 0xffff_8000,
            picture_id: 32_700,
            tl0: 250,
            time: Timestamp::from_millis(1_000),
            pictures: 0,
            keyframe_wanted: true,
        }
    }

    pub fn of_encoding(encoding: u8, ssrc: u32, packets_per_frame: usize) -> Self {
        Self {
            encoding,
            ssrc,
            sequence_number: 1_000 * u16::from(encoding),
            timestamp: 7_777_777 * u32::from(encoding),
            ..Self::new(1, Scalability::Svc, packets_per_frame)
        }
    }

    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// All layer frames of the next picture.
    pub fn picture(&mut self) -> Vec<Packet> {
        let is_keyframe = std::mem::take(&mut self.keyframe_wanted);
        if is_keyframe {
            self.pictures = 0;
        }
        let temporal_id = [0_u8, 2, 1, 2][self.pictures % 4];
        if temporal_id == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        let mut packets = Vec::new();
        for spatial_id in 0..self.spatial_layers {
            for part in 0..self.packets_per_frame {
                let label = Label {
                    spatial_id,
                    temporal_id,
                    is_keyframe,
                    starts_frame: part == 0,
                    ends_frame: part + 1 == self.packets_per_frame,
                };
                packets.push(self.packet(part, label));
            }
        }
        self.pictures += 1;
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.time += frame_time();
        packets
    }

    pub fn pictures(&mut self, count: usize) -> Vec<Packet> {
        (0..count).flat_map(|_| self.picture()).collect()
    }

    fn packet(&mut self, part: usize, label: Label) -> Packet {
        let is_top = label.spatial_id + 1 == self.spatial_layers;
        let is_last = part + 1 == self.packets_per_frame;
        let uses_lower =
            label.spatial_id > 0 && (label.is_keyframe || self.scalability == Scalability::Svc);
        let is_reference = !is_top && (label.is_keyframe || self.scalability == Scalability::Svc);
        let has_structure = label.is_keyframe && label.spatial_id == 0 && part == 0;
        let first = 0xa0
            | if label.is_keyframe { 0 } else { 0x40 }
            | if self.flexible { 0x10 } else { 0 }
            | if part == 0 { 0x08 } else { 0 }
            | if is_last { 0x04 } else { 0 }
            | if has_structure { 0x02 } else { 0 }
            | u8::from(!is_reference);
        let [high, low] = self.picture_id.to_be_bytes();
        let layer = label.temporal_id << 5 | label.spatial_id << 1 | u8::from(uses_lower);
        let mut payload = vec![first, 0x80 | high, low, layer];
        if !self.flexible {
            payload.push(self.tl0);
        } else if !label.is_keyframe {
            payload.push(2);
        }
        if has_structure {
            self.push_structure(&mut payload);
        }
        payload.extend([1, 2, 3]);
        let packet = Packet {
            codec: VideoCodec::Vp9,
            encoding: self.encoding,
            ssrc: self.ssrc,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            marker: is_top && is_last,
            payload,
            dependency_descriptor: None,
            received: self.time,
            label,
        };
        self.sequence_number = self.sequence_number.wrapping_add(1);
        packet
    }

    fn push_structure(&self, payload: &mut Vec<u8>) {
        let group = if self.flexible { 0 } else { 0x08 };
        payload.push((self.spatial_layers - 1) << 5 | 0x10 | group);
        for spatial_id in 0..self.spatial_layers {
            payload.extend((320_u16 << spatial_id).to_be_bytes());
            payload.extend((180_u16 << spatial_id).to_be_bytes());
        }
        if !self.flexible {
            payload.extend([4, 0x04, 4, 0x44, 1, 0x24, 2, 0x44, 1]);
        }
    }
}
