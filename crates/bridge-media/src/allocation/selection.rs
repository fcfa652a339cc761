use bridge_units::Bitrate;

use super::config::AllocationConfig;
use super::constraints::{MaxHeight, VideoConstraints};
use crate::layer_index::LayerIndex;
use crate::source::VideoType;
use crate::source_layers::LayerState;

/// A layer that a receiver may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) index: LayerIndex,
    /// Bits per second.
    pub(super) rate: i64,
    height: i32,
}

/// Which places among the choices are special.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Up to here an on-stage source comes before all else.
    pub(super) preferred: Option<usize>,
    /// Up to here it may exceed the budget.
    pub(super) oversend: Option<usize>,
}

/// Puts the layers that come into question into `choices`, lowest first (JVB:
/// `SingleSourceAllocation.selectLayers`).
pub(super) fn select(
    choices: &mut Vec<Choice>,
    config: &AllocationConfig,
    layers: &[LayerState],
    video_type: VideoType,
    constraints: VideoConstraints,
    is_on_stage: bool,
) -> Marks {
    choices.clear();
    if constraints.is_disabled() || layers.is_empty() {
        return Marks::default();
    }
    match video_type {
        VideoType::Camera => select_camera(choices, config, layers, constraints.max_height),
        VideoType::Desktop | VideoType::DesktopHighFps => {
            select_screen(choices, config, layers, constraints.max_height, is_on_stage)
        }
        VideoType::Disabled | VideoType::None => Marks::default(),
    }
}

/// Bits per second of a layer as signed number, so that budgets can be overdrawn.
pub(super) fn signed_bps(rate: Bitrate) -> i64 {
    i64::try_from(rate.bps()).unwrap_or(MAX_RATE).min(MAX_RATE)
}

/// Low resolutions with all frame rates, higher ones only at the full frame rate.
fn select_camera(
    choices: &mut Vec<Choice>,
    config: &AllocationConfig,
    layers: &[LayerState],
    max_height: MaxHeight,
) -> Marks {
    let is_thumbnail = max_height <= THUMBNAIL_HEIGHT;
    let (preferred_height, preferred_rate) = if is_thumbnail {
        (UNKNOWN_HEIGHT, UNKNOWN_FRAME_RATE)
    } else {
        let height = i32::try_from(config.onstage_preferred_height).unwrap_or(i32::MAX);
        (height, config.onstage_preferred_frame_rate)
    };
    let min_height = layers.iter().map(height_of).min().unwrap_or(UNKNOWN_HEIGHT);
    let max_rate = layers.iter().map(frame_rate_of).fold(UNKNOWN_FRAME_RATE, f64::max);
    let full_rate = if max_rate > 0.0 { max_rate.min(preferred_rate) } else { preferred_rate };
    let is_silent = !is_active(config, layers);
    for layer in layers {
        let (height, frame_rate) = (height_of(layer), frame_rate_of(layer));
        let has_full_rate = frame_rate < 0.0 || frame_rate >= full_rate;
        let comes_into_question = height < preferred_height
            || (max_height.admits(height) && has_full_rate)
            || height == min_height;
        let choice = Choice::new(config, layer);
        if comes_into_question && (is_silent || choice.rate > 0) {
            choices.push(choice);
        }
    }
    let preferred_height = preferred_height.max(min_height);
    let preferred = choices.iter().rposition(|choice| choice.height <= preferred_height);
    Marks { preferred, oversend: None }
}

/// All frame rates of all resolutions: text is read, so its resolution matters most.
fn select_screen(
    choices: &mut Vec<Choice>,
    config: &AllocationConfig,
    layers: &[LayerState],
    max_height: MaxHeight,
    is_on_stage: bool,
) -> Marks {
    let is_silent = !is_active(config, layers);
    let active = layers
        .iter()
        .map(|layer| (layer, Choice::new(config, layer)))
        .filter(|(_, choice)| is_silent || choice.rate > 0);
    let fitting = active.clone().filter(|(_, choice)| max_height.admits(choice.height));
    choices.extend(fitting.map(|(_, choice)| choice));
    if choices.is_empty() {
        let min_height = active.clone().map(|(_, choice)| choice.height).min();
        let mut lowest = active.filter(|(_, choice)| Some(choice.height) == min_height);
        let first = lowest.next();
        choices.extend(first.map(|(_, choice)| choice));
        // Unknown frame rates of one resolution are VP9's: its quality differs instead, and the
        // least is enough off stage.
        let has_frame_rate = first.is_some_and(|(layer, _)| frame_rate_of(layer) >= 0.0);
        if is_on_stage || has_frame_rate {
            choices.extend(lowest.map(|(_, choice)| choice));
        }
    }
    let top_height = choices.iter().map(|choice| choice.height).max();
    let may_oversend = is_on_stage && config.allow_oversend_onstage;
    let top = choices.iter().enumerate().filter(|(_, c)| Some(c.height) == top_height);
    let cheapest = top.min_by_key(|(_, choice)| choice.rate).map(|(place, _)| place);
    Marks { preferred: choices.len().checked_sub(1), oversend: cheapest.filter(|_| may_oversend) }
}

/// Whether any layer carries something.
pub(super) fn is_active(config: &AllocationConfig, layers: &[LayerState]) -> bool {
    layers.iter().any(|layer| config.layer_bitrate(layer).bps() > 0)
}

/// Whether layers that carry something are higher than is wanted.
pub(super) fn exceeds_height(
    config: &AllocationConfig,
    layers: &[LayerState],
    max_height: MaxHeight,
) -> bool {
    let is_above = |layer: &&LayerState| !max_height.admits(height_of(layer));
    layers.iter().filter(is_above).any(|layer| config.layer_bitrate(layer).bps() > 0)
}

fn height_of(layer: &LayerState) -> i32 {
    layer.height.map_or(UNKNOWN_HEIGHT, i32::from)
}

fn frame_rate_of(layer: &LayerState) -> f64 {
    layer.frame_rate.unwrap_or(UNKNOWN_FRAME_RATE)
}

impl Choice {
    fn new(config: &AllocationConfig, layer: &LayerState) -> Self {
        Self {
            index: layer.index,
            rate: signed_bps(config.layer_bitrate(layer)),
            height: height_of(layer),
        }
    }

    pub(super) fn bitrate(self) -> Bitrate {
        Bitrate::from_bps(u64::try_from(self.rate).unwrap_or(0))
    }
}

/// Up to here a camera is a thumbnail, which has no preferred height.
const THUMBNAIL_HEIGHT: MaxHeight = MaxHeight::from_pixels(180);
/// Less than any height: JVB's -1, with which the rules are written.
const UNKNOWN_HEIGHT: i32 = -1;
const UNKNOWN_FRAME_RATE: f64 = -1.0;
/// Above every rate that occurs, and so low that sums of all layers of a conference do not overflow.
const MAX_RATE: i64 = 1 << 40;
