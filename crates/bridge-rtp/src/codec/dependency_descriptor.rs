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

    /// Whether a reference lies before the frames of this picture: further back than there are
    /// spatial layers below.
    pub fn refers_to_earlier_picture(&self) -> bool {
        self.frame_diffs().iter().any(|diff| *diff > u16::from(self.spatial_id))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::template_structure::DecodeTargetIndication::{
        Discardable, NotPresent, Required, Switch,
    };
    use super::super::{DependencyRewrite, MAX_DEPENDENCY_DESCRIPTOR_LEN};
    use super::*;

    /// Captured from a browser: a key frame of a stream with three spatial and temporal layers.
    const L3T3: &str = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006\
        000040001d954926e082b04a0941b820ac1282503157f974000ca864330e222222eca8655304224230eca877530077\
        004200ef008601df010d";
    /// Captured: one spatial and two temporal layers, without and with a template id offset.
    const L1T2: [&str; 2] = ["80000180011ea85141010c04fc03bc", "8600b580c11ea85141010c09fc077c"];

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    fn rewritten(
        rewrite: DependencyRewrite,
        data: &[u8],
        parsed: &DependencyDescriptor,
    ) -> Vec<u8> {
        let mut out = [0xff; MAX_DEPENDENCY_DESCRIPTOR_LEN];
        let len = rewrite.write(data, parsed, &mut out).unwrap();
        out[..len].to_vec()
    }

    #[test]
    fn a_captured_l3t3_structure() {
        let data = bytes(L3T3);
        let key = DependencyDescriptor::parse(&data, None).unwrap();
        assert!(key.is_start_of_frame && key.is_end_of_frame && key.is_keyframe);
        assert_eq!((key.template_id, key.frame_number), (1, 0x0172));
        assert_eq!(key.active_decode_targets, Some(0x1ff));
        let structure = key.structure.clone().unwrap();
        assert_eq!((structure.decode_target_count, structure.chain_count), (9, 3));
        let layers: Vec<_> = (0..9)
            .map(|target| structure.layer(target).unwrap())
            .map(|layer| (layer.spatial_id, layer.temporal_id))
            .collect();
        let expected: Vec<_> = (0..3).flat_map(|s| (0..3).map(move |t| (s, t))).collect();
        assert_eq!(layers, expected);
        assert_eq!(structure.layer(9), None);
        let heights: Vec<_> =
            (0..4).map(|s| structure.resolution(s).map(|size| size.height)).collect();
        assert_eq!(heights, [Some(67), Some(135), Some(270), None]);
        let rates: Vec<_> = (0..3).map(|target| structure.frame_rate(target).unwrap()).collect();
        assert_eq!(rates, [7.5, 15.0, 30.0]);
        assert_eq!(structure.targets_within(0), 1);
        assert_eq!(structure.targets_within(8), 0x1ff);
        assert_eq!(structure.targets_within(5), 0x3f);

        let next = DependencyDescriptor::parse(&bytes("8b0174"), Some(&structure)).unwrap();
        let info = next.frame.unwrap();
        assert_eq!((info.spatial_id, next.active_decode_targets), (2, None));
        assert_eq!(info.indications.of(0), NotPresent);
        assert_eq!(DependencyDescriptor::parse(&bytes("8b0174"), None).unwrap().frame, None);
        let masked = DependencyDescriptor::parse(&bytes("86017340fc"), Some(&structure)).unwrap();
        assert_eq!(masked.active_decode_targets, Some(0x3f));
    }

    #[test]
    fn captured_l1t2_structures() {
        for (hex, offset) in L1T2.iter().zip([0, 6]) {
            let key = DependencyDescriptor::parse(&bytes(hex), None).unwrap();
            let structure = key.structure.clone().unwrap();
            assert_eq!(structure.template_id_offset, offset);
            assert_eq!((structure.template_count(), structure.decode_target_count), (3, 2));
            let indications = |id: u8| {
                let template = structure.template(offset + id).unwrap();
                [0, 1].map(|target| template.indications.of(target))
            };
            assert_eq!(indications(0), [Switch, Switch]);
            assert_eq!(indications(1)[1..], [Switch]);
            assert_eq!(indications(2), [NotPresent, Discardable]);
            assert_ne!(indications(1)[0], Required);
            assert_eq!(structure.template(offset + 3), None);
            assert_eq!(structure.chain_of(1), Some(0));
            assert!(structure.can_switch_without_keyframe(0, 1));
        }
    }

    #[test]
    fn descriptors_are_written_as_they_were_read() {
        for hex in [L3T3, L1T2[0], L1T2[1]] {
            let data = bytes(hex);
            let key = DependencyDescriptor::parse(&data, None).unwrap();
            let same = DependencyRewrite { frame_number: key.frame_number, ..Default::default() };
            assert!(same.keeps(&key));
            assert_eq!(rewritten(same, &data, &key), data);
        }
    }

    #[test]
    fn numbers_templates_and_masks_are_rewritten() {
        let data = bytes(L3T3);
        let key = DependencyDescriptor::parse(&data, None).unwrap();
        let rewrite = DependencyRewrite {
            frame_number: 0xfffe,
            template_id_delta: 60,
            active_decode_targets: Some(0b111),
        };
        let out = DependencyDescriptor::parse(&rewritten(rewrite, &data, &key), None).unwrap();
        assert_eq!((out.frame_number, out.template_id), (0xfffe, 61));
        assert_eq!(out.active_decode_targets, Some(0b111));
        assert_eq!(out.frame, key.frame);
        let (before, after) = (key.structure.clone().unwrap(), out.structure.unwrap());
        assert_eq!(after.template_id_offset, 60);
        assert_eq!(after.templates(), before.templates());

        let data = bytes("8b0174");
        let plain = DependencyDescriptor::parse(&data, Some(&before)).unwrap();
        let out = rewritten(rewrite, &data, &plain);
        let out = DependencyDescriptor::parse(&out, Some(&after)).unwrap();
        assert_eq!((out.frame_number, out.active_decode_targets), (0xfffe, Some(0b111)));
        assert_eq!(out.frame, plain.frame);
        // All targets beside their structure need no mask.
        let all = DependencyRewrite { active_decode_targets: Some(0x1ff), ..rewrite };
        assert_eq!(rewritten(all, &bytes(L3T3), &key).len(), bytes(L3T3).len());
        assert_eq!(rewrite.write(&bytes(L3T3), &key, &mut [0; 20]), None);
    }

    #[test]
    fn absurd_structures_are_refused() {
        // One decode target and templates without end, each in the layer of the one before.
        let mut endless = vec![0xc0, 0, 0, 0x80, 0];
        endless.extend([0; 60]);
        let refused = DependencyDescriptor::parse(&endless, None);
        assert_eq!(refused.unwrap_err(), DependencyError::AbsurdStructure);
        let key = DependencyDescriptor::parse(&bytes(L1T2[0]), None).unwrap();
        let unknown = DependencyDescriptor::parse(&[0xc9, 0, 0], key.structure.as_ref());
        assert_eq!(unknown.unwrap_err(), DependencyError::UnknownTemplate);
        for len in 0..bytes(L3T3).len() {
            let cut = DependencyDescriptor::parse(&bytes(L3T3)[..len], None);
            assert!(cut.is_err() || len == 3, "{len}");
        }
    }

    proptest! {
        #[test]
        fn what_can_be_read_can_be_rewritten(
            mut data in prop::collection::vec(any::<u8>(), 0..80),
            flip in any::<prop::sample::Index>(),
            captured: bool,
            rewrite in (any::<u16>(), 0_u8..64, any::<Option<u32>>()),
        ) {
            let structure =
                DependencyDescriptor::parse(&bytes(L3T3), None).unwrap().structure.unwrap();
            if captured {
                data = bytes(L3T3);
                let at = flip.index(data.len() * 8);
                data[at / 8] ^= 1 << (at % 8);
            }
            let Ok(parsed) = DependencyDescriptor::parse(&data, Some(&structure)) else {
                return Ok(());
            };
            let (frame_number, template_id_delta, mask) = rewrite;
            let rewrite =
                DependencyRewrite { frame_number, template_id_delta, active_decode_targets: mask };
            let mut out = [0; MAX_DEPENDENCY_DESCRIPTOR_LEN];
            let len = rewrite.write(&data, &parsed, &mut out).unwrap();
            let mut shifted = (*structure).clone();
            shifted.template_id_offset = (shifted.template_id_offset + template_id_delta) % 64;
            let again = DependencyDescriptor::parse(&out[..len], Some(&Arc::new(shifted))).unwrap();
            prop_assert_eq!(again.frame, parsed.frame);
            prop_assert_eq!(again.frame_number, frame_number);
        }
    }
}
