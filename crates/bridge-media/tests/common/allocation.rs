//! Sources that are sent, and one receiver of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bridge_media::{
    Allocation, AllocationChange, AllocationConfig, AllocationReason, AllocationSettings,
    BandwidthAllocator, CandidateSource, LayerIndex, LayerState, MaxHeight, SourceLayers,
    VideoConstraints, VideoType,
};
use bridge_units::{Bitrate, EndpointId, SourceId, Timestamp};

/// The rates of the contract's examples in kbps, of 180, 360 and 720 pixels with 7.5, 15 and 30
/// frames a second.
pub const RATES_A: [u64; 9] = [40, 70, 110, 120, 210, 340, 400, 750, 1200];
pub const RATES_B: [u64; 9] = [30, 60, 100, 110, 200, 300, 350, 700, 1000];
pub const RATES_C: [u64; 9] = [35, 65, 90, 100, 180, 260, 300, 600, 900];
/// Of four sources that are alike, in bits per second.
pub const SERIES: [u64; 9] =
    [49_500, 99_000, 150_000, 165_000, 330_000, 500_000, 660_000, 1_320_000, 2_000_000];

/// A source with what it sends.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: SourceId,
    pub name: String,
    pub owner: EndpointId,
    pub video_type: VideoType,
    pub layers: SourceLayers,
}

impl Sent {
    pub fn new(owner: &str, video_type: VideoType, layers: Vec<LayerState>) -> Self {
        let id = owner.bytes().fold(0, |id: u32, byte| id.wrapping_mul(31) + u32::from(byte));
        Self {
            id: SourceId(id),
            name: format!("{owner}-v0"),
            owner: endpoint(owner),
            video_type,
            layers: SourceLayers { layers },
        }
    }

    /// A simulcast camera; rates in kbps.
    pub fn camera(owner: &str, kbps: [u64; 9]) -> Self {
        Self::new(owner, VideoType::Camera, simulcast(kbps.map(|rate| rate * 1_000)))
    }

    /// Of the four that are alike.
    pub fn alike(owner: &str, video_type: VideoType) -> Self {
        Self::new(owner, video_type, simulcast(SERIES))
    }

    pub fn candidate(&self) -> CandidateSource<'_> {
        CandidateSource {
            id: self.id,
            name: &self.name,
            owner: &self.owner,
            video_type: self.video_type,
            layers: &self.layers.layers,
        }
    }

    /// `360@30`, or `E0S1T0` if the frame rate is not known, or `-`.
    pub fn describe(&self, index: LayerIndex) -> String {
        let Some(layer) = self.layers.layers.iter().find(|layer| layer.index == index) else {
            return "-".into();
        };
        match (layer.height, layer.frame_rate) {
            (Some(height), Some(rate)) => format!("{height}@{rate}"),
            _ => index.to_string(),
        }
    }
}

pub fn endpoint(id: &str) -> EndpointId {
    EndpointId::new(id).unwrap()
}

pub fn layer(index: LayerIndex, height: u16, frame_rate: Option<f64>, bps: u64) -> LayerState {
    LayerState {
        index,
        height: Some(height),
        frame_rate,
        bitrate: Bitrate::from_bps(bps),
        target_bitrate: None,
    }
}

/// Three encodings with three frame rates each.
pub fn simulcast(bps: [u64; 9]) -> Vec<LayerState> {
    let place = (0_u8..3).flat_map(|encoding| (0_u8..3).map(move |temporal| (encoding, temporal)));
    place
        .zip(bps)
        .map(|((encoding, temporal), bps)| {
            let frame_rate = [7.5, 15.0, 30.0][usize::from(temporal)];
            layer(LayerIndex::new(encoding, 0, temporal), 180 << encoding, Some(frame_rate), bps)
        })
        .collect()
}

pub fn height(pixels: u32) -> VideoConstraints {
    VideoConstraints::from_max_height(MaxHeight::from_pixels(pixels))
}

pub const UNLIMITED: VideoConstraints = VideoConstraints::from_max_height(MaxHeight::UNLIMITED);

/// Settings with a default height.
pub fn tiles(pixels: u32) -> AllocationSettings {
    AllocationSettings {
        default_constraints: height(pixels),
        ..AllocationSettings::new(&AllocationConfig::default())
    }
}

/// Settings with 180 pixels for all but the sources of these endpoints, which are on stage.
pub fn stage(on_stage: &[(&str, VideoConstraints)]) -> AllocationSettings {
    let named = on_stage.iter().map(|(owner, constraints)| (format!("{owner}-v0"), *constraints));
    AllocationSettings {
        on_stage_sources: on_stage.iter().map(|(owner, _)| format!("{owner}-v0")).collect(),
        constraints: named.collect::<BTreeMap<_, _>>(),
        ..tiles(180)
    }
}

/// A receiver with the id `me`, who understands retransmissions.
pub struct Receiver {
    pub allocator: BandwidthAllocator,
    pub now: Timestamp,
}

impl Receiver {
    pub fn new(settings: AllocationSettings) -> Self {
        Self::with_config(AllocationConfig::default(), settings)
    }

    pub fn with_config(config: AllocationConfig, settings: AllocationSettings) -> Self {
        let now = Timestamp::from_millis(1_000);
        let mut allocator = BandwidthAllocator::new(endpoint("me"), Arc::new(config), now);
        allocator.set_supports_rtx(true);
        allocator.set_settings(settings);
        Self { allocator, now }
    }

    pub fn allocate(&mut self, sources: &[Sent]) -> AllocationChange {
        let candidates: Vec<_> = sources.iter().map(Sent::candidate).collect();
        self.allocator.allocate(self.now, &candidates)
    }

    /// Allocates with an estimate.
    pub fn with_estimate(&mut self, sources: &[Sent], bps: u64) -> &Allocation {
        self.allocator.handle_estimate(Bitrate::from_bps(bps));
        self.allocate(sources);
        self.allocator.allocation()
    }

    /// The targets of the sources, in their own order.
    pub fn targets(&self, sources: &[Sent]) -> Vec<String> {
        let target = |sent: &Sent| self.allocator.allocation().source(sent.id).map(|s| s.target);
        let describe = |sent: &Sent| sent.describe(target(sent).unwrap_or(LayerIndex::SUSPENDED));
        sources.iter().map(describe).collect()
    }

    pub fn reasons(&self, sources: &[Sent]) -> Vec<AllocationReason> {
        let allocation = self.allocator.allocation();
        sources.iter().filter_map(|s| allocation.source(s.id)).map(|s| s.reason).collect()
    }

    /// The effective heights of the sources, in their own order.
    pub fn heights(&self, sources: &[Sent]) -> Vec<i32> {
        let allocation = self.allocator.allocation();
        let of = |s: &Sent| allocation.source(s.id).map(|s| s.effective_constraints.max_height);
        sources.iter().filter_map(of).map(MaxHeight::to_signaled).collect()
    }

    /// The names of the owners, most wanted first.
    pub fn order(&self, sources: &[Sent]) -> Vec<String> {
        let owner = |id| sources.iter().find(|sent| sent.id == id).map(|s| s.owner.to_string());
        self.allocator.allocation().sources.iter().filter_map(|s| owner(s.source)).collect()
    }
}
