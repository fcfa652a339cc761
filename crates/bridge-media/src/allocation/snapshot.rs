use bridge_units::{Bitrate, SourceId};

use super::config::AllocationConfig;
use super::outcome::{Allocation, SourceAllocation};
use crate::source_layers::SourceLayers;

/// What an allocation takes at a moment, for probing (JVB: `BandwidthAllocation` as seen by
/// `BandwidthProbing`): rates are those of now, targets those of the last run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocationSnapshot {
    /// What the target layers take.
    pub target_bitrate: Bitrate,
    /// What the ideal layers would take.
    pub ideal_bitrate: Bitrate,
    /// Whether some source could be better than it is.
    pub has_non_ideal_layer: bool,
}

impl AllocationSnapshot {
    pub(super) fn new<'a>(
        allocation: &Allocation,
        config: &AllocationConfig,
        mut layers_of: impl FnMut(SourceId) -> Option<&'a SourceLayers>,
    ) -> Self {
        let has_non_ideal_layer = allocation.has_non_ideal_layer();
        let mut snapshot = Self { has_non_ideal_layer, ..Self::default() };
        for source in allocation.sources.iter().filter(|source| !source.ideal.is_suspended()) {
            let Some(layers) = layers_of(source.source) else { continue };
            let target = layers.bitrate(source.target);
            let ideal = ideal_bitrate(config, source, layers);
            snapshot.target_bitrate = sum(snapshot.target_bitrate, target);
            snapshot.ideal_bitrate = sum(snapshot.ideal_bitrate, ideal);
        }
        snapshot
    }
}

fn ideal_bitrate(
    config: &AllocationConfig,
    source: &SourceAllocation,
    layers: &SourceLayers,
) -> Bitrate {
    let ideal = layers.layers.iter().find(|layer| layer.index == source.ideal);
    let told = ideal.and_then(|layer| layer.target_bitrate);
    told.filter(|_| config.use_vla_target_bitrate).unwrap_or_else(|| layers.bitrate(source.ideal))
}

fn sum(a: Bitrate, b: Bitrate) -> Bitrate {
    Bitrate::from_bps(a.bps().saturating_add(b.bps()))
}
