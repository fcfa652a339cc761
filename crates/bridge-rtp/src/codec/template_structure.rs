use super::bits::BitReader;
use super::dependency_descriptor::{DependencyError, FrameDependencies};

/// The most decode targets: what the five bits of their count can tell.
pub const MAX_DECODE_TARGETS: usize = 32;
/// The most chains: a chain protects at least one decode target.
pub const MAX_CHAINS: usize = MAX_DECODE_TARGETS;
/// The most templates: what the six bits of a template id can tell.
pub const MAX_TEMPLATES: usize = 64;
const MAX_SPATIAL_LAYERS: usize = 4;
const MAX_TEMPORAL_LAYERS: u8 = 8;
const TEMPLATE_ID_MODULUS: u8 = 64;

/// How a frame relates to a decode target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeTargetIndication {
    /// The frame is not part of the target.
    NotPresent,
    /// No other frame of the target refers to it.
    Discardable,
    /// The target can be started here.
    Switch,
    /// Other frames of the target refer to it.
    Required,
}

/// The indications of a frame for all decode targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeTargetIndications(u64);

impl DecodeTargetIndications {
    /// The indication for a target; not present for a target that does not exist.
    pub const fn of(self, decode_target: u8) -> DecodeTargetIndication {
        if decode_target as usize >= MAX_DECODE_TARGETS {
            return DecodeTargetIndication::NotPresent;
        }
        match self.0 >> (2 * decode_target) & 3 {
            0 => DecodeTargetIndication::NotPresent,
            1 => DecodeTargetIndication::Discardable,
            2 => DecodeTargetIndication::Switch,
            _ => DecodeTargetIndication::Required,
        }
    }

    /// Whether the frame belongs to the target.
    pub fn is_present(self, decode_target: u8) -> bool {
        self.of(decode_target) != DecodeTargetIndication::NotPresent
    }

    /// Whether the target can be started or continued here: the indication is switch or required.
    pub fn is_needed(self, decode_target: u8) -> bool {
        matches!(
            self.of(decode_target),
            DecodeTargetIndication::Switch | DecodeTargetIndication::Required
        )
    }

    /// The targets that the frame belongs to, one bit each.
    pub const fn present_mask(self) -> u32 {
        let mut mask = 0;
        let mut target = 0;
        while target < MAX_DECODE_TARGETS {
            if self.0 >> (2 * target) & 3 != 0 {
                mask |= 1 << target;
            }
            target += 1;
        }
        mask
    }

    pub(super) fn read(reader: &mut BitReader<'_>, count: u8) -> Option<Self> {
        let mut all = 0;
        for target in 0..count {
            all |= u64::from(reader.bits(2)?) << (2 * target);
        }
        Some(Self(all))
    }
}

/// The layer that a decode target shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeTargetLayer {
    /// 0 to 3.
    pub spatial_id: u8,
    /// 0 to 7.
    pub temporal_id: u8,
}

/// Pixels of a spatial layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderResolution {
    /// 1 to 65536.
    pub width: u32,
    /// 1 to 65536.
    pub height: u32,
}

/// What a key frame says about the frames that follow: templates of their dependencies. One value is
/// shared by all packets up to the next structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateDependencyStructure {
    /// The template id of the first template, 0 to 63.
    pub template_id_offset: u8,
    /// 1 to [`MAX_DECODE_TARGETS`].
    pub decode_target_count: u8,
    /// At most the number of decode targets.
    pub chain_count: u8,
    templates: Vec<FrameDependencies>,
    protected_by: [u8; MAX_DECODE_TARGETS],
    layers: [DecodeTargetLayer; MAX_DECODE_TARGETS],
    resolutions: Option<[RenderResolution; MAX_SPATIAL_LAYERS]>,
}

impl TemplateDependencyStructure {
    pub(super) fn read(reader: &mut BitReader<'_>) -> Result<Self, DependencyError> {
        let mut structure = Self {
            template_id_offset: reader.small(6).ok_or(DependencyError::TooShort)?,
            decode_target_count: reader.small(5).ok_or(DependencyError::TooShort)? + 1,
            chain_count: 0,
            templates: Vec::new(),
            protected_by: [0; MAX_DECODE_TARGETS],
            layers: [DecodeTargetLayer::default(); MAX_DECODE_TARGETS],
            resolutions: None,
        };
        structure.read_layers(reader)?;
        structure.read_dependencies(reader)?;
        structure.read_chains(reader).ok_or(DependencyError::TooShort)?;
        structure.derive_layers();
        if reader.flag().ok_or(DependencyError::TooShort)? {
            structure.read_resolutions(reader).ok_or(DependencyError::TooShort)?;
        }
        Ok(structure)
    }

    /// How many templates there are, 1 to [`MAX_TEMPLATES`].
    pub fn template_count(&self) -> u8 {
        u8::try_from(self.templates.len()).unwrap_or(TEMPLATE_ID_MODULUS)
    }

    /// The template id behind the last one, wrapping: where another structure can continue.
    pub fn next_template_id(&self) -> u8 {
        (self.template_id_offset + self.template_count()) % TEMPLATE_ID_MODULUS
    }

    /// The template with an id; `None` if this structure has none.
    pub fn template(&self, template_id: u8) -> Option<&FrameDependencies> {
        let index = template_id.wrapping_sub(self.template_id_offset) % TEMPLATE_ID_MODULUS;
        self.templates.get(usize::from(index))
    }

    /// All templates in the order of their ids.
    pub fn templates(&self) -> &[FrameDependencies] {
        &self.templates
    }

