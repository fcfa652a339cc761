use super::codec::h264::PARAMETER_SET_PACKET_BYTES;
use super::codec::{LayerFrame, Layering, MAX_SPATIAL, SimulatedCodec};
use super::frame_stamp::{FrameStamp, STAMP_LEN, TRAILER_LEN};
use super::random::SimulationRandom;
use super::rtp_writer::{DEPENDENCY_DESCRIPTOR_ID, OutgoingRtp};
use super::video_sender::LayerSettings;
use bridge_units::Timestamp;
use std::collections::VecDeque;

/// One SSRC of a scripted sender: an encoding with one spatial layer, or all layers of SVC.
pub(crate) struct Encoding {
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: u32,
    index: u8,
    source: u32,
    codec: SimulatedCodec,
    layering: Layering,
    layers: Vec<LayerSettings>,
    /// How many of the layers are sent.
    active: usize,
    key_wanted: bool,
    since_key: u32,
    picture: u32,
    frame: u32,
    first_frame_number: u16,
    picture_id: u16,
    tl0_picture_index: u8,
    sequence_number: u16,
    rtx_sequence_number: u16,
    timestamp_offset: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
    history: VecDeque<(OutgoingRtp, Timestamp)>,
}

impl Encoding {
    pub(crate) fn new(
        index: u8,
        first_ssrc: u32,
        codec: SimulatedCodec,
        layering: Layering,
        layers: Vec<LayerSettings>,
        random: &mut SimulationRandom,
    ) -> Self {
        Self {
            ssrc: first_ssrc + u32::from(index),
            rtx_ssrc: first_ssrc + RTX_SSRC_OFFSET + u32::from(index),
            index,
            source: first_ssrc,
            codec,
            layering,
            active: layers.len(),
            layers,
            key_wanted: true,
            since_key: 0,
            picture: 0,
            frame: 0,
            first_frame_number: random.next_u16(),
            picture_id: random.next_u16() & 0x7fff,
            tl0_picture_index: random.next_u16() as u8,
            sequence_number: random.next_u16(),
            rtx_sequence_number: random.next_u16(),
            timestamp_offset: random.next_u32(),
            packets: 0,
            octets: 0,
            history: VecDeque::new(),
        }
    }

    pub(crate) fn want_key_frame(&mut self) {
        self.key_wanted = true;
    }

    /// How many layers are sent from now on; a change takes a key frame.
    pub(crate) fn set_active(&mut self, active: usize) {
        let active = active.min(self.layers.len());
        if active != self.active {
            self.key_wanted = true;
        }
        self.active = active;
    }

    pub(crate) fn active(&self) -> usize {
        self.active
    }

    /// The RTP timestamp of a moment, given in 90 kHz ticks since the simulation began.
    pub(crate) fn timestamp(&self, capture: u32) -> u32 {
        capture.wrapping_add(self.timestamp_offset)
    }

    /// A number of the stream for a packet that is not the encoder's.
    pub(crate) fn take_number(&mut self) -> u16 {
        let number = self.sequence_number;
        self.sequence_number = number.wrapping_add(1);
        number
    }

    /// Numbers and timestamps go on elsewhere.
    pub(crate) fn jump(&mut self, numbers: u16, ticks: u32) {
        self.sequence_number = self.sequence_number.wrapping_add(numbers);
        self.timestamp_offset = self.timestamp_offset.wrapping_add(ticks);
    }

    /// The next picture's packets.
    pub(crate) fn picture(
        &mut self,
        capture: u32,
        frame_rate: f64,
        random: &mut SimulationRandom,
    ) -> Vec<OutgoingRtp> {
        let key = std::mem::take(&mut self.key_wanted);
        if key {
            self.since_key = 0;
        }
        let position = (self.since_key % 4) as u8;
        let temporal = self.codec.temporal_pattern()[usize::from(position)];
        if temporal == 0 {
            self.tl0_picture_index = self.tl0_picture_index.wrapping_add(1);
        }
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        let mut heights = [0; MAX_SPATIAL];
        for (height, layer) in heights.iter_mut().zip(&self.layers) {
            *height = layer.height;
        }
        let mut packets = Vec::new();
        for spatial in 0..self.active {
            let frame = LayerFrame {
                codec: self.codec,
                layering: self.layering,
                spatial: spatial as u8,
                spatial_layers: self.active as u8,
                temporal,
                position,
                key,
                picture_id: self.picture_id,
                tl0_picture_index: self.tl0_picture_index,
                frame_number: self.first_frame_number.wrapping_add(self.frame as u16),
                heights,
            };
            let mean = self.layers[spatial].bitrate.bps() as f64 / 8.0 / frame_rate;
            let bytes = mean * weight(self.codec, &frame) * (0.85 + 0.3 * random.unit());
            self.packetise(&frame, bytes as usize, capture, &mut packets);
            self.frame = self.frame.wrapping_add(1);
        }
        self.since_key = self.since_key.wrapping_add(1);
        self.picture = self.picture.wrapping_add(1);
        packets
    }

