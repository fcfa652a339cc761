//! Whatever a peer says, estimates keep their bounds and memory stays bounded.

use std::time::Duration;

use bridge_cc::{
    BandwidthEstimator, EstimateSource, EstimatorConfig, EstimatorEngine, MAX_SENT_PACKETS,
    RemoteEstimator, SentPackets,
};
use bridge_rtp::rtcp::{ReportBlock, RtcpCompound, RtcpPacket};
use bridge_units::{Bitrate, DataSize, Timestamp};
use proptest::prelude::*;

/// What happens to an estimator.
#[derive(Clone, Debug)]
enum Event {
    Send {
        size: u16,
        skip: u16,
        count: u8,
    },
    Wait {
        micros: u32,
    },
    /// The body of a transport-wide feedback after the SSRCs.
    Feedback {
        base: u16,
        status_count: u16,
        rest: Vec<u8>,
    },
    /// A well-formed feedback about the last packets, each of which arrived or not.
    Acknowledge {
        deltas: Vec<Option<u8>>,
        reference: u32,
    },
    Report {
        ssrc: u32,
        highest: u32,
        lost: i32,
    },
    Rtt {
        micros: u32,
    },
    Remb {
        bps: u64,
    },
    Demand {
        bps: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (any::<u16>(), 0_u16..3, 1..40_u8)
            .prop_map(|(size, skip, count)| Event::Send { size, skip, count }),
        1 => any::<u16>().prop_map(|skip| Event::Send { size: 1_000, skip, count: 1 }),
        4 => (0..300_000_u32).prop_map(|micros| Event::Wait { micros }),
        1 => any::<u32>().prop_map(|micros| Event::Wait { micros }),
        2 => (any::<u16>(), any::<u16>(), prop::collection::vec(any::<u8>(), 4..60)).prop_map(
            |(base, status_count, rest)| Event::Feedback { base, status_count, rest }
        ),
        6 => (prop::collection::vec(prop::option::weighted(0.9, any::<u8>()), 1..60), any::<u32>())
            .prop_map(|(deltas, reference)| Event::Acknowledge { deltas, reference }),
        1 => (0..4_u32, any::<u32>(), any::<i32>())
            .prop_map(|(ssrc, highest, lost)| Event::Report { ssrc, highest, lost }),
        1 => any::<u32>().prop_map(|micros| Event::Rtt { micros }),
        1 => any::<u64>().prop_map(|bps| Event::Remb { bps }),
        1 => any::<u64>().prop_map(|bps| Event::Demand { bps }),
    ]
}

/// One RTCP packet with format 15 of type 205.
fn feedback(base: u16, status_count: u16, reference: u32, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    packet.extend(base.to_be_bytes());
    packet.extend(status_count.to_be_bytes());
    packet.extend_from_slice(&reference.to_be_bytes()[1..]);
    packet.push(0);
    packet.extend(rest);
    packet.resize(packet.len().next_multiple_of(4), 0);
    let words = u16::try_from(packet.len() / 4 - 1).expect("a short packet");
    packet[2..4].copy_from_slice(&words.to_be_bytes());
    packet
}

/// Two-bit vectors and small deltas.
fn acknowledgement(base: u16, reference: u32, deltas: &[Option<u8>]) -> Vec<u8> {
    let mut rest = vec![];
    for chunk in deltas.chunks(7) {
        let symbols = chunk.iter().enumerate();
        let bits = symbols.fold(0xc000_u16, |bits, (index, delta)| {
            bits | u16::from(delta.is_some()) << (12 - 2 * index)
        });
        rest.extend(bits.to_be_bytes());
    }
    rest.extend(deltas.iter().flatten());
    feedback(base, u16::try_from(deltas.len()).expect("few deltas"), reference, &rest)
}

struct Peer {
    estimator: BandwidthEstimator,
    now: Timestamp,
    sequence: u16,
}

impl Peer {
    fn happen(&mut self, event: &Event) {
        match event {
            Event::Send { size, skip, count } => {
                for n in 0..*count {
                    let step = if n == 0 { skip.wrapping_add(1) } else { 1 };
                    self.sequence = self.sequence.wrapping_add(step);
                    let size = DataSize::from_bytes(u64::from(*size));
                    self.estimator.on_packet_sent(self.now, self.sequence, size, None);
                }
                self.probe();
            }
            Event::Wait { micros } => {
                let end = self.now + Duration::from_micros(u64::from(*micros));
                for _ in 0..100 {
                    self.now = self.now.max(self.estimator.poll_timeout().min(end));
                    self.estimator.handle_timeout(self.now);
                    self.probe();
                }
                self.now = end;
            }
            Event::Feedback { base, status_count, rest } => {
                self.receive(&feedback(*base, *status_count, 5, rest));
            }
            Event::Acknowledge { deltas, reference } => {
                let count = u16::try_from(deltas.len()).expect("few deltas");
                let base = self.sequence.wrapping_sub(count);
                self.receive(&acknowledgement(base, *reference, deltas));
            }
            Event::Report { ssrc, highest, lost } => {
                let block = ReportBlock {
                    ssrc: *ssrc,
                    extended_highest_sequence: *highest,
                    cumulative_lost: *lost,
                    ..ReportBlock::default()
                };
                self.estimator.on_report_blocks(self.now, [block].into_iter());
            }
            Event::Rtt { micros } => {
                self.estimator.on_rtt(Duration::from_micros(u64::from(*micros)));
            }
            Event::Remb { bps } => self.estimator.on_receiver_estimate(Bitrate::from_bps(*bps)),
            Event::Demand { bps } => self.estimator.set_demand(Bitrate::from_bps(*bps)),
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
        // A wrong caller would go on for ever; a right one needs no more than this.
        for _ in 0..200 {
            let Some(run) = self.estimator.poll_probe(self.now) else { return };
            self.sequence = self.sequence.wrapping_add(1);
            self.estimator.on_packet_sent(self.now, self.sequence, run.size, Some(run.cluster));
            self.estimator.on_probe_sent(self.now, run.size);
        }
        unreachable!("probing does not end");
    }
}

proptest! {
    // Each case is seconds of simulated time.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn estimates_keep_their_bounds(
        events in prop::collection::vec(event(), 1..120),
        is_classic in any::<bool>(),
    ) {
        let engine =
            if is_classic { EstimatorEngine::GoogleCc } else { EstimatorEngine::GoogleCc2 };
        let config = EstimatorConfig { engine, ..EstimatorConfig::default() };
        let now = Timestamp::from_millis(5);
        let estimator = BandwidthEstimator::new(now, &config, EstimateSource::TransportFeedback);
        let mut peer = Peer { estimator, now, sequence: 0xff00 };
        for event in &events {
            peer.happen(event);
            if let Some(estimate) = peer.estimator.estimate() {
                prop_assert!((config.min..=config.max).contains(&estimate), "{estimate:?}");
            }
        }
    }

