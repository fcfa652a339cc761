//! What a bridge reads and rewrites in video payloads: the payload descriptors of VP8 and VP9, the
//! dependency descriptor, and the key frames of H.264 and H.265.
//!
//! Descriptors are parsed once into `Copy` values. Rewriters change a receiver's own copy in place
//! and never touch a byte behind the descriptor.

mod bits;
mod dependency_descriptor;
mod dependency_rewrite;
mod h264;
mod h265;
mod template_structure;
mod vp8;
mod vp9;

pub use dependency_descriptor::{
    DependencyDescriptor, DependencyError, FrameDependencies, MAX_FRAME_DIFFS,
};
pub use dependency_rewrite::{DependencyRewrite, MAX_DEPENDENCY_DESCRIPTOR_LEN};
pub use h264::h264_starts_key_frame;
pub use h265::h265_starts_key_frame;
pub use template_structure::{
    DecodeTargetIndication, DecodeTargetIndications, DecodeTargetLayer, MAX_CHAINS,
    MAX_DECODE_TARGETS, MAX_TEMPLATES, RenderResolution, TemplateDependencyStructure,
};
pub use vp8::{Vp8Descriptor, rewrite_vp8};
pub use vp9::{Vp9Descriptor, Vp9LayerIndices, Vp9Scalability, rewrite_vp9};

/// A picture id of a VP8 or VP9 payload descriptor and the width it was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// The number, within 7 or 15 bits.
    pub value: u16,
    /// Written with 15 bits; otherwise with 7.
    pub long: bool,
}

impl PictureId {
    /// How many bits count before the number wraps.
    pub const fn bits(self) -> u32 {
        if self.long { 15 } else { 7 }
    }

    /// Reads a picture id at `offset`; answers it with the offset behind it.
    fn parse(payload: &[u8], offset: usize) -> Option<(Self, usize)> {
        let first = crate::bytes::read_u8(payload, offset)?;
        if first & LONG_PICTURE_ID == 0 {
            return Some((Self { value: u16::from(first), long: false }, offset + 1));
        }
        let value = crate::bytes::read_u16(payload, offset)? & 0x7fff;
        Some((Self { value, long: true }, offset + 2))
    }

    /// Overwrites the picture id at `offset` in the form that is there.
    fn write(payload: &mut [u8], offset: usize, value: u16) -> Option<()> {
        let [high, low] = value.to_be_bytes();
        if crate::bytes::read_u8(payload, offset)? & LONG_PICTURE_ID == 0 {
            crate::bytes::write_at(payload, offset, &[low & !LONG_PICTURE_ID])
        } else {
            crate::bytes::write_at(payload, offset, &[high | LONG_PICTURE_ID, low])
        }
    }
}

const LONG_PICTURE_ID: u8 = 0x80;
