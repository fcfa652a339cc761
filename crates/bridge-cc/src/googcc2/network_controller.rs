use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use super::alr::AlrDetector;
use super::congestion_window::CongestionWindow;
use super::delay_based::{DelayBasedEstimator, DelayBasedUpdate};
use super::loss_based::LossState;
use super::probe_controller::{LimitedBy, ProbeController, Probes};
use super::probe_estimator::ProbeEstimator;
use super::prober::{ProbeCluster, ProbeClusterId, ProbeRun, Prober};
use super::send_side::SendSideEstimator;
use super::throughput::ThroughputEstimator;
use super::trendline::BandwidthUsage;
use crate::rates::{CONGESTION_CONTROLLER_MIN, RateMath};
use crate::sent_packets::{FeedbackSummary, PacketResult, SentPacket};

/// The bounds of an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoogCc2Config {
    /// Where it starts.
    pub initial: Bitrate,
    /// What it never goes below; at least 5 kbit/s.
    pub min: Bitrate,
    /// What it never exceeds.
    pub max: Bitrate,
}

/// Estimates what one peer's link takes from what transport-wide feedback tells about sent packets.
///
/// Answers to JVB's `GoogCcNetworkController` and `GoogCcTransportCcEngine`. It knows no packet and
/// no clock: what was sent and what became of it goes in, the target and probes to send come out.
#[derive(Clone, Debug)]
pub struct GoogCc2 {
    throughput: ThroughputEstimator,
    delay_based: DelayBasedEstimator,
    send_side: SendSideEstimator,
    alr: AlrDetector,
    was_alr: bool,
    congestion_window: CongestionWindow,
    probe_estimator: ProbeEstimator,
    probe_controller: ProbeController,
    prober: Prober,
    next_cluster: u32,
    in_flight: DataSize,
    last: Option<Outcome>,
    is_heard: bool,
    next_tick: Timestamp,
    /// What arrived with a feedback, in the order of arrival; empty between calls.
    arrived: Vec<PacketResult>,
}

/// What an estimator thinks, for the debug state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoogCc2State {
    /// The estimate.
    pub target: Bitrate,
    /// What the congestion window would make of it.
    pub pushback_target: Bitrate,
    /// What the delay allows, zero before the first feedback.
    pub delay_based: Bitrate,
    /// What the detector says.
    pub usage: BandwidthUsage,
    /// What the detector compares with its threshold.
    pub trend: f64,
    /// That threshold.
    pub trend_threshold: f64,
    /// What gets through.
    pub acknowledged: Option<Bitrate>,
    /// What limits the estimate.
    pub loss_state: LossState,
    /// The part of the bytes that was lost, as feedback tells it.
    pub loss: f64,
    /// As receiver reports tell it, in 1/256.
    pub fraction_lost: u8,
    /// Since when less is sent than the link takes.
    pub application_limited_since: Option<Timestamp>,
    /// What may be on the way.
    pub congestion_window: Option<DataSize>,
    /// What is on the way.
    pub in_flight: DataSize,
    /// How long the rate control expects to take to where its last decrease came from.
    pub expected_period: Duration,
    /// Probes that were not sent, or not to the end.
    pub discarded_probes: u64,
}

/// What listeners of the controller see; a change is a reason to look at probes again.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Outcome {
    target: Bitrate,
    pushback: Bitrate,
    loss_state: LossState,
    fraction_lost: u8,
    rtt: Option<Duration>,
}

impl GoogCc2 {
    /// Starts `now` at the initial rate, with two probes waiting for media to be sent.
    pub fn new(now: Timestamp, config: GoogCc2Config) -> Self {
        let mut controller = Self {
            throughput: ThroughputEstimator::new(),
            delay_based: DelayBasedEstimator::new(),
            send_side: SendSideEstimator::new(),
            alr: AlrDetector::new(),
            was_alr: false,
            congestion_window: CongestionWindow::new(),
            probe_estimator: ProbeEstimator::new(),
            probe_controller: ProbeController::new(),
            prober: Prober::new(),
            next_cluster: 1,
            in_flight: DataSize::ZERO,
            last: None,
            is_heard: false,
            next_tick: now,
            arrived: Vec::new(),
        };
        let min = config.min.max(CONGESTION_CONTROLLER_MIN);
        let max = config.max.max(min);
        let start = config.initial.clamp(min, max);
        controller.send_side.set_limits(min, max);
        controller.send_side.set_rate(start);
        controller.delay_based.set_start(start);
        controller.delay_based.set_min(min);
        let probes = controller.probe_controller.set_limits(now, start, max);
        controller.request(now, probes);
        controller.handle_timeout(now);
        controller
    }

