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
    /// The place of the cheapest better choice, the lowest of equals; beyond all if there is none.
    pub(super) cheapest_above: usize,
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
    let marks = match video_type {
        VideoType::Camera => select_camera(choices, config, layers, constraints.max_height),
        VideoType::Desktop | VideoType::DesktopHighFps => {
            select_screen(choices, config, layers, constraints.max_height, is_on_stage)
        }
        VideoType::Disabled | VideoType::None => Marks::default(),
    };
    link_cheapest(choices);
    marks
}

/// So that finding a better choice that is not more expensive takes no search.
fn link_cheapest(choices: &mut [Choice]) {
    let mut cheapest = usize::MAX;
    let mut lowest_rate = i64::MAX;
    for (place, choice) in choices.iter_mut().enumerate().rev() {
        choice.cheapest_above = cheapest;
        if choice.rate <= lowest_rate {
            (cheapest, lowest_rate) = (place, choice.rate);
        }
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
            cheapest_above: usize::MAX,
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

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: [u64; 9] = [50, 100, 150, 170, 340, 500, 660, 1320, 2000];

    fn layers(heights: [u16; 3], frame_rates: [Option<f64>; 3], kbps: [u64; 9]) -> Vec<LayerState> {
        let layers = (0_u8..9).zip(kbps).map(|(n, kbps)| LayerState {
            index: LayerIndex::new(n / 3, 0, n % 3),
            height: Some(heights[usize::from(n / 3)]),
            frame_rate: frame_rates[usize::from(n % 3)],
            bitrate: Bitrate::from_kbps(kbps),
            target_bitrate: None,
        });
        layers.collect()
    }

    fn simulcast(kbps: [u64; 9]) -> Vec<LayerState> {
        layers([180, 360, 720], [Some(7.5), Some(15.0), Some(30.0)], kbps)
    }

    /// The numbers of the layers from 0 to 8, the preferred one and the one for oversending.
    type Selected = (Vec<usize>, Option<usize>, Option<usize>);

    fn selected(layers: &[LayerState], kind: VideoType, height: i32, on_stage: bool) -> Selected {
        let constraints = VideoConstraints::from_signaled(height, -1.0);
        let config = AllocationConfig::default();
        let mut choices = Vec::new();
        let marks = select(&mut choices, &config, layers, kind, constraints, on_stage);
        let number = |choice: &Choice| layers.iter().position(|layer| layer.index == choice.index);
        let number_at = |place: usize| number(&choices[place]).unwrap_or(99);
        let numbers = choices.iter().filter_map(number).collect();
        (numbers, marks.preferred.map(number_at), marks.oversend.map(number_at))
    }

    #[test]
    fn cameras_have_all_frame_rates_of_the_lowest_resolution_only() {
        let only_low = [50, 100, 150, 170, 0, 0, 0, 0, 0];
        let single = layers([720; 3], [Some(7.5), Some(15.0), Some(30.0)], FULL);
        for (layers, height, expected, preferred) in [
            (simulcast(FULL), 720, &[0, 1, 2, 5, 8][..], Some(5)),
            (simulcast(FULL), -1, &[0, 1, 2, 5, 8], Some(5)),
            (simulcast(FULL), 360, &[0, 1, 2, 5], Some(5)),
            (simulcast(FULL), 181, &[0, 1, 2], Some(2)),
            (simulcast(FULL), 180, &[0, 1, 2], Some(2)),
            (simulcast(FULL), 90, &[0, 1, 2], Some(2)),
            (simulcast(FULL), 0, &[], None),
            (simulcast(only_low), 720, &[0, 1, 2], Some(2)),
            (simulcast([0; 9]), 720, &[0, 1, 2, 5, 8], Some(5)),
            (single[..3].to_vec(), 360, &[0, 1, 2], Some(2)),
        ] {
            for on_stage in [false, true] {
                let actual = selected(&layers, VideoType::Camera, height, on_stage);
                assert_eq!(actual, (expected.to_vec(), preferred, None), "{height}");
            }
        }
    }

    #[test]
    fn slow_cameras_and_unknown_frame_rates_have_a_full_rate_too() {
        let slow = layers([180, 360, 720], [Some(3.0), Some(6.0), Some(12.0)], FULL);
        let (numbers, ..) = selected(&slow, VideoType::Camera, 720, false);
        assert_eq!(numbers, [0, 1, 2, 5, 8]);
        let unknown = layers([180, 360, 720], [None; 3], FULL);
        let (numbers, preferred, _) = selected(&unknown, VideoType::Camera, 720, false);
        assert_eq!((numbers.len(), preferred), (9, Some(5)));
    }

    #[test]
    fn screens_have_all_layers_within_the_height() {
        let no_low = [0, 0, 0, 170, 340, 500, 660, 1320, 2000];
        for (kbps, height, expected, oversend) in [
            (FULL, 720, 0..9, 6),
            (FULL, -1, 0..9, 6),
            (FULL, 360, 0..6, 3),
            (FULL, 180, 0..3, 0),
            // The lowest resolution that is sent, if nothing fits.
            (no_low, 180, 3..6, 3),
            ([0; 9], 360, 0..6, 3),
        ] {
            let numbers: Vec<_> = expected.collect();
            for kind in [VideoType::Desktop, VideoType::DesktopHighFps] {
                let layers = simulcast(kbps);
                let marks = (numbers.last().copied(), Some(oversend));
                let on_stage = selected(&layers, kind, height, true);
                assert_eq!(on_stage, (numbers.clone(), marks.0, marks.1), "{height}");
                let off_stage = selected(&layers, kind, height, false);
                assert_eq!(off_stage, (numbers.clone(), marks.0, None), "{height}");
            }
        }
    }

    #[test]
    fn screens_of_one_resolution_without_frame_rates_have_one_layer_off_stage() {
        let vp9 = &layers([720; 3], [None; 3], [500, 170, 340, 0, 0, 0, 0, 0, 0])[..3];
        let on_stage = selected(vp9, VideoType::Desktop, 180, true);
        assert_eq!(on_stage, (vec![0, 1, 2], Some(2), Some(1)));
        assert_eq!(selected(vp9, VideoType::Desktop, 180, false), (vec![0], Some(0), None));
        let all = selected(vp9, VideoType::Desktop, 720, false);
        assert_eq!(all, (vec![0, 1, 2], Some(2), None));
    }

    #[test]
    fn what_is_off_has_no_layers() {
        for kind in [VideoType::None, VideoType::Disabled] {
            assert_eq!(selected(&simulcast(FULL), kind, 720, true), (vec![], None, None));
        }
        assert_eq!(selected(&[], VideoType::Desktop, 720, true), (vec![], None, None));
    }
}
