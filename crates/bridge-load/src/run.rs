//! A run from the first request to the report.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bridge_io::Clock;
use bridge_units::Timestamp;

use crate::arguments::{Arguments, Peers};
use crate::command::{Durations, SenderCommand};
use crate::error::LoadError;
use crate::join::{JoinPool, Joiner};
use crate::measurement::{Meter, Sample, Window};
use crate::overload;
use crate::ramp;
use crate::receiver::{ReceiverThread, Waiting};
use crate::report::{Point, Report, Step};
use crate::scenario::{self, EndpointPlan, Scenario};
use crate::sender::SenderThread;
use crate::video_frames::VideoShape;
use crate::webrtc_peers::WebrtcPeers;

/// Makes the run that the command line asks for.
///
/// # Errors
/// Whatever keeps it from being made; what is wrong with the bridge's packets is in the report.
pub fn run(arguments: &Arguments) -> Result<Report, LoadError> {
    let mut session = Session::start(arguments)?;
    let result = match arguments.scenario {
        Scenario::OneToMany
        | Scenario::Idle
        | Scenario::Audio
        | Scenario::Meeting
        | Scenario::Soak => session.steady(),
        Scenario::Ramp => ramp::ramp(&mut session),
        Scenario::JoinStorm => ramp::join_storm(&mut session),
        Scenario::Overload => overload::overload(&mut session),
    };
    // The bridge has to be given back as it was, also after a failure.
    let expired = session.joiner.client().expire_conference();
    let report = result?;
    expired.map(|()| report)
}

/// The threads of a run and what they measured so far.
pub(crate) struct Session<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) clock: Clock,
    pub(crate) sender: SenderThread,
    pub(crate) joiner: Arc<Joiner>,
    pub(crate) pool: JoinPool,
    meter: Meter,
    before: Sample,
    last: Sample,
    series: Vec<Point>,
    joins: Durations,
    join_requests: usize,
}

impl<'a> Session<'a> {
    fn start(arguments: &'a Arguments) -> Result<Self, LoadError> {
        let clock = Clock::start();
        let meter = Meter::new(clock, arguments.pid)?;
        let sender = SenderThread::start(clock, VideoShape::new(arguments))?;
        let receiver =
            |name, waiting| ReceiverThread::start(name, clock, waiting, sender.commands());
        let woken = receiver("load-sampled", Waiting::Woken)?;
        let sweeping = receiver("load-receive", Waiting::Sweeping)?;
        let webrtc = match arguments.peers {
            Peers::Thin => None,
            Peers::Webrtc => Some(WebrtcPeers::start(arguments, clock, sender.commands())?),
        };
        let joiner = Arc::new(Joiner::new(arguments, clock, [woken, sweeping], webrtc)?);
        let pool = JoinPool::start(&joiner)?;
        let (before, _) = meter.sample(&sender, &joiner)?;
        Ok(Self {
            arguments,
            clock,
            sender,
            joiner,
            pool,
            meter,
            before,
            last: before,
            series: Vec::new(),
            joins: Durations::new(),
            join_requests: 0,
        })
    }

    /// All endpoints join, then media flows and is measured.
    fn steady(&mut self) -> Result<Report, LoadError> {
        self.join_all(scenario::endpoints(self.arguments))?;
        let joined = self.last;
        self.sender.command(SenderCommand::Start)?;
        self.pass(self.arguments.warm_up, "warming up")?;
        let window = self.measure(self.arguments.duration)?;
        let after = self.finish()?;
        Ok(self.report(&window, joined, after, Vec::new()))
    }

    /// Brings endpoints in at the rate asked for and waits until they are connected. The first one
    /// creates the conference.
    pub(crate) fn join_all(&mut self, plans: Vec<EndpointPlan>) -> Result<(), LoadError> {
        let mut plans = plans.into_iter();
        if let Some(first) = plans.next() {
            self.joiner.join(&mut self.joiner.client(), first, true)?;
            self.join_requests += 1;
        }
        let begin = self.clock.now();
        for (count, plan) in plans.enumerate() {
            self.sleep_until(begin + interval(self.arguments.join_rate) * count as u32);
            self.request(plan)?;
        }
        self.wait_connected(JOIN_PATIENCE)?;
        if self.last.connected < self.join_requests {
            return Err(LoadError::NotJoined {
                joined: self.last.connected,
                wanted: self.join_requests,
                seconds: JOIN_PATIENCE.as_secs(),
            });
        }
        self.pass(SETTLING, "settling")
    }

    /// Asks for one endpoint more.
    pub(crate) fn request(&mut self, plan: EndpointPlan) -> Result<(), LoadError> {
        self.pool.request(plan)?;
        self.join_requests += 1;
        self.check_joins()
    }

    /// Waits until all endpoints asked for are connected, or for as long as `patience`.
    pub(crate) fn wait_connected(&mut self, patience: Duration) -> Result<Durations, LoadError> {
        let deadline = self.clock.now() + patience;
        let mut durations = Durations::new();
        loop {
            durations.add(&self.sample("joining")?);
            self.check_joins()?;
            let are_ready = self.last.without_channel == 0;
            if are_ready && self.last.connected >= self.join_requests
                || self.clock.now() >= deadline
            {
                return Ok(durations);
            }
            std::thread::sleep(JOIN_POLL);
        }
    }

