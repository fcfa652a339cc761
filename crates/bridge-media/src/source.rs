use std::error::Error;
use std::fmt;

use bridge_rtp::VideoLayersAllocation;
use bridge_rtp::codec::{DependencyDescriptor, Vp9Descriptor, Vp9Scalability};
use bridge_units::{Bitrate, DataSize, EndpointId, Timestamp};

use crate::layer_bitrate::LayerBitrates;
use crate::layer_index::LayerIndex;
use crate::video_packet::{FrameDescription, VideoPacket};

/// Encodings of one source. Browsers send three; the index of a layer has room for more.
pub const MAX_ENCODINGS: usize = 8;
/// Layers of one encoding: eight spatial times eight temporal ones, or 32 decode targets.
pub const MAX_LAYERS: usize = 64;

/// A source as it is signalled.
#[derive(Clone, Debug, Default)]
pub struct SignaledSource {
    /// Mandatory.
    pub name: Option<String>,
    /// The endpoint that sends it; mandatory.
    pub owner: Option<EndpointId>,
    /// All SSRCs.
    pub ssrcs: Vec<u32>,
    /// Which SSRCs belong together.
    pub groups: Vec<SignaledGroup>,
    /// Camera unless told.
    pub video_type: Option<VideoType>,
}

/// SSRCs that belong together (RFC 5576).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignaledGroup {
    /// `SIM`, `FID` or a name of forward error correction; case-insensitive.
    pub semantics: String,
    /// In the order of signalling.
    pub ssrcs: Vec<u32>,
}

/// What a video source shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VideoType {
    /// A person.
    #[default]
    Camera,
    /// A screen with few changes.
    Desktop,
    /// A screen with film or games.
    DesktopHighFps,
    /// Nothing now.
    Disabled,
    /// Nothing now; the older name.
    None,
}

/// Why a signalled source is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// It has no name.
    NoName,
    /// It has no owner.
    NoOwner,
    /// More simulcast SSRCs than [`MAX_ENCODINGS`].
    TooManyEncodings,
}

/// A sent video source with its encodings and layers (JVB: `MediaSourceDesc`).
#[derive(Clone, Debug)]
pub struct MediaSource {
    /// What it shows.
    pub video_type: VideoType,
    encodings: Vec<Encoding>,
    form: Option<PacketForm>,
}

/// Where the layers of a source's packets are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PacketForm {
    Vp8,
    Vp9,
    Dependency,
    /// Nowhere.
    Plain,
}

/// One SSRC of a source with its layers (JVB: `RtpEncodingDesc`).
#[derive(Clone, Debug)]
pub struct Encoding {
    /// The media SSRC.
    pub primary_ssrc: u32,
    /// The SSRC of its retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// Pixels that are assumed until the stream tells.
    pub nominal_height: u16,
    layers: Vec<Layer>,
    bitrates: LayerBitrates,
    has_sent: bool,
    uses_decode_targets: bool,
    /// What the dependency descriptor last said, to see when it changes.
    seen_structure: Option<(u8, u32)>,
}

/// A layer of an encoding (JVB: `RtpLayerDesc`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layer {
    /// Its place among the source's layers.
    pub index: LayerIndex,
    /// Spatial layer.
    pub spatial_id: u8,
    /// Temporal layer.
    pub temporal_id: u8,
    /// Pixels of the smaller side, if known.
    pub height: Option<u16>,
    /// Frames per second, if known.
    pub frame_rate: Option<f64>,
    /// What the sender says it will send on it and the layers below.
    pub target_bitrate: Option<Bitrate>,
    /// Its frames refer to the spatial layer below at each picture: that one's rate is part of its
    /// own. False in K-SVC between key frames.
    uses_layer_below: bool,
}

impl MediaSource {
    /// The sources in a signalled one; colibri2 expects exactly one (JVB: `MediaSourceFactory`).
    ///
    /// # Errors
    /// [`SourceError`]: name or owner is missing, or there are too many encodings.
    pub fn from_signaling(signaled: &SignaledSource) -> Result<Vec<Self>, SourceError> {
        signaled.name.as_ref().ok_or(SourceError::NoName)?;
        signaled.owner.as_ref().ok_or(SourceError::NoOwner)?;
        let mut sources = Vec::new();
        for ssrcs in encoding_ssrcs(signaled) {
            if ssrcs.len() > MAX_ENCODINGS {
                return Err(SourceError::TooManyEncodings);
            }
            let encodings = ssrcs.into_iter().map(|ssrc| (ssrc, rtx_of(signaled, ssrc)));
            sources.push(Self::new(signaled.video_type.unwrap_or_default(), encodings));
        }
        Ok(sources)
    }

