//! Twice what a bridge can do, and back.

use std::time::Duration;

use bridge_dtls::FingerprintHash;
use serde_json::{Value, json};

use crate::command::SenderCommand;
use crate::error::LoadError;
use crate::measurement::Window;
use crate::report::{Report, Step};
use crate::run::Session;
use crate::scenario;
use crate::signalling_probe::{ProbeResult, SignallingProbe};
use crate::video_frames::VideoShape;

/// How a bridge behaved beyond its limit, and after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overload {
    /// The highest rate of the sender's video that passed without loss, in packets a second.
    pub capacity: f64,
    /// The rate of the overload.
    pub rate: f64,
    /// Video that was lost in the overload, before repair; 0 to 1.
    pub video_loss_ratio: f64,
    /// Sound that was lost meanwhile.
    pub audio_loss_ratio: f64,
    /// Everything that was lost, from five seconds after the overload on.
    pub loss_ratio_after: f64,
    /// What of all that was sent then reached the receivers.
    pub delivered_ratio_after: f64,
    /// Since the oldest of the last answered consent checks (RFC 7675), at the end of the overload.
    pub oldest_consent: Duration,
    /// Endpoints that lost their connection.
    pub disconnected: usize,
    /// The slowest answer about the bridge's health, in the overload.
    pub slowest_health: Duration,
    /// The slowest answer to a request for a new conference with an endpoint.
    pub slowest_allocation: Duration,
    /// Requests that were made meanwhile.
    pub requests: u64,
    /// Those of them that failed.
    pub requests_failed: u64,
}

/// Raises the rate until packets get lost, then doubles it, then goes back.
pub(crate) fn overload(session: &mut Session<'_>) -> Result<Report, LoadError> {
    session.join_all(scenario::endpoints(session.arguments))?;
    let joined = session.last();
    session.sender.command(SenderCommand::Start)?;
    session.pass(session.arguments.warm_up, "warming up")?;
    let base = VideoShape::new(session.arguments).rate;
    let (capacity, steps) = find_capacity(session, base)?;

    let rate = capacity * OVERLOAD_FACTOR;
    let fingerprint = session.joiner.fingerprint(FingerprintHash::Sha256);
    let bridge = session.arguments.bridge.address;
    let probe = SignallingProbe::start(session.clock, bridge, fingerprint)?;
    session.sender.command(SenderCommand::SetRate(rate))?;
    let during = session.measure(session.arguments.duration)?;
    let probed = probe.finish()?;

    session.sender.command(SenderCommand::SetRate(base))?;
    session.pass(RECOVERY, "recovering")?;
    let after = session.measure(AFTERMATH)?;
    let end = session.finish()?;
    let overload = Overload::new([capacity, rate], &during, &after, probed);
    Ok(session.report(&during, joined, end, steps).with_overload(overload))
}

impl Overload {
    fn new(
        [capacity, rate]: [f64; 2],
        during: &Window,
        after: &Window,
        probed: ProbeResult,
    ) -> Self {
        let expected = after.packets_in() as f64 * after.end.connected.saturating_sub(1) as f64;
        Self {
            capacity,
            rate,
            video_loss_ratio: during.video_loss_ratio(),
            audio_loss_ratio: during.audio_loss_ratio(),
            loss_ratio_after: after.loss_before_repair_ratio(),
            delivered_ratio_after: after.packets_out() as f64 / expected.max(1.0),
            oldest_consent: during.end.oldest_consent,
            disconnected: after.end.disconnected,
            slowest_health: probed.slowest_health,
            slowest_allocation: probed.slowest_allocation,
            requests: probed.rounds,
            requests_failed: probed.failures,
        }
    }

    pub(crate) fn to_json(self) -> Value {
        json!({
            "capacity_per_second": self.capacity,
            "rate_per_second": self.rate,
            "video_loss_ratio": self.video_loss_ratio,
            "audio_loss_ratio": self.audio_loss_ratio,
            "loss_ratio_after": self.loss_ratio_after,
            "delivered_ratio_after": self.delivered_ratio_after,
            "oldest_consent_s": self.oldest_consent.as_secs_f64(),
            "disconnected": self.disconnected,
            "slowest_health_ms": self.slowest_health.as_secs_f64() * 1e3,
            "slowest_allocation_ms": self.slowest_allocation.as_secs_f64() * 1e3,
            "requests": self.requests,
            "requests_failed": self.requests_failed,
        })
    }
}

/// The highest rate before packets got lost, and the way there. Delay does not matter here: it is the
/// first thing to go, on a busy machine long before the bridge is at its limit.
fn find_capacity(session: &mut Session<'_>, base: f64) -> Result<(f64, Vec<Step>), LoadError> {
    let (mut rate, mut capacity, mut steps) = (base, base, Vec::new());
    for _ in 0..MAX_STEPS {
        session.sender.command(SenderCommand::SetRate(rate))?;
        session.pass(STEP_SETTLING, "next step")?;
        let window = session.measure(STEP_TIME)?;
        let step = Step::of_rate(session.arguments, rate, &window);
        steps.push(step);
        let delivered = step.delivered_ratio.unwrap_or(1.0);
        if step.loss_ratio > MAX_LOSS || delivered < LEAST_DELIVERED {
            break;
        }
        capacity = rate;
        rate *= STEP_FACTOR;
    }
    Ok((capacity, steps))
}

const OVERLOAD_FACTOR: f64 = 2.0;
/// From 210 packets a second to 400,000.
const MAX_STEPS: usize = 20;
const STEP_FACTOR: f64 = 1.5;
const STEP_SETTLING: Duration = Duration::from_millis(500);
const STEP_TIME: Duration = Duration::from_secs(2);
/// More is beyond the limit, less may be chance.
const MAX_LOSS: f64 = 0.01;
const LEAST_DELIVERED: f64 = 0.95;
/// What a bridge has, to be itself again.
const RECOVERY: Duration = Duration::from_secs(5);
const AFTERMATH: Duration = Duration::from_secs(3);
