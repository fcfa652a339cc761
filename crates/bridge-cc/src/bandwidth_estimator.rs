use std::time::Duration;

use bridge_rtp::rtcp::{ReportBlock, TransportFeedback};
use bridge_units::{Bitrate, DataSize, Timestamp};

use crate::googcc_classic::{GoogCcClassic, GoogCcClassicConfig};
use crate::googcc2::{GoogCc2, GoogCc2Config, GoogCc2State, ProbeClusterId, ProbeRun};
use crate::reported_loss::ReportedLoss;
use crate::sent_packets::{PacketResult, SentPackets, SentPacketsCounters};

/// Which estimator runs: `jmt.bwe.estimator.engine`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EstimatorEngine {
    /// `GoogleCc2`.
    #[default]
    GoogleCc2,
    /// `GoogleCc`, the classic one.
    GoogleCc,
}

/// What a peer negotiated to tell about its downlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EstimateSource {
    /// Transport-wide feedback, which the engine makes an estimate of.
    TransportFeedback,
    /// Its own estimate.
    Remb,
    /// Nothing: what it takes is never known.
    None,
}

/// The settings of an estimator: `jmt.bwe`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EstimatorConfig {
    /// Which one.
    pub engine: EstimatorEngine,
    /// `estimator.initial-bw`.
    pub initial: Bitrate,
    /// `estimator.min-bw`.
    pub min: Bitrate,
    /// `estimator.max-bw`.
    pub max: Bitrate,
    /// `send-side` and `overuse-detector`; its bounds are not looked at.
    pub classic: GoogCcClassicConfig,
}

/// What one peer's downlink takes, whatever the peer tells about it.
///
/// ```
/// # use bridge_cc::{BandwidthEstimator, EstimateSource, EstimatorConfig};
/// # use bridge_units::{Bitrate, DataSize, Timestamp};
/// let config = EstimatorConfig::default();
/// let mut estimator =
///     BandwidthEstimator::new(Timestamp::ZERO, &config, EstimateSource::TransportFeedback);
/// let now = estimator.poll_timeout();
/// estimator.handle_timeout(now);
/// let sequence = estimator.next_sequence();
/// estimator.on_packet_sent(now, sequence, DataSize::from_bytes(1_200), None);
/// assert_eq!(estimator.estimate(), None, "nothing is heard of the peer yet");
/// let run = estimator.poll_probe(now).expect("with media, the first probe starts");
/// let sent = DataSize::from_bytes(267);
/// let sequence = estimator.next_sequence();
/// estimator.on_packet_sent(now, sequence, sent, Some(run.cluster));
/// estimator.on_probe_sent(now, sent);
/// ```
#[derive(Clone, Debug)]
pub struct BandwidthEstimator {
    source: EstimateSource,
    engine: Engine,
    sequence: u16,
    sent: SentPackets,
    losses: ReportedLoss,
    receiver_estimate: Option<Bitrate>,
    /// What a feedback told; empty between calls.
    results: Vec<PacketResult>,
}

#[derive(Clone, Debug)]
enum Engine {
    GoogleCc2(Box<GoogCc2>),
    GoogleCc(Box<GoogCcClassic>),
}

impl EstimatorEngine {
    /// For how long after the first video packet the estimate is not looked at, unless configured.
    pub const fn initial_ignore_period(self) -> Duration {
        match self {
            Self::GoogleCc2 => Duration::ZERO,
            Self::GoogleCc => Duration::from_secs(10),
        }
    }
}

impl BandwidthEstimator {
    /// Starts `now` for a peer that tells what `source` says.
    pub fn new(now: Timestamp, config: &EstimatorConfig, source: EstimateSource) -> Self {
        let EstimatorConfig { initial, min, max, .. } = *config;
        let engine = match config.engine {
            EstimatorEngine::GoogleCc2 => {
                Engine::GoogleCc2(Box::new(GoogCc2::new(now, GoogCc2Config { initial, min, max })))
            }
            EstimatorEngine::GoogleCc => {
                let config = GoogCcClassicConfig { initial, min, max, ..config.classic };
                Engine::GoogleCc(Box::new(GoogCcClassic::new(config)))
            }
        };
        Self {
            source,
            engine,
            sequence: 0,
            sent: SentPackets::new(),
            losses: ReportedLoss::new(),
            receiver_estimate: None,
            results: Vec::new(),
        }
    }

    /// The transport-wide number of the next packet, from 1 on.
    pub fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Notes a packet with transport-wide number `sequence` that is handed to the socket `now`. `size`
    /// counts from the RTP header on.
    pub fn on_packet_sent(
        &mut self,
        now: Timestamp,
        sequence: u16,
        size: DataSize,
        probe: Option<ProbeClusterId>,
    ) {
        let Some(packet) = self.sent.on_packet_sent(now, sequence, size, probe) else { return };
        if let Engine::GoogleCc2(engine) = &mut self.engine {
            engine.on_packet_sent(&packet, self.sent.in_flight());
        }
    }

    /// Takes transport-wide feedback that came `now`. Answers what it told about each packet, lost
    /// ones once, in the order of their numbers.
    pub fn on_feedback(
        &mut self,
        now: Timestamp,
        feedback: &TransportFeedback<'_>,
    ) -> &[PacketResult] {
        self.results.clear();
        if self.source != EstimateSource::TransportFeedback {
            return &self.results;
        }
        let summary = self.sent.on_feedback(now, feedback, &mut self.results);
        match &mut self.engine {
            Engine::GoogleCc2(engine) => {
                engine.on_feedback(now, &self.results, &summary, self.sent.in_flight());
            }
            Engine::GoogleCc(engine) => engine.on_feedback(now, &self.results),
        }
        &self.results
    }