    /// Of encodings with these media and retransmission SSRCs, the lowest first; those beyond
    /// [`MAX_ENCODINGS`] are left out.
    pub fn new(
        video_type: VideoType,
        encodings: impl IntoIterator<Item = (u32, Option<u32>)>,
    ) -> Self {
        let encodings = (0_u8..)
            .zip(encodings.into_iter().take(MAX_ENCODINGS))
            .map(|(index, (ssrc, rtx))| Encoding::nominal(index, ssrc, rtx));
        Self { video_type, encodings: encodings.collect(), form: None }
    }

    /// Takes in what a packet tells of the layers and what it adds to their rates. `size` is that of
    /// the whole packet after decryption.
    pub fn handle_packet(&mut self, packet: &VideoPacket, size: DataSize) -> LayeringChange {
        let takes_other_form = self.take_form(&packet.frame);
        let Some(encoding) = self.encodings.get_mut(usize::from(packet.encoding)) else {
            return LayeringChange::default();
        };
        let layering = encoding.learn(packet);
        encoding.has_sent = true;
        if layering {
            // Signalled encodings that never sent are not used.
            let unused = self.encodings.iter_mut().filter(|encoding| !encoding.has_sent);
            unused.for_each(Encoding::clear);
        }
        let became_active = self
            .encodings
            .get_mut(usize::from(packet.encoding))
            .is_some_and(|encoding| encoding.measure(packet, size));
        LayeringChange { layering: layering || takes_other_form, became_active }
    }

    /// Stores the targets that the sender told for its layers.
    pub fn handle_layers_allocation(&mut self, allocation: &VideoLayersAllocation) {
        for told in allocation.layers() {
            let Some(encoding) = self.encodings.get_mut(usize::from(told.stream)) else { continue };
            encoding.store_targets(told);
        }
    }

    /// Whether the media SSRCs are those of `other`.
    pub(crate) fn has_encodings_of(&self, other: &Self) -> bool {
        let ssrcs = |source: &Self| -> Vec<_> {
            source.encodings.iter().map(|encoding| encoding.primary_ssrc).collect()
        };
        ssrcs(self) == ssrcs(other)
    }

    /// The encoding with a media SSRC, with its index.
    pub fn encoding_of(&self, ssrc: u32) -> Option<(u8, &Encoding)> {
        (0_u8..).zip(&self.encodings).find(|(_, encoding)| encoding.primary_ssrc == ssrc)
    }

    /// The SSRC of the first encoding, by which the source is known.
    pub fn primary_ssrc(&self) -> Option<u32> {
        self.encodings.first().map(|encoding| encoding.primary_ssrc)
    }

    /// All encodings in their order.
    pub fn encodings(&self) -> &[Encoding] {
        &self.encodings
    }

    /// All layers, from the lowest index to the highest.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.encodings.iter().flat_map(|encoding| encoding.layers.iter())
    }

    /// The layer with an index.
    pub fn layer(&self, index: LayerIndex) -> Option<&Layer> {
        self.layers().find(|layer| layer.index == index)
    }

    /// The rate of a layer with all that it depends on.
    pub fn layer_bitrate(&self, index: LayerIndex, now: Timestamp) -> Bitrate {
        index
            .encoding()
            .and_then(|encoding| self.encodings.get(usize::from(encoding)))
            .map_or(Bitrate::ZERO, |encoding| encoding.bitrate(index, now))
    }

    /// The rate of the highest layer up to `index` that has any.
    pub fn bitrate(&self, index: LayerIndex, now: Timestamp) -> Bitrate {
        let mut below: Vec<_> =
            self.layers().map(|layer| layer.index).filter(|layer| *layer <= index).collect();
        below.sort_unstable();
        below
            .into_iter()
            .rev()
            .map(|layer| self.layer_bitrate(layer, now))
            .find(|rate| *rate > Bitrate::ZERO)
            .unwrap_or(Bitrate::ZERO)
    }
}

impl MediaSource {
    /// With another codec the layers are those that were signalled, until it tells. Answers whether
    /// there was one before.
    fn take_form(&mut self, frame: &FrameDescription) -> bool {
        let form = PacketForm::of(frame);
        let before = self.form.replace(form);
        let changes = before.is_some_and(|before| before != form);
        if changes {
            for (index, encoding) in (0_u8..).zip(&mut self.encodings) {
                *encoding = Encoding::nominal(index, encoding.primary_ssrc, encoding.rtx_ssrc);
            }
        }
        changes
    }
}

