use std::time::Duration;

use bridge_units::Bitrate;

use super::constraints::MaxHeight;
use super::last_n::{ConferenceSizeLimits, LastN};
use crate::source_layers::LayerState;

/// The configuration of allocation: the keys of `videobridge.cc` but for those of probing, and what
/// else limits the number of sources.
#[derive(Clone, Debug, PartialEq)]
pub struct AllocationConfig {
    /// `bwe-change-threshold`: the relative change of the estimate that starts a new run.
    pub bwe_change_threshold: f64,
    /// `default-max-height-px`: for sources that a receiver's constraints do not mention.
    pub default_max_height: MaxHeight,
    /// `initial-max-height-px`: before the receiver's first constraints.
    pub initial_max_height: MaxHeight,
    /// `onstage-preferred-height-px`: up to here, an on-stage source comes before all else.
    pub onstage_preferred_height: u32,
    /// `onstage-preferred-framerate`: from here on layers above the preferred height are taken.
    pub onstage_preferred_frame_rate: f64,
    /// `allow-oversend-onstage`: whether the first on-stage screen may exceed the budget.
    pub allow_oversend_onstage: bool,
    /// `max-oversend-bitrate`: by how much.
    pub max_oversend_bitrate: Bitrate,
    /// `trust-bwe`: without it there is no budget.
    pub trust_bwe: bool,
    /// `max-time-between-calculations`: how long an outcome stands without another cause to run.
    pub max_time_between_calculations: Duration,
    /// `jvb-last-n`: of every receiver, until [`super::BandwidthAllocator::set_bridge_last_n`].
    pub bridge_last_n: LastN,
    /// `initial-last-n`: of a receiver that has not told one.
    pub initial_last_n: LastN,
    /// `assumed-bandwidth-limit`: up to here clients may tell the budget; `None`: they may not.
    pub assumed_bandwidth_limit: Option<Bitrate>,
    /// `use-vla-target-bitrate`: whether the sender's word counts before the measured rate.
    pub use_vla_target_bitrate: bool,
    /// `initial-ignore-bwe-period`, with the default of the estimator: for so long after its first
    /// video a receiver has no budget.
    pub initial_ignore_bwe_period: Duration,
    /// `videobridge.ssrc-limit.video`. Counts for all receivers, also for those with SSRCs of their
    /// own, as in JVB.
    pub ssrc_limit: LastN,
    /// `videobridge.load-management.conference-last-n-limits`.
    pub conference_size_limits: ConferenceSizeLimits,
}

impl AllocationConfig {
    /// The rate of a layer that decides.
    pub(super) fn layer_bitrate(&self, layer: &LayerState) -> Bitrate {
        let told = layer.target_bitrate.filter(|_| self.use_vla_target_bitrate);
        told.unwrap_or(layer.bitrate)
    }
}

impl Default for AllocationConfig {
    /// As JVB's `reference.conf`.
    fn default() -> Self {
        Self {
            bwe_change_threshold: 0.15,
            default_max_height: MaxHeight::from_pixels(180),
            initial_max_height: MaxHeight::ZERO,
            onstage_preferred_height: 360,
            onstage_preferred_frame_rate: 30.0,
            allow_oversend_onstage: true,
            max_oversend_bitrate: Bitrate::from_kbps(500),
            trust_bwe: true,
            max_time_between_calculations: Duration::from_secs(5),
            bridge_last_n: LastN::UNLIMITED,
            initial_last_n: LastN::UNLIMITED,
            assumed_bandwidth_limit: None,
            use_vla_target_bitrate: false,
            initial_ignore_bwe_period: Duration::ZERO,
            ssrc_limit: LastN::new(50),
            conference_size_limits: ConferenceSizeLimits::default(),
        }
    }
}