    /// Takes the blocks of a report that came `now`.
    pub fn on_report_blocks(&mut self, now: Timestamp, blocks: impl Iterator<Item = ReportBlock>) {
        if let Engine::GoogleCc2(engine) = &mut self.engine
            && let Some(loss) = self.losses.update(blocks)
        {
            engine.on_loss_report(now, loss.lost, loss.expected);
        }
    }

    /// Takes a round trip time of RTCP.
    pub fn on_rtt(&mut self, rtt: Duration) {
        match &mut self.engine {
            Engine::GoogleCc2(engine) => engine.on_rtt(rtt),
            Engine::GoogleCc(engine) => engine.on_rtt(rtt),
        }
    }

    /// The way to the peer is another one: the estimate starts again `now`. The classic one goes on, as
    /// in JVB.
    pub fn on_route_change(&mut self, now: Timestamp) {
        if let Engine::GoogleCc2(engine) = &mut self.engine {
            engine.on_route_change(now);
        }
    }

    /// Takes the peer's own estimate; it counts only if the peer tells nothing better.
    pub fn on_receiver_estimate(&mut self, estimate: Bitrate) {
        if self.source == EstimateSource::Remb {
            self.receiver_estimate = Some(estimate);
        }
    }

    /// The bitrate of all that would be sent on an unlimited link: the allocation's ideal, and audio.
    /// As long as it is more than the estimate, it is probed for. Zero if it is not known.
    pub fn set_demand(&mut self, demand: Bitrate) {
        if let Engine::GoogleCc2(engine) = &mut self.engine {
            engine.set_demand(demand);
        }
    }

    /// Call it when [`Self::poll_timeout`] says.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if let Some(engine) = self.prober() {
            engine.handle_timeout(now);
        }
    }

    /// When to call [`Self::handle_timeout`] and [`Self::poll_probe`].
    pub fn poll_timeout(&self) -> Timestamp {
        match &self.engine {
            Engine::GoogleCc2(engine) if self.source == EstimateSource::TransportFeedback => {
                engine.poll_timeout()
            }
            _ => Timestamp::FAR_FUTURE,
        }
    }

    /// What to send at once for a probe, see [`GoogCc2::poll_probe`]. Look after each packet that was
    /// sent, too: media starts probes.
    pub fn poll_probe(&mut self, now: Timestamp) -> Option<ProbeRun> {
        self.prober()?.poll_probe(now)
    }

    /// How much was sent for the probe, zero if nothing could.
    pub fn on_probe_sent(&mut self, now: Timestamp, size: DataSize) {
        if let Some(engine) = self.prober() {
            engine.on_probe_sent(now, size);
        }
    }

    /// The estimate; `None` as long as nothing was heard of the peer.
    pub fn estimate(&self) -> Option<Bitrate> {
        match (self.source, &self.engine) {
            (EstimateSource::TransportFeedback, Engine::GoogleCc2(engine)) => engine.estimate(),
            (EstimateSource::TransportFeedback, Engine::GoogleCc(engine)) => engine.estimate(),
            (EstimateSource::Remb, _) => self.receiver_estimate,
            (EstimateSource::None, _) => None,
        }
    }

    /// What to pace by: the estimate, and before there is one the rate at which the engine starts, so
    /// that the first key frames do not flood the link. `None` if nothing is ever known.
    pub fn pacing_target(&self) -> Option<Bitrate> {
        match (self.source, &self.engine) {
            (EstimateSource::TransportFeedback, Engine::GoogleCc2(engine)) => Some(engine.target()),
            (EstimateSource::TransportFeedback, Engine::GoogleCc(engine)) => Some(engine.target()),
            (EstimateSource::Remb | EstimateSource::None, _) => self.estimate(),
        }
    }

    /// Whether more may be sent to see whether the link takes it: padding makes a queue longer that
    /// is there already.
    pub fn has_free_link(&self, now: Timestamp) -> bool {
        match &self.engine {
            Engine::GoogleCc2(engine) => engine.has_free_link(now),
            Engine::GoogleCc(_) => true,
        }
    }

    /// What the default engine thinks, for the debug state.
    pub fn googcc2_state(&self) -> Option<GoogCc2State> {
        match &self.engine {
            Engine::GoogleCc2(engine) => Some(engine.state()),
            Engine::GoogleCc(_) => None,
        }
    }

    /// What became of sent packets.
    pub fn counters(&self) -> SentPacketsCounters {
        self.sent.counters()
    }

    fn prober(&mut self) -> Option<&mut GoogCc2> {
        match &mut self.engine {
            Engine::GoogleCc2(engine) if self.source == EstimateSource::TransportFeedback => {
                Some(engine)
            }
            _ => None,
        }
    }
}

impl Default for EstimatorConfig {
    fn default() -> Self {
        let initial = Bitrate::from_kbps(2_500);
        let min = Bitrate::from_kbps(30);
        let max = Bitrate::from_kbps(20_000);
        Self {
            engine: EstimatorEngine::GoogleCc2,
            initial,
            min,
            max,
            classic: GoogCcClassicConfig::new(initial, min, max),
        }
    }
}