impl PacketForm {
    fn of(frame: &FrameDescription) -> Self {
        match frame {
            FrameDescription::Vp8(_) => Self::Vp8,
            FrameDescription::Vp9(_) => Self::Vp9,
            FrameDescription::Dependency(_) => Self::Dependency,
            FrameDescription::KeyFrames { .. } | FrameDescription::Unparsed => Self::Plain,
        }
    }
}

/// What a packet changed about its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayeringChange {
    /// Other layers than before: allocation must run.
    pub layering: bool,
    /// A layer that carried nothing does so now: allocation must run before the packet is routed.
    pub became_active: bool,
}

impl Encoding {
    /// As signalled: one spatial and three temporal layers.
    fn nominal(index: u8, primary_ssrc: u32, rtx_ssrc: Option<u32>) -> Self {
        let nominal_height = NOMINAL_HEIGHT << index.min(MAX_HEIGHT_SHIFT);
        let mut encoding = Self {
            primary_ssrc,
            rtx_ssrc,
            nominal_height,
            layers: Vec::with_capacity(NOMINAL_FRAME_RATES.len()),
            bitrates: LayerBitrates::default(),
            has_sent: false,
            uses_decode_targets: false,
            seen_structure: None,
        };
        for (temporal_id, frame_rate) in (0_u8..).zip(NOMINAL_FRAME_RATES) {
            encoding.layers.push(Layer {
                index: LayerIndex::new(index, 0, temporal_id),
                spatial_id: 0,
                temporal_id,
                height: Some(nominal_height),
                frame_rate: Some(frame_rate),
                target_bitrate: None,
                uses_layer_below: false,
            });
        }
        encoding.bitrates.resize(encoding.layers.len());
        encoding
    }

    /// The layers, by rising index.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Whether packets of it have come.
    pub const fn has_sent(&self) -> bool {
        self.has_sent
    }

    fn clear(&mut self) {
        self.layers.clear();
        self.bitrates.resize(0);
    }

    /// Answers whether there are other layers than before.
    fn learn(&mut self, packet: &VideoPacket) -> bool {
        match &packet.frame {
            FrameDescription::Vp8(vp8) => {
                if let Some(height) = vp8.height {
                    self.layers.iter_mut().for_each(|layer| layer.height = Some(height));
                }
                false
            }
            FrameDescription::Vp9(vp9) => self.learn_vp9(packet.encoding, vp9),
            FrameDescription::Dependency(descriptor) => {
                self.learn_dependency(packet.encoding, descriptor)
            }
            FrameDescription::KeyFrames { .. } | FrameDescription::Unparsed => false,
        }
    }

    fn learn_vp9(&mut self, encoding: u8, vp9: &Vp9Descriptor) -> bool {
        let mut changed = false;
        if let Some(structure) = &vp9.scalability {
            changed = self.replace_by_vp9(encoding, structure);
        }
        let (spatial_id, temporal_id) = (vp9.spatial_id(), vp9.temporal_id());
        changed |= vp9.is_flexible && self.add_temporal_layers(encoding, spatial_id, temporal_id);
        if spatial_id > 0 && vp9.is_inter_picture_predicted {
            let depends = vp9.layer.is_some_and(|layer| layer.uses_inter_layer_dependency);
            let index = LayerIndex::new(encoding, spatial_id, temporal_id);
            if let Some(layer) = self.layers.iter_mut().find(|layer| layer.index == index) {
                layer.uses_layer_below = depends;
            }
        }
        changed
    }

    /// Temporal layers that were seen without being told stay.
    fn replace_by_vp9(&mut self, encoding: u8, structure: &Vp9Scalability) -> bool {
        let old = std::mem::take(&mut self.layers);
        let spatial_before = old.iter().map(|layer| layer.spatial_id).max();
        let seen = old.iter().map(|layer| layer.temporal_id + 1).max().unwrap_or(1);
        let temporal_layers =
            structure.temporal_layer_count().unwrap_or(if self.has_sent { seen } else { 1 });
        let mut rates = LayerBitrates::default();
        std::mem::swap(&mut rates, &mut self.bitrates);
        for spatial_id in 0..structure.spatial_layer_count {
            for temporal_id in 0..temporal_layers {
                let index = LayerIndex::new(encoding, spatial_id, temporal_id);
                let before = old.iter().find(|layer| layer.index == index);
                let share = structure.share_of_pictures(temporal_id);
                self.layers.push(Layer {
                    index,
                    spatial_id,
                    temporal_id,
                    height: structure.height(spatial_id).or(before.and_then(|old| old.height)),
                    frame_rate: share.map(|share| share * FULL_FRAME_RATE),
                    target_bitrate: before.and_then(|old| old.target_bitrate),
                    uses_layer_below: before.is_none_or(|old| old.uses_layer_below),
                });
            }
        }
        self.carry_over(&old, &rates);
        spatial_before != Some(structure.spatial_layer_count.saturating_sub(1))
            || old.len() != self.layers.len()
    }

