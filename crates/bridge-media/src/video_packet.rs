use bridge_rtp::codec::{DependencyDescriptor, Vp8Descriptor, Vp9Descriptor};
use bridge_units::Timestamp;

use crate::sender_clock::NtpTime;

/// A video packet of a source as its sender's shard parsed it once, for all receivers.
#[derive(Clone, Debug)]
pub struct VideoPacket {
    /// The index of its encoding within the source.
    pub encoding: u8,
    /// The media SSRC of its encoding.
    pub ssrc: u32,
    /// As the sender numbered it, after the bridge's own removal of padding.
    pub sequence_number: u16,
    /// The sender's RTP timestamp.
    pub timestamp: u32,
    /// Last packet of a picture.
    pub marker: bool,
    /// As the sender signalled it.
    pub payload_type: u8,
    /// When it arrived.
    pub received: Timestamp,
    /// When its picture was captured, if the encoding's sender reports tell.
    pub capture: Option<NtpTime>,
    /// What its codec tells of the frame.
    pub frame: FrameDescription,
}

/// What is known of the frame that a packet belongs to.
#[derive(Clone, Debug)]
pub enum FrameDescription {
    /// VP8, whether or not it has picture id and temporal layer.
    Vp8(Vp8Descriptor),
    /// VP9 with a picture id.
    Vp9(Vp9Descriptor),
    /// Any codec with the dependency descriptor extension.
    Dependency(DependencyDescriptor),
    /// A codec whose key frames can be told but nothing else.
    KeyFrames {
        /// This packet starts a key frame.
        starts_key_frame: bool,
    },
    /// Nothing: an unknown codec, or a descriptor that cannot be read.
    Unparsed,
}

impl FrameDescription {
    /// Whether this packet is known to belong to a key frame.
    pub fn is_keyframe(&self) -> bool {
        match self {
            Self::Vp8(descriptor) => descriptor.is_keyframe,
            Self::Vp9(descriptor) => descriptor.is_keyframe(),
            Self::Dependency(descriptor) => descriptor.is_keyframe,
            Self::KeyFrames { starts_key_frame } => *starts_key_frame,
            Self::Unparsed => false,
        }
    }
}
