use super::bits::BitWriter;
use super::dependency_descriptor::DependencyDescriptor;

/// The longest dependency descriptor: what an element of a header extension can hold.
pub const MAX_DEPENDENCY_DESCRIPTOR_LEN: usize = 255;

/// What a receiver's copy of a dependency descriptor says instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DependencyRewrite {
    /// The receiver's number of the frame.
    pub frame_number: u16,
    /// What is added to every template id, modulo 64.
    pub template_id_delta: u8,
    /// The decode targets that the receiver still gets, if that is to be told here.
    pub active_decode_targets: Option<u32>,
}

impl DependencyRewrite {
    /// Whether applying this would leave the descriptor as it is.
    pub fn keeps(&self, descriptor: &DependencyDescriptor) -> bool {
        self.frame_number == descriptor.frame_number
            && self.template_id_delta.is_multiple_of(TEMPLATE_ID_MODULUS)
            && self.active_decode_targets.is_none()
    }

    /// Writes the descriptor in `data`, which was parsed to `descriptor`, as the receiver shall see
    /// it; answers its length. `None` if it does not fit into `out` or `data` is another one.
    ///
    /// A mask of all targets beside a new structure is left out, as it is implied.
    pub fn write(
        &self,
        data: &[u8],
        descriptor: &DependencyDescriptor,
        out: &mut [u8],
    ) -> Option<usize> {
        let layout = descriptor.layout;
        let mut writer = BitWriter::new(out);
        writer.flag(descriptor.is_start_of_frame)?;
        writer.flag(descriptor.is_end_of_frame)?;
        writer.bits(u32::from(self.shifted(descriptor.template_id)), 6)?;
        writer.bits(u32::from(self.frame_number), 16)?;
        if descriptor.frame.is_none() {
            // Nothing is known of the rest, which is copied as it is.
            writer.copy(data, MANDATORY_BITS, data.len() * 8)?;
            return writer.finish();
        }
        let mask = self.mask(descriptor);
        if layout.structure.is_some() || mask.is_some() || layout.custom_flags != 0 {
            writer.flag(layout.structure.is_some())?;
            writer.flag(mask.is_some())?;
            writer.bits(u32::from(layout.custom_flags), 3)?;
        }
        if let (Some((start, end)), Some(structure)) = (layout.structure, &descriptor.structure) {
            writer.bits(u32::from(self.shifted(structure.template_id_offset)), 6)?;
            writer.copy(data, usize::from(start) + 6, usize::from(end))?;
        }
        if let Some(mask) = mask {
            writer.bits(mask, u32::from(layout.decode_target_count))?;
        }
        writer.copy(data, usize::from(layout.custom.0), usize::from(layout.custom.1))?;
        writer.finish()
    }

    /// The mask to be written: the receiver's, or else the one that is there.
    fn mask(&self, descriptor: &DependencyDescriptor) -> Option<u32> {
        let own = descriptor.structure.as_ref().filter(|_| descriptor.is_keyframe);
        let all = own.map(|structure| structure.all_decode_targets());
        match self.active_decode_targets {
            Some(mask) if Some(mask) == all => None,
            Some(mask) => Some(mask),
            None if descriptor.layout.has_mask => descriptor.active_decode_targets,
            None => None,
        }
    }

    fn shifted(&self, template_id: u8) -> u8 {
        template_id.wrapping_add(self.template_id_delta) % TEMPLATE_ID_MODULUS
    }
}

const TEMPLATE_ID_MODULUS: u8 = 64;
const MANDATORY_BITS: usize = 24;