    /// Flexible mode does not tell temporal layers: they are added when first seen.
    fn add_temporal_layers(&mut self, encoding: u8, spatial_id: u8, temporal_id: u8) -> bool {
        let index = LayerIndex::new(encoding, spatial_id, temporal_id);
        if self.layers.len() >= MAX_LAYERS || self.layers.iter().any(|layer| layer.index == index) {
            return false;
        }
        let below = self
            .layers
            .iter()
            .filter(|layer| layer.spatial_id == spatial_id && layer.index < index)
            .max_by_key(|layer| layer.index)
            .copied();
        let Some(below) = below else { return false };
        let old = self.layers.clone();
        let place = self.layers.partition_point(|layer| layer.index < index);
        self.layers.insert(place, Layer { index, temporal_id, ..below });
        let rates = std::mem::take(&mut self.bitrates);
        self.carry_over(&old, &rates);
        true
    }

    fn learn_dependency(&mut self, encoding: u8, descriptor: &DependencyDescriptor) -> bool {
        let (Some(structure), Some(mask)) =
            (&descriptor.structure, descriptor.active_decode_targets)
        else {
            return false;
        };
        let seen = (structure.template_id_offset, mask);
        if self.seen_structure == Some(seen) && self.uses_decode_targets {
            return false;
        }
        self.seen_structure = Some(seen);
        self.uses_decode_targets = true;
        self.layers.clear();
        for target in (0..structure.decode_target_count).filter(|target| mask >> target & 1 == 1) {
            let Some(layer) = structure.layer(target) else { continue };
            let resolution = structure.resolution(layer.spatial_id);
            let height = resolution.map(|size| size.width.min(size.height));
            self.layers.push(Layer {
                index: LayerIndex::with_decode_target(encoding, target),
                spatial_id: layer.spatial_id,
                temporal_id: layer.temporal_id,
                height: height.map(|height| u16::try_from(height).unwrap_or(u16::MAX)),
                frame_rate: structure.frame_rate(target),
                target_bitrate: None,
                uses_layer_below: false,
            });
        }
        if self.layers.iter().all(|layer| layer.spatial_id == 0 && layer.height.is_none()) {
            let height = Some(self.nominal_height);
            self.layers.iter_mut().for_each(|layer| layer.height = height);
        }
        // Rates are kept by decode target, of which there are as many as before or other ones.
        self.bitrates.resize(usize::from(structure.decode_target_count));
        true
    }

    /// Rates stay with their layers.
    fn carry_over(&mut self, old: &[Layer], rates: &LayerBitrates) {
        let mut kept = LayerBitrates::default();
        kept.resize(self.layers.len());
        for (place, layer) in self.layers.iter().enumerate() {
            if let Some(before) = old.iter().position(|old| old.index == layer.index) {
                kept.copy_from(place, rates, before);
            }
        }
        self.bitrates = kept;
    }

    /// Adds a packet to the rates of its layers; answers whether one of them had none.
    fn measure(&mut self, packet: &VideoPacket, size: DataSize) -> bool {
        let now = packet.received;
        let index = match &packet.frame {
            FrameDescription::Dependency(descriptor) => {
                let Some(frame) = &descriptor.frame else { return false };
                let mut present = frame.indications.present_mask();
                let mut became_active = false;
                while present != 0 {
                    let target = present.trailing_zeros();
                    present &= present - 1;
                    became_active |= self.bitrates.add(target as usize, now, size);
                }
                return became_active;
            }
            FrameDescription::Vp8(vp8) => {
                LayerIndex::new(packet.encoding, 0, vp8.temporal_id.unwrap_or(0))
            }
            FrameDescription::Vp9(vp9) => {
                LayerIndex::new(packet.encoding, vp9.spatial_id(), vp9.temporal_id())
            }
            _ => LayerIndex::new(packet.encoding, 0, 0),
        };
        let place = self.layers.iter().position(|layer| layer.index == index);
        place.is_some_and(|place| self.bitrates.add(place, now, size))
    }

