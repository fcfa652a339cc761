use std::collections::VecDeque;
use std::sync::Arc;

use bridge_rtp::SequenceUnwrapper;
use bridge_rtp::codec::{
    DependencyDescriptor, TemplateDependencyStructure, Vp8Descriptor, Vp9Descriptor,
    h264_starts_key_frame, h265_starts_key_frame,
};

use crate::video_codec::VideoCodec;
use crate::video_packet::FrameDescription;

/// Structures of one encoding that are kept for packets that arrive late. A structure lasts from one
/// key frame to the next, so a few reach back for seconds. JVB keeps 500.
pub const MAX_REMEMBERED_STRUCTURES: usize = 8;

/// A payload descriptor or dependency descriptor that contradicts itself or ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedDescriptor;

/// Recognises the frames of one encoding (JVB: `VideoParser` and its codec-specific ones).
#[derive(Debug, Default)]
pub struct FrameParser {
    sequence: SequenceUnwrapper,
    /// By the sequence index of the packets that carried them, oldest first.
    structures: VecDeque<(i64, Arc<TemplateDependencyStructure>)>,
}

impl FrameParser {
    /// Parses a packet: its payload without padding, and the data of its dependency descriptor
    /// extension if it has one.
    ///
    /// The payload descriptors of VP8 and VP9 win if they tell enough to place the frame; otherwise
    /// the extension does, whatever the codec.
    ///
    /// # Errors
    /// [`MalformedDescriptor`]: the packet is to be dropped, as JVB does.
    pub fn parse(
        &mut self,
        codec: VideoCodec,
        sequence_number: u16,
        payload: &[u8],
        dependency_descriptor: Option<&[u8]>,
    ) -> Result<FrameDescription, MalformedDescriptor> {
        let from_payload = match codec {
            VideoCodec::Vp8 => Vp8Descriptor::parse(payload)
                .filter(|vp8| vp8.is_routable() || dependency_descriptor.is_none())
                .map(FrameDescription::Vp8),
            VideoCodec::Vp9 => Vp9Descriptor::parse(payload)
                .filter(|vp9| vp9.picture_id.is_some())
                .map(FrameDescription::Vp9),
            _ => None,
        };
        match (from_payload, dependency_descriptor) {
            (Some(frame), _) => Ok(frame),
            (None, Some(data)) => self.parse_dependency(sequence_number, data),
            (None, None) => parse_without_descriptor(codec, payload),
        }
    }

    fn parse_dependency(
        &mut self,
        sequence_number: u16,
        data: &[u8],
    ) -> Result<FrameDescription, MalformedDescriptor> {
        let index = self.place(sequence_number);
        let before = self.structures.iter().rev().find(|(at, _)| *at < index);
        let descriptor = DependencyDescriptor::parse(data, before.map(|(_, known)| known))
            .map_err(|_| MalformedDescriptor)?;
        if let (true, Some(own)) = (descriptor.is_keyframe, &descriptor.structure) {
            self.remember(index, own);
        }
        Ok(FrameDescription::Dependency(descriptor))
    }

    /// The sequence index of a packet. One that seems to be older than any reordering came after a
    /// pause of more than half the range.
    fn place(&mut self, sequence_number: u16) -> i64 {
        let index = self.sequence.interpret(sequence_number);
        if self.sequence.highest().is_some_and(|highest| index < highest - MAX_REORDERING) {
            return self.sequence.reset_at(sequence_number);
        }
        self.sequence.update(sequence_number)
    }

    fn remember(&mut self, index: i64, structure: &Arc<TemplateDependencyStructure>) {
        let place = self.structures.partition_point(|(at, _)| *at < index);
        if self.structures.get(place).is_some_and(|(at, _)| *at == index) {
            return;
        }
        self.structures.insert(place, (index, Arc::clone(structure)));
        if self.structures.len() > MAX_REMEMBERED_STRUCTURES {
            self.structures.pop_front();
        }
    }
}

fn parse_without_descriptor(
    codec: VideoCodec,
    payload: &[u8],
) -> Result<FrameDescription, MalformedDescriptor> {
    let starts_key_frame = match codec {
        VideoCodec::H264 => h264_starts_key_frame(payload),
        VideoCodec::H265 => h265_starts_key_frame(payload),
        VideoCodec::Vp8 => return Err(MalformedDescriptor),
        // Without a picture id there is nothing to go by; anything else cannot be read.
        VideoCodec::Vp9 => {
            Vp9Descriptor::parse(payload).ok_or(MalformedDescriptor)?;
            return Ok(FrameDescription::Unparsed);
        }
        VideoCodec::Av1 | VideoCodec::Other => return Ok(FrameDescription::Unparsed),
    };
    Ok(FrameDescription::KeyFrames { starts_key_frame })
}

/// Packets that can overtake one another; a loss of more than the rest of the range is no loss.
const MAX_REORDERING: i64 = 3_000;
