use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use super::alr::AlrDetector;
use super::congestion_window::CongestionWindow;
use super::delay_based::{DelayBasedEstimator, DelayBasedUpdate};
use super::link_queue::LinkQueue;
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
    config: GoogCc2Config,
    throughput: ThroughputEstimator,
    queue: LinkQueue,
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
    limited_by: LimitedBy,
}

impl GoogCc2 {
    /// Starts `now` at the initial rate, with two probes waiting for media to be sent.
    pub fn new(now: Timestamp, config: GoogCc2Config) -> Self {
        let min = config.min.max(CONGESTION_CONTROLLER_MIN);
        let max = config.max.max(min);
        let config = GoogCc2Config { initial: config.initial.clamp(min, max), min, max };
        let mut controller = Self {
            config,
            throughput: ThroughputEstimator::new(),
            queue: LinkQueue::new(),
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
        controller.send_side.set_limits(min, max);
        controller.send_side.set_rate(config.initial);
        controller.delay_based.set_start(config.initial);
        controller.delay_based.set_min(min);
        controller.start_probing(now);
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
        // Nearly always so already.
        if !arrived.is_sorted_by_key(|result| (result.received, result.packet.sequence)) {
            arrived.sort_unstable_by_key(|result| (result.received, result.packet.sequence));
        }
        self.queue.update(now, &arrived, results.len() - arrived.len());
        let update = self.on_arrivals(now, &arrived);
        arrived.clear();
        self.arrived = arrived;
        self.apply(now, &update, results, is_alr);
    }

    /// The way to the peer is another one: starts again `now`. What is on the way still counts.
    pub fn on_route_change(&mut self, now: Timestamp) {
        let old = std::mem::replace(self, Self::new(now, self.config));
        // Names of probes are not used again: packets of the old ones may still arrive.
        self.next_cluster = old.next_cluster;
        self.in_flight = old.in_flight;
        self.prober = Prober::new();
        self.probe_estimator = ProbeEstimator::new();
        self.probe_controller = ProbeController::new();
        self.probe_controller.set_demand(old.probe_controller.demand());
        self.start_probing(now);
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

    /// The bitrate of all that the receiver would like to get: as long as it is more than the target,
    /// it is probed for. Zero if it is not known.
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
        if let Some(capacity) = self.queue.capacity(now) {
            let probes = self.probe_controller.on_known_capacity(now, capacity);
            self.request(now, probes);
        }
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

    /// Whether nothing waits on the way, as far as is known: then more may be sent to see whether the
    /// link takes it.
    pub fn has_free_link(&self, now: Timestamp) -> bool {
        let is_normal = self.delay_based.last_usage() == BandwidthUsage::Normal;
        (is_normal && self.queue.is_short(now)) || self.queue.is_unused(now)
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

    fn start_probing(&mut self, now: Timestamp) {
        let GoogCc2Config { initial, max, .. } = self.config;
        let probes = self.probe_controller.set_limits(now, initial, max);
        self.request(now, probes);
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
        self.delay_based.update(now, arrived, acknowledged, probe, &self.queue)
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
            limited_by: self.limited_by(now),
        };
        if self.last.replace(outcome) == Some(outcome) {
            return;
        }
        self.alr.set_target(target);
        let probes = self.probe_controller.set_estimate(now, target, outcome.limited_by);
        self.request(now, probes);
    }

    /// Differs from JVB: losses that are some seconds ago, of a queue that has drained, do not keep
    /// from probing, though they stay in the loss-based model for much longer.
    fn limited_by(&self, now: Timestamp) -> LimitedBy {
        if !self.has_free_link(now) {
            return LimitedBy::DelayIncreased;
        }
        if self.send_side.is_rtt_above_limit() {
            return LimitedBy::HighRtt;
        }
        match self.send_side.loss_state() {
            LossState::DelayBased => LimitedBy::Delay,
            LossState::Decreasing | LossState::IncreaseUsingPadding if self.queue.has_lost(now) => {
                LimitedBy::Loss
            }
            LossState::Decreasing | LossState::IncreaseUsingPadding => LimitedBy::LossIncreasing,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sent_packets::ReceiveTime;

    const START: Timestamp = Timestamp::from_millis(50_000);

    fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    fn config() -> GoogCc2Config {
        GoogCc2Config { initial: kbps(2_500), min: kbps(30), max: kbps(20_000) }
    }

    fn packet(sequence: i64, sent: Timestamp, probe: Option<ProbeClusterId>) -> SentPacket {
        SentPacket { sequence, size: DataSize::from_bytes(1_200), sent, probe }
    }

    fn feed(controller: &mut GoogCc2, now: Timestamp, packets: &[SentPacket]) {
        let results: Vec<_> = packets
            .iter()
            .map(|packet| PacketResult {
                packet: *packet,
                received: Some(ReceiveTime::from_micros(
                    i64::try_from(packet.sent.as_micros()).unwrap() + 20_000,
                )),
                was_lost: false,
            })
            .collect();
        let rtt = now - packets[0].sent;
        let summary = FeedbackSummary {
            max_feedback_rtt: Some(rtt),
            propagation_rtt: Some(rtt),
            received: results.len(),
            lost: 0,
        };
        controller.on_feedback(now, &results, &summary, DataSize::ZERO);
    }

    #[test]
    fn it_starts_at_the_initial_rate_and_tells_it_once_it_heard() {
        let mut controller = GoogCc2::new(START, config());
        assert_eq!((controller.target(), controller.estimate()), (kbps(2_500), None));
        controller.on_rtt(Duration::from_millis(50));
        assert_eq!(controller.estimate(), Some(kbps(2_500)));
    }

    #[test]
    fn bounds_are_put_in_order() {
        let config =
            GoogCc2Config { initial: kbps(1), min: Bitrate::ZERO, max: Bitrate::from_bps(1) };
        assert_eq!(GoogCc2::new(START, config).target(), kbps(5));
    }

    #[test]
    fn media_starts_the_initial_probes() {
        let mut controller = GoogCc2::new(START, config());
        assert_eq!(controller.poll_probe(START), None);
        controller.on_packet_sent(&packet(1, START, None), DataSize::ZERO);
        let mut now = START;
        let mut runs = vec![];
        while let Some(run) = controller.poll_probe(now) {
            runs.push((run.cluster.0, run.size.bytes()));
            controller.on_probe_sent(now, run.size);
            now = now.max(controller.poll_timeout());
        }
        runs.dedup();
        // 2 ms of 7.5 and of 15 Mbit/s.
        assert_eq!(runs, [(1, 1_875), (2, 3_750)]);
    }

    #[test]
    fn a_result_raises_the_target_and_a_further_probe_follows() {
        let mut controller = GoogCc2::new(START, config());
        controller.on_packet_sent(&packet(0, START, None), DataSize::ZERO);
        let mut now = START;
        let mut sent = vec![];
        while let Some(run) = controller.poll_probe(now) {
            let packet = packet(sent.len() as i64 + 1, now, Some(run.cluster));
            controller.on_packet_sent(&packet, DataSize::ZERO);
            controller.on_probe_sent(now, packet.size);
            sent.push(packet);
            now = now.max(controller.prober.poll_timeout().min(now + Duration::from_millis(20)));
        }
        let heard = now + Duration::from_millis(50);
        feed(&mut controller, heard, &sent);
        assert!(controller.target() > kbps(14_000), "{:?}", controller.target());
        controller.on_packet_sent(&packet(1_000, heard, None), DataSize::ZERO);
        let run = controller.poll_probe(heard).unwrap();
        // Twice the estimate is more than the maximum.
        assert_eq!(run.size, kbps(20_000).over(Duration::from_millis(2)));
    }

    #[test]
    fn a_route_change_starts_again() {
        let mut controller = GoogCc2::new(START, config());
        for n in 0..50 {
            let now = START + Duration::from_millis(20) * n;
            let sent = packet(i64::from(n), now, None);
            controller.on_packet_sent(&sent, DataSize::ZERO);
            feed(&mut controller, now, &[sent]);
        }
        assert_ne!(controller.target(), kbps(2_500));
        let now = START + Duration::from_secs(2);
        controller.on_route_change(now);
        assert_eq!((controller.target(), controller.estimate()), (kbps(2_500), None));
        controller.on_packet_sent(&packet(51, now, None), DataSize::ZERO);
        assert_eq!(controller.poll_probe(now).map(|run| run.cluster), Some(ProbeClusterId(3)));
    }

    #[test]
    fn ticks_are_every_25_milliseconds() {
        let mut controller = GoogCc2::new(START, config());
        assert_eq!(controller.poll_timeout(), START + TICK);
        controller.handle_timeout(START + Duration::from_millis(10));
        assert_eq!(controller.poll_timeout(), START + TICK);
        controller.handle_timeout(START + Duration::from_millis(30));
        assert_eq!(controller.poll_timeout(), START + Duration::from_millis(30) + TICK);
    }

    #[test]
    fn an_empty_feedback_changes_nothing() {
        let mut controller = GoogCc2::new(START, config());
        controller.on_feedback(START, &[], &FeedbackSummary::default(), DataSize::ZERO);
        assert_eq!(controller.estimate(), None);
    }
}
