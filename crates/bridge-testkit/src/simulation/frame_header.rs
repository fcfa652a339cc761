//! What a receiver learns of frames from headers alone, as libwebrtc does.

use super::codec::SimulatedCodec;
use bridge_rtp::SequenceUnwrapper;
use bridge_rtp::codec::{
    DependencyDescriptor, TemplateDependencyStructure, Vp8Descriptor, Vp9Descriptor,
};
use std::sync::Arc;

/// What the headers of one packet tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PacketFrame {
    /// The frame's place among others, not wrapping.
    pub(crate) id: i64,
    pub(crate) starts: bool,
    pub(crate) ends: bool,
    pub(crate) key: bool,
    pub(crate) references: References,
    /// The id as it is on the wire: picture id or frame number.
    pub(crate) wire_id: u16,
    pub(crate) tl0_picture_index: u8,
}

/// Which frames must have been decoded before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum References {
    /// None.
    Nothing,
    /// These.
    Frames(Vec<i64>),
    /// Those of temporal layers that tl0picidx tells (RFC 7741).
    TemporalLayers {
        /// Not wrapping.
        tl0: i64,
        temporal: u8,
        /// Refers to layer 0 only.
        sync: bool,
    },
    /// The frame whose last packet has the number before this one's first.
    Previous,
}

/// Reads the packets of one received stream.
#[derive(Debug, Default)]
pub(crate) struct FrameHeaderReader {
    picture_ids: Unwrapper<15>,
    tl0: Unwrapper<8>,
    frame_numbers: SequenceUnwrapper,
    timestamps: Unwrapper<32>,
    /// The newest and the one before.
    structures: Vec<Arc<TemplateDependencyStructure>>,
    /// VP9's pattern: how many pictures back each refers to.
    group: Vec<Vec<u8>>,
    /// The picture with which it began.
    group_start: Option<i64>,
}

/// Extends wrapping numbers of this many bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unwrapper<const BITS: u32>(Option<i64>);

impl<const BITS: u32> Unwrapper<BITS> {
    pub(crate) fn update(&mut self, value: u32) -> i64 {
        let value = i64::from(value);
        let Some(last) = self.0 else {
            self.0 = Some(value);
            return value;
        };
        let cycle = 1_i64 << BITS;
        let mut delta = (value - last).rem_euclid(cycle);
        if delta >= cycle / 2 {
            delta -= cycle;
        }
        self.0 = Some(last.max(last + delta));
        last + delta
    }
}

impl FrameHeaderReader {
    /// `None` if the packet cannot be placed, as one of a structure that is not known.
    pub(crate) fn read(
        &mut self,
        codec: SimulatedCodec,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
        descriptor: Option<&[u8]>,
    ) -> Option<PacketFrame> {
        match codec {
            SimulatedCodec::Vp8 => self.read_vp8(marker, payload),
            SimulatedCodec::Vp9 | SimulatedCodec::Vp9NonFlexible => self.read_vp9(payload),
            SimulatedCodec::Av1 => self.read_descriptor(descriptor?),
            SimulatedCodec::H264 => self.read_h264(timestamp, marker, payload),
        }
    }

    fn read_vp8(&mut self, marker: bool, payload: &[u8]) -> Option<PacketFrame> {
        let descriptor = Vp8Descriptor::parse(payload)?;
        let wire_id = descriptor.picture_id?.value;
        let temporal = descriptor.temporal_id?;
        let tl0_picture_index = descriptor.tl0_picture_index?;
        let tl0 = self.tl0.update(tl0_picture_index.into());
        // The Y bit: in the byte of the temporal layer, the last of the descriptor.
        let sync = payload.get(usize::from(descriptor.len) - 1)? & 0x20 != 0;
        Some(PacketFrame {
            id: self.picture_ids.update(wire_id.into()),
            starts: descriptor.is_start_of_frame,
            ends: marker,
            key: descriptor.is_keyframe,
            references: References::TemporalLayers { tl0, temporal, sync },
            wire_id,
            tl0_picture_index,
        })
    }

