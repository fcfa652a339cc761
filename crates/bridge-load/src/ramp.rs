//! Scenarios that raise something until it hurts.

use std::time::Duration;

use crate::command::SenderCommand;
use crate::error::LoadError;
use crate::measurement::Window;
use crate::report::{Report, Step};
use crate::run::{Session, interval};
use crate::scenario;
use crate::video_frames::VideoShape;

/// More and more packets of one sender, until they get lost or late.
pub(crate) fn ramp(session: &mut Session<'_>) -> Result<Report, LoadError> {
    session.join_all(scenario::endpoints(session.arguments))?;
    let joined = session.last();
    session.sender.command(SenderCommand::Start)?;
    session.pass(session.arguments.warm_up, "warming up")?;
    let end = session.clock.now() + session.arguments.duration.max(STEP_TIME);
    let mut rate = VideoShape::new(session.arguments).rate;
    let mut steps = Vec::new();
    let mut best = None;
    let mut bad = 0;
    while bad < MAX_BAD_STEPS {
        session.sender.command(SenderCommand::SetRate(rate))?;
        session.pass(STEP_SETTLING, "next step")?;
        let window = session.measure(STEP_TIME)?;
        let step = Step::of_rate(session.arguments, rate, &window);
        bad = if step.is_good { 0 } else { bad + 1 };
        if step.is_good || best.is_none() {
            best = Some(window);
        }
        steps.push(step);
        rate *= STEP_FACTOR;
        if session.clock.now() + STEP_TIME > end {
            break;
        }
    }
    let after = session.finish()?;
    let window = best.ok_or(LoadError::ThreadEnded)?;
    Ok(session.report(&window, joined, after, steps))
}

/// Receivers join faster and faster while one endpoint sends.
pub(crate) fn join_storm(session: &mut Session<'_>) -> Result<Report, LoadError> {
    let mut plans = scenario::endpoints(session.arguments).into_iter();
    session.join_all(plans.next().into_iter().collect())?;
    session.sender.command(SenderCommand::Start)?;
    session.pass(session.arguments.warm_up, "warming up")?;
    let begin = session.last();
    let end = session.clock.now() + session.arguments.duration;
    let mut steps = Vec::new();
    let mut rate = FIRST_JOIN_RATE;
    let mut durations = crate::command::Durations::new();
    while plans.len() > 0 && session.clock.now() < end {
        let wanted = (rate * STORM_STEP_SECONDS).ceil() as usize;
        let count = wanted.min(plans.len());
        let start = session.clock.now();
        for (joins, plan) in plans.by_ref().take(count).enumerate() {
            session.sleep_until(start + interval(rate) * joins as u32);
            session.request(plan)?;
        }
        let passed = session.wait_connected(STORM_PATIENCE)?;
        let elapsed = session.clock.now().since(start);
        let step = Step::of_joins(rate, count, elapsed, &passed);
        durations.add(&passed);
        let is_good = step.is_good;
        steps.push(step);
        rate *= STORM_FACTOR;
        if !is_good {
            break;
        }
    }
    let window = Window { begin, end: session.last(), durations };
    let joined = session.last();
    // Who came last gets something, too, before it counts as silent.
    session.pass(STORM_SETTLING, "settling")?;
    let after = session.finish()?;
    Ok(session.report(&window, joined, after, steps))
}

const STEP_TIME: Duration = Duration::from_secs(5);
const STEP_SETTLING: Duration = Duration::from_secs(1);
const STEP_FACTOR: f64 = 1.4;
/// One bad step may be the machine's.
const MAX_BAD_STEPS: u32 = 2;
const FIRST_JOIN_RATE: f64 = 10.0;
const STORM_FACTOR: f64 = 1.5;
const STORM_STEP_SECONDS: f64 = 2.0;
/// For a key frame and what follows it, at the lowest rates that make sense.
const STORM_SETTLING: Duration = Duration::from_secs(3);
const STORM_PATIENCE: Duration = Duration::from_secs(5);