    /// Notes a packet that was handed to the socket. `in_flight` counts it already.
    pub fn on_packet_sent(&mut self, packet: &SentPacket, in_flight: DataSize) {
        self.in_flight = in_flight;
        self.alr.on_packet_sent(packet.sent, packet.size.bytes());
        self.send_side.on_packet_sent(packet.sent);
        if packet.probe.is_none() {
            self.prober.on_packet_sent(packet.sent, packet.size);
        }
    }

    /// Takes what a feedback that came `now` told.
    pub fn on_feedback(
        &mut self,
        now: Timestamp,
        results: &[PacketResult],
        summary: &FeedbackSummary,
        in_flight: DataSize,
    ) {
        if results.is_empty() {
            return;
        }
        self.is_heard = true;
        self.in_flight = in_flight;
        if let (Some(feedback), Some(propagation)) =
            (summary.max_feedback_rtt, summary.propagation_rtt)
        {
            self.congestion_window.on_feedback_rtt(feedback);
            self.send_side.set_propagation_rtt(now, propagation);
        }
        let is_alr = self.alr.since().is_some();
        if self.was_alr && !is_alr {
            self.probe_controller.on_alr_ended(now);
        }
        self.was_alr = is_alr;
        let mut arrived = std::mem::take(&mut self.arrived);
        arrived.extend(results.iter().filter(|result| result.received.is_some()));
        arrived.sort_unstable_by_key(|result| (result.received, result.packet.sequence));
        let update = self.on_arrivals(now, &arrived);
        arrived.clear();
        self.arrived = arrived;
        self.apply(now, &update, results, is_alr);
    }

    /// Takes a round trip time of RTCP.
    pub fn on_rtt(&mut self, rtt: Duration) {
        self.is_heard = true;
        self.delay_based.set_rtt(rtt);
        self.send_side.set_rtt(rtt);
    }

    /// Takes what receiver reports say about `expected` packets.
    pub fn on_loss_report(&mut self, now: Timestamp, lost: i64, expected: u64) {
        self.send_side.on_loss_report(now, lost, expected);
    }

    /// What the receiver would like to get: as long as it is more than the target, it is probed for.
    /// Zero if it has all it can use.
    pub fn set_demand(&mut self, demand: Bitrate) {
        self.probe_controller.set_demand(demand);
    }

