use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::bits::BitReader;
use super::template_structure::{DecodeTargetIndications, TemplateDependencyStructure};

/// The most references of a frame: an AV1 frame has seven, and one is to spare.
pub const MAX_FRAME_DIFFS: usize = 8;

/// Why a dependency descriptor was refused. Peer input: count it by variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DependencyError {
    /// It ends before its fields do.
    TooShort,
    /// More templates, layers or references than any codec has.
    AbsurdStructure,
    /// Its template is not in the structure that it belongs to.
    UnknownTemplate,
}

/// What a frame depends on: of a template, or of a frame with what it says in addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameDependencies {
    /// 0 to 3.
    pub spatial_id: u8,
    /// 0 to 7.
    pub temporal_id: u8,
    /// How the frame relates to each decode target.
    pub indications: DecodeTargetIndications,
    frame_diffs: [u16; MAX_FRAME_DIFFS],
    frame_diff_count: u8,
}

/// The dependency descriptor header extension of one packet (AV1 RTP specification, appendix A).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyDescriptor {
    /// First packet of the frame.
    pub is_start_of_frame: bool,
    /// Last packet of the frame.
    pub is_end_of_frame: bool,
    /// 0 to 63.
    pub template_id: u8,
    /// Counts frames of the stream, wrapping.
    pub frame_number: u16,
    /// The packet carries a new structure, which only key frames do.
    pub is_keyframe: bool,
    /// The structure that the frame belongs to: the packet's own, or else the one before it.
    pub structure: Option<Arc<TemplateDependencyStructure>>,
    /// `None` if the structure that the frame belongs to is not known.
    pub frame: Option<FrameDependencies>,
    /// The decode targets that are being sent: what the packet says, or all if it has a structure.
    pub active_decode_targets: Option<u32>,
    pub(super) layout: Layout,
}

/// Where the fields of a descriptor are, in bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The structure, if there is one.
    pub(super) structure: Option<(u16, u16)>,
    /// Behind structure and mask, up to the end of the last field: what the frame has of its own.
    pub(super) custom: (u16, u16),
    /// The three flags that say which of those there are.
    pub(super) custom_flags: u8,
    pub(super) decode_target_count: u8,
    pub(super) has_mask: bool,
}

impl DependencyDescriptor {
    /// Reads a descriptor. `structure` is the newest one before this packet; one in the packet takes
    /// its place. Without any, only the mandatory part is known.
    ///
    /// # Errors
    /// [`DependencyError`]: the packet cannot be placed.
    pub fn parse(
        data: &[u8],
        structure: Option<&Arc<TemplateDependencyStructure>>,
    ) -> Result<Self, DependencyError> {
        let mut reader = BitReader::new(data);
        let mut descriptor = Self::read_mandatory(&mut reader).ok_or(DependencyError::TooShort)?;
        let mut flags = ExtendedFlags::default();
        if data.len() > MANDATORY_LEN {
            flags = ExtendedFlags::read(&mut reader).ok_or(DependencyError::TooShort)?;
        }
        if flags.structure {
            let start = bit(reader.position());
            let own = TemplateDependencyStructure::read(&mut reader)?;
            descriptor.layout.structure = Some((start, bit(reader.position())));
            descriptor.active_decode_targets = Some(own.all_decode_targets());
            descriptor.is_keyframe = true;
            descriptor.structure = Some(Arc::new(own));
        } else {
            descriptor.structure = structure.cloned();
        }
        if let Some(structure) = descriptor.structure.clone() {
            descriptor.read_frame(&mut reader, flags, &structure)?;
        }
        Ok(descriptor)
    }

    fn read_mandatory(reader: &mut BitReader<'_>) -> Option<Self> {
        Some(Self {
            is_start_of_frame: reader.flag()?,
            is_end_of_frame: reader.flag()?,
            template_id: reader.small(6)?,
            frame_number: u16::try_from(reader.bits(16)?).ok()?,
            is_keyframe: false,
            structure: None,
            frame: None,
            active_decode_targets: None,
            layout: Layout::default(),
        })
    }

    fn read_frame(
        &mut self,
        reader: &mut BitReader<'_>,
        flags: ExtendedFlags,
        structure: &TemplateDependencyStructure,
    ) -> Result<(), DependencyError> {
        let targets = structure.decode_target_count;
        if flags.mask {
            let mask = reader.bits(u32::from(targets)).ok_or(DependencyError::TooShort)?;
            self.active_decode_targets = Some(mask);
        }
        let start = bit(reader.position());
        let mut frame =
            *structure.template(self.template_id).ok_or(DependencyError::UnknownTemplate)?;
        if flags.indications {
            frame.indications =
                DecodeTargetIndications::read(reader, targets).ok_or(DependencyError::TooShort)?;
        }
        if flags.frame_diffs {
            frame.read_frame_diffs(reader)?;
        }
        if flags.chains {
            for _ in 0..structure.chain_count {
                reader.bits(8).ok_or(DependencyError::TooShort)?;
            }
        }
        self.frame = Some(frame);
        self.layout.custom = (start, bit(reader.position()));
        self.layout.custom_flags = flags.custom_bits();
        self.layout.decode_target_count = targets;
        self.layout.has_mask = flags.mask;
        Ok(())
    }
}

impl FrameDependencies {
    /// How many frames back each reference is, 1 to 4096.
    pub fn frame_diffs(&self) -> &[u16] {
        self.frame_diffs.get(..usize::from(self.frame_diff_count)).unwrap_or_default()
    }

    pub(super) fn at_layer(spatial_id: u8, temporal_id: u8) -> Self {
        Self { spatial_id, temporal_id, ..Self::default() }
    }

    pub(super) fn push_frame_diff(&mut self, diff: u32) -> Result<(), DependencyError> {
        let slot = self
            .frame_diffs
            .get_mut(usize::from(self.frame_diff_count))
            .ok_or(DependencyError::AbsurdStructure)?;
        *slot = u16::try_from(diff).map_err(|_| DependencyError::AbsurdStructure)?;
        self.frame_diff_count += 1;
        Ok(())
    }

    fn read_frame_diffs(&mut self, reader: &mut BitReader<'_>) -> Result<(), DependencyError> {
        self.frame_diff_count = 0;
        loop {
            let nibbles = reader.bits(2).ok_or(DependencyError::TooShort)?;
            if nibbles == 0 {
                return Ok(());
            }
            let diff = reader.bits(4 * nibbles).ok_or(DependencyError::TooShort)?;
            self.push_frame_diff(diff + 1)?;
        }
    }
}

/// The first bits of the extended part.
#[derive(Clone, Copy, Default)]
struct ExtendedFlags {
    structure: bool,
    mask: bool,
    indications: bool,
    frame_diffs: bool,
    chains: bool,
}

impl ExtendedFlags {
    fn read(reader: &mut BitReader<'_>) -> Option<Self> {
        Some(Self {
            structure: reader.flag()?,
            mask: reader.flag()?,
            indications: reader.flag()?,
            frame_diffs: reader.flag()?,
            chains: reader.flag()?,
        })
    }

    fn custom_bits(self) -> u8 {
        u8::from(self.indications) << 2 | u8::from(self.frame_diffs) << 1 | u8::from(self.chains)
    }
}

impl fmt::Display for DependencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "dependency descriptor is cut short",
            Self::AbsurdStructure => "dependency structure beyond any codec's",
            Self::UnknownTemplate => "dependency template is not in the structure",
        })
    }
}

impl Error for DependencyError {}

/// Positions fit: an extension element has at most 255 bytes; a longer input is cut short before.
fn bit(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}

const MANDATORY_LEN: usize = 3;