    fn bitrate(&self, index: LayerIndex, now: Timestamp) -> Bitrate {
        if self.uses_decode_targets {
            let is_layer = self.layers.iter().any(|layer| layer.index == index);
            let target = usize::from(index.decode_target());
            return if is_layer { self.bitrates.rate(target, now) } else { Bitrate::ZERO };
        }
        let Some(layer) = self.layers.iter().find(|layer| layer.index == index) else {
            return Bitrate::ZERO;
        };
        let lowest_spatial = if layer.uses_layer_below { 0 } else { layer.spatial_id };
        let below = self.layers.iter().enumerate().filter(|(_, other)| {
            (lowest_spatial..=layer.spatial_id).contains(&other.spatial_id)
                && other.temporal_id <= layer.temporal_id
        });
        Bitrate::from_bps(below.map(|(place, _)| self.bitrates.rate(place, now).bps()).sum())
    }

    fn store_targets(&mut self, told: &bridge_rtp::SpatialLayerAllocation) {
        let highest = told.target_bitrates().len();
        for layer in self.layers.iter_mut().filter(|layer| layer.spatial_id == told.spatial_id) {
            let temporal = usize::from(layer.temporal_id);
            let Some(target) = told.target_bitrates().get(temporal) else { continue };
            layer.target_bitrate = Some(*target);
            if let Some(resolution) = told.resolution {
                let height = resolution.width.min(resolution.height);
                layer.height = Some(u16::try_from(height).unwrap_or(u16::MAX));
                let halvings = u32::try_from(highest - 1 - temporal).unwrap_or(0);
                let divisor = f64::from(1_u32 << halvings.min(8));
                layer.frame_rate = Some(f64::from(resolution.frame_rate) / divisor);
            }
        }
    }
}

impl VideoType {
    /// From its signalled name, case-insensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            ("CAMERA", Self::Camera),
            ("DESKTOP", Self::Desktop),
            ("DESKTOP_HIGH_FPS", Self::DesktopHighFps),
            ("DISABLED", Self::Disabled),
            ("NONE", Self::None),
        ]
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, kind)| kind)
    }

    /// Whether anything is sent.
    pub const fn is_enabled(self) -> bool {
        !matches!(self, Self::Disabled | Self::None)
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoName => "source without a name",
            Self::NoOwner => "source without an owner",
            Self::TooManyEncodings => "source with too many encodings",
        })
    }
}

impl Error for SourceError {}

/// The media SSRCs of each source: of simulcast groups, then of the first of other groups, then the
/// rest.
fn encoding_ssrcs(signaled: &SignaledSource) -> Vec<Vec<u32>> {
    let mut taken: Vec<u32> = Vec::new();
    let mut sources = Vec::new();
    let groups = || signaled.groups.iter().filter(|group| !group.ssrcs.is_empty());
    for group in groups().filter(|group| group.is("SIM")) {
        sources.push(group.ssrcs.clone());
        taken.extend(&group.ssrcs);
    }
    for partner in groups().filter(|group| !group.is("SIM")) {
        let is_partner_of_taken = partner.ssrcs.first().is_some_and(|ssrc| taken.contains(ssrc));
        if is_partner_of_taken {
            taken.extend(partner.ssrcs.iter().skip(1));
        }
    }
    let rank = |group: &&SignaledGroup| u8::from(!group.is("FID"));
    let mut others: Vec<_> = groups().filter(|group| !group.is("SIM")).collect();
    others.sort_by_key(rank);
    for group in others {
        let Some((first, partners)) = group.ssrcs.split_first() else { continue };
        if !taken.contains(first) {
            sources.push(vec![*first]);
            taken.push(*first);
        }
        taken.extend(partners);
    }
    let rest = signaled.ssrcs.iter().filter(|ssrc| **ssrc != NO_SSRC && !taken.contains(ssrc));
    sources.extend(rest.map(|ssrc| vec![*ssrc]));
    sources
}

fn rtx_of(signaled: &SignaledSource, ssrc: u32) -> Option<u32> {
    let group = signaled
        .groups
        .iter()
        .find(|group| group.is("FID") && group.ssrcs.first() == Some(&ssrc))?;
    group.ssrcs.get(1).copied()
}

impl SignaledGroup {
    fn is(&self, semantics: &str) -> bool {
        self.semantics.eq_ignore_ascii_case(semantics)
    }
}

/// JVB takes an SSRC of -1 as none.
const NO_SSRC: u32 = u32::MAX;
/// Pixels of the first encoding; each next one doubles it.
const NOMINAL_HEIGHT: u16 = 180;
/// Keeps the doubled height within its type.
const MAX_HEIGHT_SHIFT: u8 = 8;
const NOMINAL_FRAME_RATES: [f64; 3] = [7.5, 15.0, 30.0];
const FULL_FRAME_RATE: f64 = 30.0;
