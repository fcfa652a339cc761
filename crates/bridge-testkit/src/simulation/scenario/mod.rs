//! What is measured of the media plane as a whole, for tests and for the plots of the bench.

mod burst_loss;
mod falling_link;
mod few_ssrcs;
mod fifty_senders;
mod late_receiver;
mod measurement;
mod redundant_audio;
mod screen_on_stage;
mod slow_receiver;
mod top_layer;
mod uneven_delay;

use super::bridge::SimulationError;
use super::report::ScenarioReport;

/// A scenario of the media plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A receiver's link falls from 3 Mbps to 300 kbps and comes back.
    FallingLink,
    /// A receiver's link falls to 500 kbps and comes back, beside one that stays fast.
    SlowReceiver,
    /// A receiver's link loses 5 % in bursts.
    BurstLossDown,
    /// A sender's link loses 5 % in bursts.
    BurstLossUp,
    /// Fifty people show their cameras, five are seen, and the speaker changes.
    FiftySenders,
    /// A screen on stage, cameras besides, on a link that does not take everything.
    ScreenOnStage,
    /// Somebody joins a call that is under way.
    LateReceiver,
    /// A sender cannot send its highest layer for a while.
    TopLayerDrops,
    /// Fifty people, and receivers that let the bridge choose few SSRCs.
    FewSsrcs,
    /// Audio with and without redundancy, under loss.
    RedundantAudio,
    /// Links that delay packets unevenly, with and without changing their order.
    UnevenDelay,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::FallingLink,
        Self::SlowReceiver,
        Self::BurstLossDown,
        Self::BurstLossUp,
        Self::FiftySenders,
        Self::ScreenOnStage,
        Self::LateReceiver,
        Self::TopLayerDrops,
        Self::FewSsrcs,
        Self::RedundantAudio,
        Self::UnevenDelay,
    ];

    /// Runs it. The same seed gives the same report.
    pub fn run(self, seed: u64) -> Result<ScenarioReport, SimulationError> {
        match self {
            Self::FallingLink => falling_link::run(seed),
            Self::SlowReceiver => slow_receiver::run(seed),
            Self::BurstLossDown => burst_loss::run_down(seed),
            Self::BurstLossUp => burst_loss::run_up(seed),
            Self::FiftySenders => fifty_senders::run(seed),
            Self::ScreenOnStage => screen_on_stage::run(seed),
            Self::LateReceiver => late_receiver::run(seed),
            Self::TopLayerDrops => top_layer::run(seed),
            Self::FewSsrcs => few_ssrcs::run(seed),
            Self::RedundantAudio => redundant_audio::run(seed),
            Self::UnevenDelay => uneven_delay::run(seed),
        }
    }
}
