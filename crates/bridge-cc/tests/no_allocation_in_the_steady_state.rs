//! Once its buffers have their size, estimating, pacing and padding do not allocate.

use std::time::Duration;

use bridge_cc::{
    AllocationSnapshot, BandwidthEstimator, EstimateSource, EstimatorConfig, EstimatorEngine,
    Pacer, PacketUrgency, PaddingController, PaddingStream, RoundTripTimes,
    TransportFeedbackGenerator,
};
use bridge_rtp::rtcp::{ReportBlock, RtcpCompound, RtcpPacket};
use bridge_units::{Bitrate, DataSize, Timestamp};

#[global_allocator]
static ALLOCATOR: bridge_allocations::Counting = bridge_allocations::Counting;

struct Downlink {
    now: Timestamp,
    sequence: u16,
    estimator: BandwidthEstimator,
    pacer: Pacer<u16>,
    padding: PaddingController,
    padding_stream: PaddingStream,
    round_trip_times: RoundTripTimes,
    generator: TransportFeedbackGenerator,
    feedback: [u8; 1_500],
    feedback_len: usize,
}

const ALLOCATION: AllocationSnapshot = AllocationSnapshot {
    target: Bitrate::from_kbps(1_500),
    ideal: Bitrate::from_kbps(100_000),
    besides: Bitrate::ZERO,
    has_non_ideal_layer: true,
};

impl Downlink {
    fn new(engine: EstimatorEngine) -> Self {
        let now = Timestamp::from_millis(1_000);
        let config = EstimatorConfig { engine, ..EstimatorConfig::default() };
        Self {
            now,
            sequence: 0,
            estimator: BandwidthEstimator::new(now, &config, EstimateSource::TransportFeedback),
            pacer: Pacer::new(now),
            padding: PaddingController::new(now),
            padding_stream: PaddingStream::new(7, 0, 0),
            round_trip_times: RoundTripTimes::new(),
            generator: TransportFeedbackGenerator::new(),
            feedback: [0; 1_500],
            feedback_len: 0,
        }
    }

    /// 5 ms: a packet of media, padding, probes, each 50th packet lost.
    fn step(&mut self) {
        self.now += Duration::from_millis(5);
        let now = self.now;
        self.estimator.handle_timeout(now);
        self.estimator.set_demand(ALLOCATION.ideal);
        self.pacer.set_target(now, self.estimator.pacing_target());
        let size = DataSize::from_bytes(1_000);
        self.pacer.push(now, PacketUrgency::Video, size, 0).expect("there is room");
        while self.pacer.poll(now).is_some() {
            self.send(size, None);
        }
        while let Some(run) = self.estimator.poll_probe(now) {
            self.send(run.size, Some(run.cluster));
            self.estimator.on_probe_sent(now, run.size);
        }
        let due = self.padding.handle_timeout(now, &ALLOCATION, self.estimator.estimate());
        let sent = self.padding_stream.write(96, due.min(size), |_| true);
        self.padding.on_sent(due);
        self.send(sent, None);
        if now.as_millis().is_multiple_of(1_000) {
            self.report();
        }
    }

    fn send(&mut self, size: DataSize, probe: Option<bridge_cc::ProbeClusterId>) {
        self.sequence = self.sequence.wrapping_add(1);
        self.estimator.on_packet_sent(self.now, self.sequence, size, probe);
        if self.sequence.is_multiple_of(50) {
            return;
        }
        let arrival = self.now + Duration::from_millis(20);
        if self.generator.on_packet(arrival, self.sequence, false, 7) {
            let (feedback, len) = (&mut self.feedback, &mut self.feedback_len);
            self.generator.write_feedback(arrival, 1, |packet| {
                feedback[..packet.len()].copy_from_slice(packet);
                *len = packet.len();
            });
            self.hear();
        }
    }

    fn hear(&mut self) {
        let compound = RtcpCompound::parse(&self.feedback[..self.feedback_len]).expect("valid");
        for (packet, _) in compound {
            if let RtcpPacket::TransportFeedback(feedback) = packet {
                self.estimator.on_feedback(self.now, &feedback);
            }
        }
    }

    fn report(&mut self) {
        self.round_trip_times.on_sender_report_sent(self.now, 7, 99);
        let block = ReportBlock {
            ssrc: 7,
            extended_highest_sequence: u32::from(self.sequence),
            last_sender_report: 99,
            ..ReportBlock::default()
        };
        let heard = self.now + Duration::from_millis(40);
        if let Some(rtt) = self.round_trip_times.on_report_block(heard, &block) {
            self.estimator.on_rtt(rtt);
        }
        self.estimator.on_report_blocks(self.now, [block].into_iter());
    }
}

#[test]
fn no_allocation_in_the_steady_state() {
    for engine in [EstimatorEngine::GoogleCc2, EstimatorEngine::GoogleCc] {
        let mut downlink = Downlink::new(engine);
        // Long enough for every window, the ring of sender reports too.
        (0..60_000).for_each(|_| downlink.step());
        let before = bridge_allocations::count();
        assert!(before > 0, "the allocator counts");
        (0..10_000).for_each(|_| downlink.step());
        assert_eq!(bridge_allocations::count() - before, 0, "{engine:?}");
        assert!(downlink.estimator.estimate().is_some());
    }
}