    fn read_vp9(&mut self, payload: &[u8]) -> Option<PacketFrame> {
        let descriptor = Vp9Descriptor::parse(payload)?;
        let wire_id = descriptor.picture_id?.value;
        let picture = self.picture_ids.update(wire_id.into());
        let spatial = i64::from(descriptor.spatial_id());
        let place = |picture: i64, spatial: i64| picture * 8 + spatial;
        let mut references = Vec::new();
        if descriptor.scalability.is_some() {
            self.group_start = Some(picture);
            self.group = read_group(payload).unwrap_or_default();
        }
        if descriptor.is_inter_picture_predicted && !descriptor.is_flexible {
            let start = self.group_start.filter(|_| !self.group.is_empty())?;
            let position = (picture - start).rem_euclid(self.group.len() as i64) as usize;
            let back = self.group.get(position)?.iter();
            references.extend(back.map(|back| place(picture - i64::from(*back), spatial)));
        } else if descriptor.is_inter_picture_predicted {
            // Behind two bytes of picture id and one of layers.
            let mut offset = 4;
            loop {
                let byte = *payload.get(offset)?;
                references.push(place(picture - i64::from(byte >> 1), spatial));
                offset += 1;
                if byte & 1 == 0 {
                    break;
                }
            }
        }
        if descriptor.layer?.uses_inter_layer_dependency {
            references.push(place(picture, spatial - 1));
        }
        Some(PacketFrame {
            id: place(picture, spatial),
            starts: descriptor.is_start_of_frame,
            ends: descriptor.is_end_of_frame,
            key: descriptor.is_keyframe(),
            references: listed(references),
            wire_id,
            tl0_picture_index: descriptor.tl0_picture_index.unwrap_or(0),
        })
    }

    fn read_descriptor(&mut self, data: &[u8]) -> Option<PacketFrame> {
        let known = self.structures.iter().rev();
        let mut parsed = known
            .map(|structure| DependencyDescriptor::parse(data, Some(structure)))
            .find_map(Result::ok);
        if parsed.as_ref().is_none_or(|descriptor| descriptor.frame.is_none()) {
            parsed = DependencyDescriptor::parse(data, None).ok();
        }
        let descriptor = parsed?;
        if descriptor.is_keyframe {
            self.structures.extend(descriptor.structure.clone());
            if self.structures.len() > 2 {
                self.structures.remove(0);
            }
        }
        let frame = descriptor.frame?;
        let id = self.frame_numbers.update(descriptor.frame_number);
        let references: Vec<i64> =
            frame.frame_diffs().iter().map(|back| id - i64::from(*back)).collect();
        Some(PacketFrame {
            id,
            starts: descriptor.is_start_of_frame,
            ends: descriptor.is_end_of_frame,
            key: references.is_empty(),
            references: listed(references),
            wire_id: descriptor.frame_number,
            tl0_picture_index: 0,
        })
    }

    /// The parameter sets start a key frame, the first fragment of a slice any other.
    fn read_h264(&mut self, timestamp: u32, marker: bool, payload: &[u8]) -> Option<PacketFrame> {
        let first = payload.first()? & NAL_TYPE;
        let (kind, first_fragment) = match first {
            FU_A => (payload.get(1)? & NAL_TYPE, payload.get(1)? & FRAGMENT_START != 0),
            kind => (kind, true),
        };
        let key = first == STAP_A;
        Some(PacketFrame {
            id: self.timestamps.update(timestamp),
            starts: key || first_fragment && kind == SLICE,
            ends: marker,
            key,
            references: if key { References::Nothing } else { References::Previous },
            wire_id: 0,
            tl0_picture_index: 0,
        })
    }
}

/// The group of pictures in the scalability structure of a non-flexible packet (RFC 9628 section
/// 4.2.1), which the bridge's own parser does not keep.
fn read_group(payload: &[u8]) -> Option<Vec<Vec<u8>>> {
    // Flags, two bytes of picture id, layers, tl0picidx.
    let (&structure, mut rest) = payload.get(5..)?.split_first()?;
    if structure & 0x10 != 0 {
        rest = rest.get(4 * (usize::from(structure >> 5) + 1)..)?;
    }
    if structure & 0x08 == 0 {
        return None;
    }
    let (&count, mut rest) = rest.split_first()?;
    let mut group = Vec::new();
    for _ in 0..count {
        let (&picture, behind) = rest.split_first()?;
        let (references, behind) = behind.split_at_checked(usize::from(picture >> 2 & 3))?;
        group.push(references.to_vec());
        rest = behind;
    }
    Some(group)
}

fn listed(references: Vec<i64>) -> References {
    if references.is_empty() { References::Nothing } else { References::Frames(references) }
}

const NAL_TYPE: u8 = 0x1f;
const FRAGMENT_START: u8 = 0x80;
const SLICE: u8 = 1;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