    /// Call it when [`Self::poll_timeout`] says.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        self.send_side.update(now);
        self.probe_controller.set_alr_since(self.alr.since());
        let probes = self.probe_controller.handle_timeout(now);
        self.request(now, probes);
        self.congestion_window.update(self.send_side.target());
        self.conclude(now);
    }

    /// What to send `now` for a probe. Tell with [`Self::on_probe_sent`] what was sent; until then
    /// the answer stays the same.
    pub fn poll_probe(&mut self, now: Timestamp) -> Option<ProbeRun> {
        self.prober.poll(now)
    }

    /// How much was sent for the probe that [`Self::poll_probe`] asked for, zero if nothing could.
    /// Each packet of it is told with [`Self::on_packet_sent`] too.
    pub fn on_probe_sent(&mut self, now: Timestamp, size: DataSize) {
        self.prober.on_run_sent(now, size);
    }

    /// When to call [`Self::handle_timeout`] and [`Self::poll_probe`].
    pub fn poll_timeout(&self) -> Timestamp {
        self.next_tick.min(self.prober.poll_timeout())
    }

    /// The estimate.
    pub fn target(&self) -> Bitrate {
        self.send_side.target()
    }

    /// The estimate, once the peer was heard of; JVB does not tell its start value.
    pub fn estimate(&self) -> Option<Bitrate> {
        self.is_heard.then(|| self.target())
    }

    /// What it thinks.
    pub fn state(&self) -> GoogCc2State {
        GoogCc2State {
            target: self.target(),
            pushback_target: self.last.map_or(self.target(), |last| last.pushback),
            delay_based: self.delay_based.last_estimate(),
            usage: self.delay_based.last_usage(),
            trend: self.delay_based.trendline().modified_slope(),
            trend_threshold: self.delay_based.trendline().threshold(),
            acknowledged: self.throughput.bitrate(),
            loss_state: self.send_side.loss_state(),
            loss: self.send_side.average_loss(),
            fraction_lost: self.send_side.fraction_lost(),
            application_limited_since: self.alr.since(),
            congestion_window: self.congestion_window.window(),
            in_flight: self.in_flight,
            expected_period: self.delay_based.rate_control().expected_period(),
            discarded_probes: self.prober.discarded(),
        }
    }

    fn on_arrivals(&mut self, now: Timestamp, arrived: &[PacketResult]) -> DelayBasedUpdate {
        self.throughput.update(arrived);
        let acknowledged = self.throughput.bitrate();
        self.send_side.set_acknowledged(acknowledged);
        for result in arrived {
            self.probe_estimator.on_arrival(result);
        }
        let probe = self.probe_estimator.take().map(|probe| {
            // A probe that got stuck behind other packets is no reason to fall below what they got.
            let floor = acknowledged.map_or(Bitrate::ZERO, |rate| {
                rate.scaled(PROBE_DROP_FRACTION).min(self.delay_based.last_estimate())
            });
            probe.max(floor)
        });
        self.delay_based.update(now, arrived, acknowledged, probe)
    }

    fn apply(
        &mut self,
        now: Timestamp,
        update: &DelayBasedUpdate,
        results: &[PacketResult],
        is_alr: bool,
    ) {
        if let Some(rate) = update.rate {
            if update.is_probe {
                self.send_side.set_rate(rate);
            }
            self.send_side.set_delay_limit(rate);
        }
        self.send_side.on_feedback(now, results, is_alr);
        if update.rate.is_some() {
            self.conclude(now);
        }
        if update.recovered_from_overuse {
            self.probe_controller.set_alr_since(self.alr.since());
            let probes = self.probe_controller.on_recovery(now);
            self.request(now, probes);
        }
        self.congestion_window.update(self.send_side.target());
    }

    fn conclude(&mut self, now: Timestamp) {
        let target = self.send_side.target();
        let pushback = self.congestion_window.push_back(target, self.in_flight);
        let outcome = Outcome {
            target,
            pushback: pushback.max(self.send_side.min()),
            loss_state: self.send_side.loss_state(),
            fraction_lost: self.send_side.fraction_lost(),
            rtt: self.send_side.rtt(),
        };
        if self.last.replace(outcome) == Some(outcome) {
            return;
        }
        self.alr.set_target(target);
        let limited_by = self.limited_by();
        let probes = self.probe_controller.set_estimate(now, target, limited_by);
        self.request(now, probes);
    }

    fn limited_by(&self) -> LimitedBy {
        if self.delay_based.last_usage() != BandwidthUsage::Normal {
            return LimitedBy::DelayIncreased;
        }
        if self.send_side.is_rtt_above_limit() {
            return LimitedBy::HighRtt;
        }
        match self.send_side.loss_state() {
            LossState::DelayBased => LimitedBy::Delay,
            LossState::Decreasing | LossState::IncreaseUsingPadding => LimitedBy::Loss,
        }
    }

    fn request(&mut self, now: Timestamp, probes: Probes) {
        for rate in probes.into_iter().flatten() {
            let cluster = ProbeCluster {
                id: ProbeClusterId(self.next_cluster),
                rate,
                min_size: rate.over(PROBE_DURATION),
                min_packets: MIN_PROBE_PACKETS,
                requested: now,
            };
            self.next_cluster = self.next_cluster.wrapping_add(1);
            self.prober.add(cluster);
            self.probe_estimator.begin(cluster);
        }
    }
}

const TICK: Duration = Duration::from_millis(25);
const PROBE_DROP_FRACTION: f64 = 0.85;
const PROBE_DURATION: Duration = Duration::from_millis(15);
const MIN_PROBE_PACKETS: u32 = 5;