    /// Keeps what was sent, for retransmission.
    pub(crate) fn note_sent(&mut self, now: Timestamp, packet: &OutgoingRtp) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload.len() as u32);
        if self.history.len() == MAX_HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((packet.clone(), now));
    }

    /// The packet once more; not if it was sent a moment ago, as libwebrtc has it.
    pub(crate) fn retransmission(&mut self, now: Timestamp, number: u16) -> Option<OutgoingRtp> {
        let sent = |(packet, _): &&mut (OutgoingRtp, Timestamp)| packet.sequence_number == number;
        let (packet, last_sent) = self.history.iter_mut().rev().find(sent)?;
        if now.since(*last_sent) < MIN_RESEND_INTERVAL {
            return None;
        }
        *last_sent = now;
        let payload_type = self.codec.rtx_payload_type();
        let copy = packet.as_retransmission(self.rtx_ssrc, payload_type, self.rtx_sequence_number);
        self.rtx_sequence_number = self.rtx_sequence_number.wrapping_add(1);
        Some(copy)
    }

    fn packetise(
        &mut self,
        frame: &LayerFrame,
        bytes: usize,
        capture: u32,
        packets: &mut Vec<OutgoingRtp>,
    ) {
        let has_parameter_sets = self.codec == SimulatedCodec::H264 && frame.key;
        let media_parts = bytes.div_ceil(MAX_PART_BYTES).max(1);
        let parts = media_parts + usize::from(has_parameter_sets);
        let part_bytes = (bytes / media_parts).max(STAMP_LEN + TRAILER_LEN);
        for part in 0..parts {
            let is_parameter_sets = has_parameter_sets && part == 0;
            let len = if is_parameter_sets { PARAMETER_SET_PACKET_BYTES } else { part_bytes };
            let mut stamp = FrameStamp {
                source: self.source,
                encoding: self.index,
                spatial: frame.spatial,
                temporal: frame.temporal,
                key: frame.key,
                cut: false,
                picture: self.picture,
                frame: self.frame,
                part: part as u16,
                parts: parts as u16,
                references: frame.references(),
                sequence_number: self.sequence_number,
                timestamp: self.timestamp(capture),
                capture,
                picture_id: frame.picture_id,
                tl0_picture_index: frame.tl0_picture_index,
                len: len as u16,
            };
            let head = frame.head(part as u16, parts as u16);
            let mut payload = head.payload;
            stamp.len = stamp.len.max((STAMP_LEN + TRAILER_LEN) as u16);
            stamp.write(&mut payload);
            let descriptor = head.dependency_descriptor.map(|d| (DEPENDENCY_DESCRIPTOR_ID, d));
            packets.push(OutgoingRtp {
                ssrc: self.ssrc,
                payload_type: self.codec.payload_type(),
                sequence_number: self.sequence_number,
                timestamp: self.timestamp(capture),
                marker: part + 1 == parts && frame.ends_picture(),
                extensions: descriptor.into_iter().collect(),
                payload,
            });
            self.sequence_number = self.sequence_number.wrapping_add(1);
        }
    }
}

/// How much larger than the mean a frame is. Key frames of 720p at 2 Mbps have some 41 packets,
/// others some 7.
fn weight(codec: SimulatedCodec, frame: &LayerFrame) -> f64 {
    if frame.key {
        return KEY_FRAME_WEIGHT;
    }
    match (codec, frame.temporal) {
        (SimulatedCodec::H264, _) => 1.0,
        (_, 0) => 1.6,
        (_, 1) => 1.0,
        _ => 0.7,
    }
}

const KEY_FRAME_WEIGHT: f64 = 5.6;

/// Media bytes of one packet: what fits in 1200 with all headers, as Chromium has it.
const MAX_PART_BYTES: usize = 1_120;

/// Packets kept for retransmission: some two seconds of 2.5 Mbps.
const MAX_HISTORY: usize = 600;

/// libwebrtc waits for a round trip between two copies of a packet.
const MIN_RESEND_INTERVAL: std::time::Duration = std::time::Duration::from_millis(10);

/// From a media SSRC to that of its retransmissions.
pub(crate) const RTX_SSRC_OFFSET: u32 = 10;
