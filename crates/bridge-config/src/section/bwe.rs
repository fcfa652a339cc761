use std::time::Duration;

use bridge_units::Bitrate;

use crate::error::ConfigError;
use crate::reader::{FromConfig, Reader, join};
use crate::section::checks::{AT_LEAST_ONE, FRACTION, PERIOD, POSITIVE, RATE};

/// Bandwidth estimation.
#[derive(Clone, Debug, PartialEq)]
pub struct BweConfig {
    /// Which estimator.
    pub engine: BweEngine,
    /// Where an estimate starts.
    pub initial_bw: Bitrate,
    /// The least estimate.
    pub min_bw: Bitrate,
    /// The greatest estimate.
    pub max_bw: Bitrate,
    /// Over how much time bit rates are measured.
    pub bitrate_window: Duration,
    /// The parts of that window; they divide it.
    pub bitrate_bucket: Duration,
    /// The default of `videobridge.cc.initial-ignore-bwe-period`.
    pub default_initial_ignore_bwe_period: Duration,
    /// The loss part of `GoogleCc`.
    pub send_side: SendSideConfig,
    /// The delay part of `GoogleCc`.
    pub overuse_detector: OveruseDetectorConfig,
}

named_values! {
    /// An implementation of bandwidth estimation.
    BweEngine, expected "GoogleCc2 or GoogleCc" {
        /// The present one.
        GoogleCc2 = "GoogleCc2",
        /// The older one.
        GoogleCc = "GoogleCc",
    }
}

section! {
    /// Defaults that belong to one engine.
    EngineDefaults {
        /// Of [`BweConfig::bitrate_window`].
        window_size: Duration = "default-window-size" where PERIOD,
        /// Of [`BweConfig::bitrate_bucket`].
        bucket_size: Duration = "default-bucket-size" where PERIOD,
        /// How long the estimate does not count at first.
        initial_ignore_bwe_period: Duration = "default-initial-ignore-bwe-period",
    }
}

section! {
    /// The loss part of `GoogleCc`.
    SendSideConfig {
        /// Below it the estimate grows.
        low_loss_threshold: f64 = "low-loss-threshold" where FRACTION,
        /// Above it the estimate shrinks.
        high_loss_threshold: f64 = "high-loss-threshold" where FRACTION,
        /// Below it losses do not count.
        bitrate_threshold: Bitrate = "bitrate-threshold",
        /// The experiment with other thresholds; not done here.
        loss_experiment: LossExperimentConfig = "loss-experiment",
        /// The experiment with time-outs; not done here.
        timeout_experiment_probability: f64 = "timeout-experiment.probability" where FRACTION,
    }
}

section! {
    /// Thresholds that JVB tries with some endpoints.
    LossExperimentConfig {
        /// With how many.
        probability: f64 = "probability" where FRACTION,
        /// As without the experiment.
        low_loss_threshold: f64 = "low-loss-threshold" where FRACTION,
        /// As without the experiment.
        high_loss_threshold: f64 = "high-loss-threshold" where FRACTION,
        /// As without the experiment.
        bitrate_threshold: Bitrate = "bitrate-threshold",
    }
}

section! {
    /// The delay part of `GoogleCc`.
    OveruseDetectorConfig {
        /// In milliseconds.
        initial_threshold: f64 = "initial-threshold" where POSITIVE,
        /// In milliseconds.
        overusing_time_threshold: f64 = "overusing-time-threshold" where POSITIVE,
    }
}

section! {
    /// Limits of keyframe requests.
    KeyframeConfig {
        /// Between two requests of one receiver.
        min_interval: Duration = "min-interval",
        /// Most requests of one receiver in `max_request_interval`.
        max_requests: u32 = "max-requests" where AT_LEAST_ONE,
        /// See `max_requests`.
        max_request_interval: Duration = "max-request-interval",
        /// Between two requests to one source.
        source_wide_min_interval: Duration = "source-wide-min-interval",
        /// Most requests to one source in `source_wide_max_request_interval`.
        source_wide_max_requests: u32 = "source-wide-max-requests" where AT_LEAST_ONE,
        /// See `source_wide_max_requests`.
        source_wide_max_request_interval: Duration = "source-wide-max-request-interval",
    }
}

impl FromConfig for BweConfig {
    fn read(reader: &Reader<'_>, prefix: &str) -> Result<Self, ConfigError> {
        let path = |key| join(prefix, key);
        let google_cc: EngineDefaults = reader.read(&path("bwe.estimator.GoogleCc"))?;
        let google_cc2: EngineDefaults = reader.read(&path("bwe.estimator.GoogleCc2"))?;
        let engine = reader.read(&path("bwe.estimator.engine"))?;
        let defaults = match engine {
            BweEngine::GoogleCc => google_cc,
            BweEngine::GoogleCc2 => google_cc2,
        };
        let (bitrate_window, bitrate_bucket) = window(reader, prefix, &defaults)?;
        let bound = |old, key| match reader.optional(&path(old))? {
            Some(rate) => Ok::<_, ConfigError>(rate),
            None => reader.read(&path(key)),
        };
        let bwe = Self {
            engine,
            initial_bw: reader.read(&path("bwe.estimator.initial-bw"))?,
            min_bw: bound("bwe.google-cc.min-bw", "bwe.estimator.min-bw")?,
            max_bw: bound("bwe.google-cc.max-bw", "bwe.estimator.max-bw")?,
            bitrate_window,
            bitrate_bucket,
            default_initial_ignore_bwe_period: defaults.initial_ignore_bwe_period,
            send_side: reader.read(&path("bwe.send-side"))?,
            overuse_detector: reader.read(&path("bwe.overuse-detector"))?,
        };
        reader.check(&path("bwe.estimator.initial-bw"), &bwe.initial_bw, &RATE)?;
        if bwe.min_bw > bwe.max_bw {
            let expected = "no more than jmt.bwe.estimator.max-bw";
            return Err(reader.refuse(&path("bwe.estimator.min-bw"), expected));
        }
        Ok(bwe)
    }
}

/// The window in which bit rates are measured, and its parts.
fn window(
    reader: &Reader<'_>,
    prefix: &str,
    defaults: &EngineDefaults,
) -> Result<(Duration, Duration), ConfigError> {
    let size = |key, default| -> Result<Duration, ConfigError> {
        let path = join(prefix, key);
        let size = reader.optional(&path)?.unwrap_or(default);
        reader.check(&path, &size, &PERIOD)?;
        Ok(size)
    };
    let window = size("rtp.bitrate-calculator.window-size", defaults.window_size)?;
    let bucket = size("rtp.bitrate-calculator.bucket-size", defaults.bucket_size)?;
    if window.as_nanos() % bucket.as_nanos() == 0 {
        return Ok((window, bucket));
    }
    let expected = format!("a duration that divides the window of {window:?}");
    Err(reader.refuse(&join(prefix, "rtp.bitrate-calculator.bucket-size"), &expected))
}
