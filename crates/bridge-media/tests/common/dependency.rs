use bridge_media::VideoCodec;
use bridge_units::Timestamp;

use super::{Label, Packet, frame_time};

/// Which frames belong to which decode targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each spatial layer refers to the one below.
    Svc,
    /// Only in key pictures.
    Key,
    /// Never: simulcast in one stream.
    Simulcast,
}

/// Sends AV1 with three temporal layers and a dependency descriptor.
#[derive(Clone, Debug)]
pub struct DependencySender {
    pub encoding: u8,
    pub ssrc: u32,
    pub packets_per_frame: usize,
    pub spatial_layers: u8,
    pub mode: Mode,
    pub template_offset: u8,
    pub sequence_number: u16,
    pub timestamp: u32,
    pub frame_number: u16,
    pub time: Timestamp,
    pictures: usize,
    keyframe_wanted: bool,
}

/// Key, T0, T1 and two of T2 for each spatial layer.
pub const TEMPLATES_PER_LAYER: u8 = 5;

impl DependencySender {
    pub fn new(spatial_layers: u8, mode: Mode, packets_per_frame: usize) -> Self {
        Self {
            encoding: 0,
            ssrc: 0xcafe_babe,
            packets_per_frame,
            spatial_layers,
            mode,
            template_offset: 0,
            sequence_number: 65_400,
            timestamp: 0xffff_8000,
            frame_number: 65_500,
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
            frame_number: 900 * u16::from(encoding),
            ..Self::new(1, Mode::Svc, packets_per_frame)
        }
    }

    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    pub fn picture(&mut self) -> Vec<Packet> {
        let is_keyframe = std::mem::take(&mut self.keyframe_wanted);
        if is_keyframe {
            self.pictures = 0;
        }
        let temporal_id = [0_u8, 2, 1, 2][self.pictures % 4];
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
            self.frame_number = self.frame_number.wrapping_add(1);
        }
        self.pictures += 1;
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.time += frame_time();
        packets
    }

    pub fn pictures(&mut self, count: usize) -> Vec<Packet> {
        (0..count).flat_map(|_| self.picture()).collect()
    }

    /// Whether a frame belongs to a decode target.
    pub fn is_present(&self, label: Label, decode_target: u8) -> bool {
        self.indication(label, decode_target) != NOT_PRESENT
    }

    pub fn target_of(spatial_id: u8, temporal_id: u8) -> u8 {
        spatial_id * 3 + temporal_id
    }

    fn packet(&mut self, part: usize, label: Label) -> Packet {
        let is_last = part + 1 == self.packets_per_frame;
        let packet = Packet {
            codec: VideoCodec::Av1,
            encoding: self.encoding,
            ssrc: self.ssrc,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            marker: label.spatial_id + 1 == self.spatial_layers && is_last,
            payload: vec![9, 9, 9],
            dependency_descriptor: Some(self.descriptor(part == 0, is_last, label)),
            received: self.time,
            label,
        };
        self.sequence_number = self.sequence_number.wrapping_add(1);
        packet
    }

    fn descriptor(&self, is_first: bool, is_last: bool, label: Label) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.put(u32::from(is_first), 1);
        bits.put(u32::from(is_last), 1);
        let template = match label.temporal_id {
            0 => u8::from(!label.is_keyframe),
            tid => tid + 1,
        };
        let template = self.template_offset + label.spatial_id * TEMPLATES_PER_LAYER + template;
        bits.put(u32::from(template % 64), 6);
        bits.put(u32::from(self.frame_number), 16);
        let starts_layers = label.spatial_id == 0 || self.mode == Mode::Simulcast;
        if label.is_keyframe && is_first && starts_layers {
            bits.put(0b10000, 5);
            self.put_structure(&mut bits);
        }
        bits.bytes
    }

    fn put_structure(&self, bits: &mut Bits) {
        let targets = self.spatial_layers * 3;
        bits.put(u32::from(self.template_offset), 6);
        bits.put(u32::from(targets - 1), 5);
        for spatial_id in 0..self.spatial_layers {
            // From key to T0, to T1, to T2, to the other T2, and on.
            for next in [0, 1, 1, 0] {
                bits.put(next, 2);
            }
            bits.put(if spatial_id + 1 == self.spatial_layers { 3 } else { 2 }, 2);
        }
        let templates = self.templates();
        for label in &templates {
            for target in 0..targets {
                bits.put(self.indication(*label, target), 2);
            }
        }
        for label in &templates {
            self.put_references(bits, *label);
        }
        self.put_chains(bits, targets);
        // No resolutions.
        bits.put(0, 1);
    }

    fn put_references(&self, bits: &mut Bits, label: Label) {
        let layers = u32::from(self.spatial_layers);
        if !label.is_keyframe {
            let pictures = [4, 2, 1][usize::from(label.temporal_id)];
            bits.put(1, 1);
            bits.put(pictures * layers - 1, 4);
        }
        let uses_lower = match self.mode {
            Mode::Svc => true,
            Mode::Key => label.is_keyframe,
            Mode::Simulcast => false,
        };
        if label.spatial_id > 0 && uses_lower {
            bits.put(1, 1);
            bits.put(0, 4);
        }
        bits.put(0, 1);
    }

    /// One chain for each spatial layer.
    fn put_chains(&self, bits: &mut Bits, targets: u8) {
        let chains = u32::from(self.spatial_layers);
        bits.put_non_symmetric(chains, u32::from(targets) + 1);
        for target in 0..targets {
            bits.put_non_symmetric(u32::from(target / 3), chains);
        }
        for _ in 0..self.templates().len() {
            (0..chains).for_each(|_| bits.put(0, 4));
        }
    }

    fn templates(&self) -> Vec<Label> {
        (0..self.spatial_layers)
            .flat_map(|spatial_id| {
                [(0, true), (0, false), (1, false), (2, false), (2, false)].map(
                    |(temporal_id, is_keyframe)| Label {
                        spatial_id,
                        temporal_id,
                        is_keyframe,
                        ..Label::default()
                    },
                )
            })
            .collect()
    }

    fn indication(&self, label: Label, target: u8) -> u32 {
        let (spatial_id, temporal_id) = (target / 3, target % 3);
        if label.temporal_id > temporal_id || label.spatial_id > spatial_id {
            return NOT_PRESENT;
        }
        let is_own = label.spatial_id == spatial_id;
        let shared = match self.mode {
            Mode::Svc => true,
            Mode::Key => label.is_keyframe,
            Mode::Simulcast => false,
        };
        match (is_own, label.temporal_id) {
            (false, _) if !shared => NOT_PRESENT,
            (_, 0) if label.is_keyframe => SWITCH,
            (false, _) => REQUIRED,
            (true, 0) => SWITCH,
            (true, tid) if tid == temporal_id => DISCARDABLE,
            (true, _) => SWITCH,
        }
    }
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = u8::try_from(value >> shift & 1).unwrap();
            *self.bytes.last_mut().unwrap() |= bit << (7 - self.used % 8);
            self.used += 1;
        }
    }

    fn put_non_symmetric(&mut self, value: u32, n: u32) {
        let width = n.ilog2() + 1;
        let short_codes = (1 << width) - n;
        if value < short_codes {
            self.put(value, width - 1);
        } else {
            self.put(value + short_codes, width);
        }
    }
}

const NOT_PRESENT: u32 = 0;
const DISCARDABLE: u32 = 1;
const SWITCH: u32 = 2;
const REQUIRED: u32 = 3;