    /// The layer that a decode target shows; `None` if there is no such target.
    pub fn layer(&self, decode_target: u8) -> Option<DecodeTargetLayer> {
        self.layers
            .get(..usize::from(self.decode_target_count))?
            .get(usize::from(decode_target))
            .copied()
    }

    /// The chain that protects a decode target; `None` without chains.
    pub fn chain_of(&self, decode_target: u8) -> Option<u8> {
        if self.chain_count == 0 || decode_target >= self.decode_target_count {
            return None;
        }
        self.protected_by.get(usize::from(decode_target)).copied()
    }

    /// The size of a spatial layer, if the structure tells sizes.
    pub fn resolution(&self, spatial_id: u8) -> Option<RenderResolution> {
        self.resolutions?
            .get(usize::from(spatial_id))
            .copied()
            .filter(|resolution| resolution.width > 0)
    }

    /// All decode targets, one bit each.
    pub fn all_decode_targets(&self) -> u32 {
        u32::MAX >> (32 - u32::from(self.decode_target_count.clamp(1, 32)))
    }

    /// The decode targets that are wholly contained in the frames of `decode_target`.
    pub fn targets_within(&self, decode_target: u8) -> u32 {
        let foreign = self
            .templates
            .iter()
            .filter(|template| !template.indications.is_present(decode_target))
            .fold(0, |mask, template| mask | template.indications.present_mask());
        self.all_decode_targets() & !foreign
    }

    /// Whether some template allows to go from one decode target to another between key frames.
    pub fn can_switch_without_keyframe(&self, from: u8, to: u8) -> bool {
        self.templates.iter().any(|template| {
            template.refers_to_earlier_picture()
                && template.indications.is_present(from)
                && template.indications.of(to) == DecodeTargetIndication::Switch
        })
    }

    /// Frames per second of a decode target at 30 in all, by the share of templates.
    ///
    /// Counts templates and not frames, as JVB does: with one template for each of three temporal
    /// layers it gives 10, 20 and 30.
    pub fn frame_rate(&self, decode_target: u8) -> Option<f64> {
        let count = |layer: DecodeTargetLayer| {
            self.templates
                .iter()
                .filter(|template| template.refers_to_earlier_picture())
                .filter(|template| template.spatial_id == layer.spatial_id)
                .filter(|template| template.temporal_id <= layer.temporal_id)
                .count()
        };
        let targets = (0..self.decode_target_count).filter_map(|target| self.layer(target));
        let most = targets.map(count).max().filter(|most| *most > 0)?;
        let own = count(self.layer(decode_target)?);
        let ratio = f64::from(u32::try_from(own).ok()?) / f64::from(u32::try_from(most).ok()?);
        Some(FULL_FRAME_RATE * ratio)
    }

    fn read_layers(&mut self, reader: &mut BitReader<'_>) -> Result<(), DependencyError> {
        let (mut spatial_id, mut temporal_id) = (0_u8, 0_u8);
        for _ in 0..MAX_TEMPLATES {
            self.templates.push(FrameDependencies::at_layer(spatial_id, temporal_id));
            match reader.bits(2).ok_or(DependencyError::TooShort)? {
                0 => {}
                1 => temporal_id += 1,
                2 => {
                    spatial_id += 1;
                    temporal_id = 0;
                }
                _ => return Ok(()),
            }
            if usize::from(spatial_id) >= MAX_SPATIAL_LAYERS || temporal_id >= MAX_TEMPORAL_LAYERS {
                return Err(DependencyError::AbsurdStructure);
            }
        }
        Err(DependencyError::AbsurdStructure)
    }

    fn read_dependencies(&mut self, reader: &mut BitReader<'_>) -> Result<(), DependencyError> {
        for template in &mut self.templates {
            template.indications = DecodeTargetIndications::read(reader, self.decode_target_count)
                .ok_or(DependencyError::TooShort)?;
        }
        for template in &mut self.templates {
            while reader.flag().ok_or(DependencyError::TooShort)? {
                let diff = reader.bits(4).ok_or(DependencyError::TooShort)? + 1;
                template.push_frame_diff(diff)?;
            }
        }
        Ok(())
    }

    fn read_chains(&mut self, reader: &mut BitReader<'_>) -> Option<()> {
        let targets = self.decode_target_count;
        self.chain_count = u8::try_from(reader.non_symmetric(u32::from(targets) + 1)?).ok()?;
        if self.chain_count == 0 {
            return Some(());
        }
        for protected_by in self.protected_by.iter_mut().take(usize::from(targets)) {
            *protected_by =
                u8::try_from(reader.non_symmetric(u32::from(self.chain_count))?).ok()?;
        }
        for _ in 0..self.templates.len() * usize::from(self.chain_count) {
            reader.bits(4)?;
        }
        Some(())
    }

    fn derive_layers(&mut self) {
        for (target, layer) in (0..self.decode_target_count).zip(&mut self.layers) {
            for template in self.templates.iter().filter(|t| t.indications.is_present(target)) {
                layer.spatial_id = layer.spatial_id.max(template.spatial_id);
                layer.temporal_id = layer.temporal_id.max(template.temporal_id);
            }
        }
    }

    fn read_resolutions(&mut self, reader: &mut BitReader<'_>) -> Option<()> {
        let mut resolutions = [RenderResolution { width: 0, height: 0 }; MAX_SPATIAL_LAYERS];
        let layers = usize::from(self.templates.last()?.spatial_id) + 1;
        for resolution in resolutions.iter_mut().take(layers) {
            resolution.width = reader.bits(16)? + 1;
            resolution.height = reader.bits(16)? + 1;
        }
        self.resolutions = Some(resolutions);
        Some(())
    }
}

const FULL_FRAME_RATE: f64 = 30.0;
