//! Any feedback about what was sent: estimates keep their bounds.

use std::time::Duration;

use bridge_cc::{
    BandwidthEstimator, EstimateSource, EstimatorConfig, EstimatorEngine,
    TransportFeedbackGenerator,
};
use bridge_rtp::rtcp::ReportBlock;
use bridge_rtp::{RtcpCompound, RtcpPacket};
use bridge_units::{Bitrate, DataSize, Timestamp};

use crate::bytes::Bytes;

/// The engine, then events.
pub fn run(data: &[u8]) {
    let mut input = Bytes::new(data);
    let engine = if input.bool() { EstimatorEngine::GoogleCc } else { EstimatorEngine::GoogleCc2 };
    let config = EstimatorConfig { engine, ..EstimatorConfig::default() };
    let now = Timestamp::from_millis(5);
    let mut peer = Peer {
        estimator: BandwidthEstimator::new(now, &config, EstimateSource::TransportFeedback),
        receiver: TransportFeedbackGenerator::new(),
        now,
        sequence: 0xff00,
    };
    for _ in 0..MAX_EVENTS {
        if input.is_empty() {
            break;
        }
        peer.happen(&mut input);
        let estimate = peer.estimator.estimate();
        let is_fine = estimate.is_none_or(|rate| (config.min..=config.max).contains(&rate));
        assert!(is_fine, "{estimate:?}");
    }
}

/// Packets that arrive, and some that do not.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut steady = vec![0];
    for _ in 0..30 {
        steady.extend([0, 4, 0xb0, 20, 0, 5, 1, 0, 100, 6, 40, 50]);
    }
    let mut classic = steady.clone();
    classic[0] = 1;
    vec![steady, classic]
}

struct Peer {
    estimator: BandwidthEstimator,
    receiver: TransportFeedbackGenerator,
    now: Timestamp,
    sequence: u16,
}

impl Peer {
    fn happen(&mut self, input: &mut Bytes<'_>) {
        match input.u8() % 8 {
            0 => self.send(input),
            1 => self.wait(Duration::from_millis(u64::from(input.u16() % 2_000))),
            2 => self.receive(&feedback(input)),
            3 => {
                let block = ReportBlock {
                    ssrc: u32::from(input.u8() % 4),
                    extended_highest_sequence: input.u32(),
                    cumulative_lost: i32::from_be_bytes(input.array()),
                    ..ReportBlock::default()
                };
                self.estimator.on_report_blocks(self.now, [block].into_iter());
            }
            4 => self.estimator.on_rtt(Duration::from_micros(u64::from(input.u32()))),
            5 => self.estimator.set_demand(Bitrate::from_bps(input.u64())),
            6 => self.acknowledge(),
            _ => self.estimator.on_route_change(self.now),
        }
    }

    /// Packets of one size; those whose bit is set are lost.
    fn send(&mut self, input: &mut Bytes<'_>) {
        let (size, count, lost) = (input.u16(), input.u8() % 40, input.u8());
        for n in 0..count {
            self.sequence = self.sequence.wrapping_add(1);
            let size = DataSize::from_bytes(u64::from(size));
            self.estimator.on_packet_sent(self.now, self.sequence, size, None);
            if lost >> (n % 8) & 1 == 0 {
                let arrival = self.now + Duration::from_millis(30);
                self.receiver.on_packet(arrival, self.sequence, false, 2);
            }
        }
        self.probe();
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100 {
            self.now = self.now.max(self.estimator.poll_timeout().min(end));
            self.estimator.handle_timeout(self.now);
            self.probe();
        }
        self.now = end;
    }

    fn acknowledge(&mut self) {
        let mut packets = Vec::new();
        self.receiver.write_feedback(self.now, 1, |packet| packets.push(packet.to_vec()));
        for packet in packets {
            assert!(RtcpCompound::parse(&packet).is_ok(), "own feedback can be read");
            self.receive(&packet);
        }
    }

    fn receive(&mut self, rtcp: &[u8]) {
        let Ok(compound) = RtcpCompound::parse(rtcp) else { return };
        for (packet, _) in compound {
            if let RtcpPacket::TransportFeedback(feedback) = packet {
                let results = self.estimator.on_feedback(self.now, &feedback);
                assert!(results.len() <= usize::from(feedback.status_count));
            }
        }
    }

    fn probe(&mut self) {
        for _ in 0..MAX_PROBE_RUNS {
            let Some(run) = self.estimator.poll_probe(self.now) else { return };
            self.sequence = self.sequence.wrapping_add(1);
            self.estimator.on_packet_sent(self.now, self.sequence, run.size, Some(run.cluster));
            self.estimator.on_probe_sent(self.now, run.size);
        }
        assert!(self.estimator.poll_probe(self.now).is_none(), "probing does not end");
    }
}

/// A transport-wide feedback with an arbitrary rest.
fn feedback(input: &mut Bytes<'_>) -> Vec<u8> {
    let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    packet.extend(input.chunk());
    packet.resize(packet.len().next_multiple_of(4), 0);
    let words = u16::try_from(packet.len() / 4 - 1).unwrap_or_default();
    packet[2..4].copy_from_slice(&words.to_be_bytes());
    packet
}

const MAX_EVENTS: usize = 200;
const MAX_PROBE_RUNS: usize = 200;