    /// Lets `time` pass.
    pub(crate) fn pass(&mut self, time: Duration, what: &str) -> Result<(), LoadError> {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            self.sleep_until(end.min(self.clock.now() + SAMPLE_INTERVAL));
            self.sample(what)?;
        }
        Ok(())
    }

    /// What happens in the next `time`, which is also noted for plots.
    pub(crate) fn measure(&mut self, time: Duration) -> Result<Window, LoadError> {
        self.sample("measuring")?;
        let begin = self.last;
        let mut durations = Durations::new();
        let mut churn = Churn::new(self.arguments);
        let mut tick = begin.at;
        while tick < begin.at + time {
            tick = (begin.at + time).min(tick + SAMPLE_INTERVAL);
            self.sleep_until(tick);
            let before = self.last;
            let passed = self.sample("measuring")?;
            let second = Window { begin: before, end: self.last, durations: passed };
            if self.series.len() < MAX_POINTS {
                self.series.push(Point::of(&second));
            }
            durations.add(&second.durations);
            // Whoever joins at the very end would get nothing before it.
            if self.arguments.scenario == Scenario::Soak && tick + LAST_CHURN < begin.at + time {
                churn.turn(self)?;
            }
        }
        Ok(Window { begin, end: self.last, durations })
    }

    /// Ends media and waits for what is on its way.
    pub(crate) fn finish(&mut self) -> Result<Sample, LoadError> {
        self.sender.command(SenderCommand::Pause)?;
        std::thread::sleep(DRAINING);
        self.sample("draining")?;
        Ok(self.last)
    }

    /// The state of the last sample.
    pub(crate) const fn last(&self) -> Sample {
        self.last
    }

    pub(crate) fn report(
        &self,
        window: &Window,
        joined: Sample,
        after: Sample,
        steps: Vec<Step>,
    ) -> Report {
        let series = self.series.clone();
        Report::new(self.arguments, window, [self.before, joined, after], &self.joins)
            .with_details(series, steps)
    }

    pub(crate) fn sleep_until(&self, at: Timestamp) {
        std::thread::sleep(at.since(self.clock.now()));
    }

    /// Reads all counters, tells about them, and answers the durations since the last time.
    fn sample(&mut self, what: &str) -> Result<Durations, LoadError> {
        let (sample, durations) = self.meter.sample(&self.sender, &self.joiner)?;
        if let (Some(pid), None) = (self.arguments.pid, sample.bridge) {
            return Err(LoadError::BridgeEnded(pid));
        }
        let second = Window { begin: self.last, end: sample, durations };
        if second.length() >= SAMPLE_INTERVAL / 2 {
            tell(what, &second, self.join_requests);
        }
        self.last = sample;
        self.joins.add(&second.durations);
        Ok(second.durations)
    }

    fn check_joins(&self) -> Result<(), LoadError> {
        self.pool.failure().map_or(Ok(()), Err)
    }
}

/// Somebody leaves and another joins.
struct Churn {
    oldest: u32,
    next: u32,
    count: u32,
}

impl Churn {
    fn new(arguments: &Arguments) -> Self {
        let count = scenario::count(arguments);
        Self { oldest: 0, next: count, count }
    }

    fn turn(&mut self, session: &mut Session<'_>) -> Result<(), LoadError> {
        session.joiner.leave(&mut session.joiner.client(), self.oldest)?;
        session.sender.command(SenderCommand::Remove(self.oldest))?;
        session.join_requests -= 1;
        let plan = scenario::endpoint(session.arguments, self.next, self.count);
        session.request(plan)?;
        self.oldest += 1;
        self.next += 1;
        Ok(())
    }
}

fn tell(what: &str, second: &Window, wanted: usize) {
    let micros = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1}"));
    let p99 = second.durations.any.quantile(0.99);
    // A closed standard error is the reader's choice.
    let _ = writeln!(
        std::io::stderr(),
        "{what:>10}: {}/{wanted} connected, {:.0} packets/s in, {:.0} out, loss {:.4} %, {} again, {} padding, p99 {} us, \
         bridge {} us/packet, {} MB, wrong {}",
        second.end.connected,
        second.packets_in_per_second(),
        second.packets_out_per_second(),
        100.0 * second.loss_before_repair_ratio(),
        second.end.received.retransmissions - second.begin.received.retransmissions,
        second.end.received.padding - second.begin.received.padding,
        micros(p99.map(|p99| p99.as_secs_f64() * 1e6)),
        micros(second.bridge_cpu_micros_per_packet_out()),
        micros(second.end.bridge.map(|usage| usage.resident as f64 / 1e6)),
        second.wrong().total(),
    );
}

/// The time between two events of which there are `rate` a second.
pub(crate) fn interval(rate: f64) -> Duration {
    Duration::from_secs_f64(1.0 / rate)
}

const LAST_CHURN: Duration = Duration::from_secs(2);
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// From the last request until all endpoints have keys.
const JOIN_PATIENCE: Duration = Duration::from_secs(30);
const JOIN_POLL: Duration = Duration::from_millis(20);
/// So that memory is read when handshakes are over.
const SETTLING: Duration = Duration::from_millis(500);
const DRAINING: Duration = Duration::from_millis(300);
/// Seconds that plots show; a day.
const MAX_POINTS: usize = 86_400;
