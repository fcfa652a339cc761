use std::time::Duration;

use bridge_units::Bitrate;

use crate::error::ConfigError;
use crate::reader::{FromConfig, Reader, join};
use crate::section::checks::{LIMIT, PERIOD, POSITIVE};

/// Bandwidth allocation.
#[derive(Clone, Debug, PartialEq)]
pub struct CcConfig {
    /// Relative change of the estimate that starts a new allocation.
    pub bwe_change_threshold: f64,
    /// Most pixels of height for sources that a receiver did not mention.
    pub default_max_height_px: u32,
    /// The same before the receiver has said anything.
    pub initial_max_height_px: u32,
    /// Keys without history.
    pub allocation: AllocationConfig,
    /// Whether one on-stage source may exceed the estimate.
    pub allow_oversend_onstage: bool,
}

section! {
    /// The larger part of the keys of bandwidth allocation.
    AllocationConfig {
        /// Height up to which an on-stage source is preferred.
        onstage_preferred_height_px: u32 = "onstage-preferred-height-px",
        /// Frame rate up to which it is.
        onstage_preferred_framerate: f64 = "onstage-preferred-framerate" where POSITIVE,
        /// By how much an on-stage source may exceed the estimate.
        max_oversend_bitrate: Bitrate = "max-oversend-bitrate",
        /// Whether the estimate counts at all.
        trust_bwe: bool = "trust-bwe",
        /// Between two looks at whether probing is needed.
        padding_period: Duration = "padding-period" where PERIOD,
        /// Longest time without a new allocation.
        max_time_between_calculations: Duration = "max-time-between-calculations" where PERIOD,
        /// Most forwarded sources of any receiver; -1: no limit.
        jvb_last_n: i32 = "jvb-last-n" where LIMIT,
        /// The same before the receiver has said anything.
        initial_last_n: i32 = "initial-last-n" where LIMIT,
        /// Cap for what clients may say of their bandwidth; `None`: they may not.
        assumed_bandwidth_limit: Option<Bitrate> = "assumed-bandwidth-limit",
        /// Whether the video layers allocation extension gives bit rates.
        use_vla_target_bitrate: bool = "use-vla-target-bitrate",
        /// For how long the estimate does not count; `None`: the engine's default.
        initial_ignore_bwe_period: Option<Duration> = "initial-ignore-bwe-period",
    }
}

/// The old names below precede the present ones (JVB class `BitrateControllerConfig`).
impl FromConfig for CcConfig {
    fn read(reader: &Reader<'_>, prefix: &str) -> Result<Self, ConfigError> {
        let path = |key| join(prefix, key);
        let threshold = path("bwe-change-threshold");
        let threshold_pct = path("bwe-change-threshold-pct");
        let bwe_change_threshold = match reader.optional::<f64>(&threshold_pct)? {
            Some(percent) => {
                reader.check(&threshold_pct, &percent, &POSITIVE)?;
                percent / 100.0
            }
            None => reader.read(&threshold)?,
        };
        reader.check(&threshold, &bwe_change_threshold, &POSITIVE)?;
        let thumbnail = reader.optional::<u32>(&path("thumbnail-max-height-px"))?;
        let default_max_height_px = reader.read(&path("default-max-height-px"))?;
        let initial_max_height_px = reader.read(&path("initial-max-height-px"))?;
        let suspend = reader.optional::<bool>(&path("enable-onstage-video-suspend"))?;
        let oversend = reader.read(&path("allow-oversend-onstage"))?;
        Ok(Self {
            bwe_change_threshold,
            default_max_height_px: thumbnail.unwrap_or(default_max_height_px),
            initial_max_height_px: thumbnail.unwrap_or(initial_max_height_px),
            allocation: reader.read(prefix)?,
            allow_oversend_onstage: suspend.map_or(oversend, |suspend| !suspend),
        })
    }
}