    #[test]
    fn sent_packets_add_up(
        sent in prop::collection::vec((any::<u16>(), 0..2_000_u64, 0..30_u64), 1..300),
        told in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<Option<u8>>(), 1..80)), 0..40),
    ) {
        let mut packets = SentPackets::new();
        let mut now = Timestamp::ZERO;
        let mut noted = 0;
        let mut sequence = 0_u16;
        for (step, size, wait) in sent {
            now += Duration::from_millis(wait);
            sequence = sequence.wrapping_add(step % 50);
            noted += u64::from(packets.on_packet_sent(now, sequence, DataSize::from_bytes(size), None).is_some());
            prop_assert!(packets.len() <= MAX_SENT_PACKETS);
        }
        let mut results = Vec::new();
        for (base, deltas) in &told {
            let rtcp = acknowledgement(sequence.wrapping_sub(base % 3_000), 9, deltas);
            for (packet, _) in RtcpCompound::parse(&rtcp).expect("well-formed") {
                if let RtcpPacket::TransportFeedback(feedback) = packet {
                    packets.on_feedback(now, &feedback, &mut results);
                }
            }
        }
        let mut received: Vec<_> = results
            .iter()
            .filter(|result| result.received.is_some())
            .map(|result| result.packet.sequence)
            .collect();
        let count = received.len();
        received.sort_unstable();
        received.dedup();
        prop_assert_eq!(received.len(), count, "each arrival is told once");
        let counters = packets.counters();
        prop_assert!(counters.received + counters.lost <= noted);
        prop_assert_eq!(counters.received, count as u64);
    }

    #[test]
    fn remote_estimates_do_not_panic(
        packets in prop::collection::vec((0..2_000_000_u64, any::<u32>(), any::<u32>(), any::<u16>()), 1..300),
    ) {
        let mut estimator = RemoteEstimator::new();
        let mut now = Timestamp::ZERO;
        for (wait, ssrc, abs_send_time, len) in packets {
            now += Duration::from_micros(wait);
            estimator.on_packet(now, ssrc, abs_send_time, usize::from(len));
            prop_assert!(estimator.estimate().is_none_or(|estimate| estimate >= Bitrate::from_kbps(5)));
        }
        prop_assert!(estimator.ssrcs().len() <= 8);
    }
}

#[test]
fn other_sources_than_feedback() {
    let config = EstimatorConfig::default();
    let now = Timestamp::ZERO;
    for (source, expected) in
        [(EstimateSource::Remb, Some(Bitrate::from_kbps(700))), (EstimateSource::None, None)]
    {
        let mut estimator = BandwidthEstimator::new(now, &config, source);
        assert_eq!(estimator.estimate(), None);
        estimator.on_receiver_estimate(Bitrate::from_kbps(700));
        estimator.on_rtt(Duration::from_millis(50));
        estimator.on_packet_sent(now, 1, DataSize::from_bytes(1_000), None);
        assert_eq!(estimator.estimate(), expected, "{source:?}");
        assert_eq!(estimator.pacing_target(), expected, "{source:?}");
        assert_eq!(
            (estimator.poll_probe(now), estimator.poll_timeout()),
            (None, Timestamp::FAR_FUTURE)
        );
    }
    let mut estimator = BandwidthEstimator::new(now, &config, EstimateSource::TransportFeedback);
    estimator.on_receiver_estimate(Bitrate::from_kbps(700));
    assert_eq!(estimator.estimate(), None);
}

#[test]
fn a_first_round_trip_time_publishes_the_start() {
    let config = EstimatorConfig::default();
    let mut estimator =
        BandwidthEstimator::new(Timestamp::ZERO, &config, EstimateSource::TransportFeedback);
    estimator.handle_timeout(Timestamp::from_millis(500));
    assert_eq!(estimator.estimate(), None);
    assert_eq!(estimator.pacing_target(), Some(config.initial));
    estimator.on_rtt(Duration::from_millis(30));
    assert_eq!(estimator.estimate(), Some(Bitrate::from_kbps(2_500)));
}

#[test]
fn transport_numbers_start_at_one_and_wrap() {
    let config = EstimatorConfig::default();
    let mut estimator =
        BandwidthEstimator::new(Timestamp::ZERO, &config, EstimateSource::TransportFeedback);
    let numbers: Vec<_> = (0..65_537).map(|_| estimator.next_sequence()).collect();
    assert_eq!((numbers[0], numbers[65_534], numbers[65_535], numbers[65_536]), (1, 65_535, 0, 1));
}
