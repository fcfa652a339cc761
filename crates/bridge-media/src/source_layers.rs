use bridge_units::{Bitrate, Timestamp};

use crate::layer_index::LayerIndex;
use crate::source::MediaSource;

/// What a source sends at a moment, as its shard tells the control plane: the input of allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceLayers {
    /// All layers, from the lowest index to the highest.
    pub layers: Vec<LayerState>,
}

/// One layer of a [`SourceLayers`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerState {
    /// Its place among the source's layers.
    pub index: LayerIndex,
    /// Pixels of the smaller side, if known.
    pub height: Option<u16>,
    /// Frames per second, if known.
    pub frame_rate: Option<f64>,
    /// Its measured rate with all that it depends on; zero while it carries nothing.
    pub bitrate: Bitrate,
    /// What the sender says it will send on it and the layers below.
    pub target_bitrate: Option<Bitrate>,
}

impl SourceLayers {
    /// What `source` sends `now`.
    pub fn of(source: &MediaSource, now: Timestamp) -> Self {
        let state = |layer: &crate::source::Layer| LayerState {
            index: layer.index,
            height: layer.height,
            frame_rate: layer.frame_rate,
            bitrate: source.layer_bitrate(layer.index, now),
            target_bitrate: layer.target_bitrate,
        };
        Self { layers: source.layers().map(state).collect() }
    }

    /// The rate of the highest layer up to `index` that has any.
    pub fn bitrate(&self, index: LayerIndex) -> Bitrate {
        let below = self.layers.iter().filter(|layer| layer.index <= index);
        below
            .filter(|layer| layer.bitrate > Bitrate::ZERO)
            .max_by_key(|layer| layer.index)
            .map_or(Bitrate::ZERO, |layer| layer.bitrate)
    }
}
