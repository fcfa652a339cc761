use std::collections::VecDeque;
use std::time::Duration;

use bridge_cc::{
    AllocationSnapshot, BandwidthEstimator, EstimateSource, EstimatorConfig, PADDING_INTERVAL,
    Pacer, PacketUrgency, PaddingController, ProbeClusterId, ReceiverReports,
    TransportFeedbackGenerator,
};
use bridge_rtp::RtpHeader;
use bridge_rtp::rtcp::{RtcpCompound, RtcpPacket};
use bridge_units::{Bitrate, DataSize, Timestamp};

use super::link::Link;

/// What the sender has.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Layers of these bitrates; the highest that fits is sent, with a key frame at each switch up.
    Layers(Vec<Bitrate>),
    /// As much as the estimate, or the start rate before there is one.
    Greedy,
    /// As much as this, whatever the estimate.
    Fixed(Bitrate),
}

pub(crate) struct SessionConfig {
    pub estimator: EstimatorConfig,
    pub source: Source,
    pub link: Link,
    pub has_audio: bool,
    /// Packets of padding are up to this long: retransmissions, as with a full history.
    pub padding_len: u64,
}

/// The state at the end of a step of 100 ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub time: Timestamp,
    pub estimate: Option<Bitrate>,
    pub media_target: Bitrate,
    /// Delivered within the step, padding too.
    pub delivered: Bitrate,
    pub backlog: Duration,
}

pub(crate) struct Session {
    pub now: Timestamp,
    pub link: Link,
    pub estimator: BandwidthEstimator,
    pub samples: Vec<Sample>,
    /// From being handed to the pacer to arriving.
    pub audio_delays: Vec<Duration>,
    pub probes: u64,
    pub padding: DataSize,
    /// No video comes from the sender.
    pub is_paused: bool,
    config: EstimatorConfig,
    source: Source,
    has_audio: bool,
    padding_len: u64,
    pacer: Pacer<Packet>,
    padding_controller: PaddingController,
    generator: TransportFeedbackGenerator,
    reports: ReceiverReports,
    forward: VecDeque<(Timestamp, Packet)>,
    backward: VecDeque<(Timestamp, Vec<u8>)>,
    sequence: u16,
    video_sequence: u16,
    media_target: Bitrate,
    allocated_for: Option<Bitrate>,
    allocated_at: Timestamp,
    frame_debt: f64,
    delivered_before: DataSize,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    size: DataSize,
    created: Timestamp,
    is_audio: bool,
    is_media: bool,
    marker: bool,
    transport_sequence: u16,
    video_sequence: u16,
}

impl Session {
    pub(crate) fn new(config: SessionConfig) -> Self {
        let now = Timestamp::from_millis(10_000);
        let SessionConfig { estimator, source, link, has_audio, padding_len } = config;
        Self {
            now,
            link,
            estimator: BandwidthEstimator::new(now, &estimator, EstimateSource::TransportFeedback),
            samples: Vec::new(),
            audio_delays: Vec::new(),
            probes: 0,
            padding: DataSize::ZERO,
            is_paused: false,
            config: estimator,
            source,
            has_audio,
            padding_len,
            pacer: Pacer::new(now),
            padding_controller: PaddingController::new(now),
            generator: TransportFeedbackGenerator::new(),
            reports: ReceiverReports::new(now),
            forward: VecDeque::new(),
            backward: VecDeque::new(),
            sequence: 0,
            video_sequence: 0,
            media_target: Bitrate::ZERO,
            allocated_for: None,
            allocated_at: now,
            frame_debt: 0.0,
            delivered_before: DataSize::ZERO,
        }
    }

    /// In steps of a millisecond.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now += Duration::from_millis(1);
            self.receive();
            self.hear();
            self.produce();
            self.send();
            if self.now.as_millis().is_multiple_of(100) {
                self.sample();
            }
        }
    }

    /// The samples from `from` on, which counts from now backwards.
    pub(crate) fn last(&self, duration: Duration) -> &[Sample] {
        let begin = self.samples.partition_point(|sample| sample.time + duration <= self.now);
        &self.samples[begin..]
    }

    pub(crate) fn estimate(&self) -> Bitrate {
        self.estimator.estimate().unwrap_or(self.config.initial)
    }

    fn receive(&mut self) {
        while self.forward.front().is_some_and(|&(arrival, _)| arrival <= self.now) {
            let (arrival, packet) = self.forward.pop_front().expect("there is a front");
            if packet.is_audio {
                self.audio_delays.push(arrival - packet.created);
            } else if packet.is_media {
                let [high, low] = packet.video_sequence.to_be_bytes();
                let bytes = [0x80, 96, high, low, 0, 0, 0, 0, 0, 0, 0, 7];
                let header = RtpHeader::parse(&bytes).expect("well-formed");
                self.reports.on_packet(arrival, &header, 0);
            }
            let sequence = packet.transport_sequence;
            if self.generator.on_packet(arrival, sequence, packet.marker, 7) {
                let due = self.now + self.link.delay;
                let backward = &mut self.backward;
                self.generator.write_feedback(arrival, 1, |feedback| {
                    backward.push_back((due, feedback.to_vec()));
                });
            }
        }
        let due = self.now + self.link.delay;
        let backward = &mut self.backward;
        self.reports
            .handle_timeout(self.now, 1, None, |report| backward.push_back((due, report.to_vec())));
    }

    fn hear(&mut self) {
        while self.backward.front().is_some_and(|&(arrival, _)| arrival <= self.now) {
            let (_, rtcp) = self.backward.pop_front().expect("there is a front");
            let compound = RtcpCompound::parse(&rtcp).expect("well-formed");
            for (packet, _) in compound {
                match packet {
                    RtcpPacket::TransportFeedback(feedback) => {
                        self.estimator.on_feedback(self.now, &feedback);
                    }
                    RtcpPacket::ReceiverReport(report) => {
                        self.estimator.on_report_blocks(self.now, report.blocks.iter());
                        let rtt = self.link.delay * 2 + self.link.backlog(self.now);
                        self.estimator.on_rtt(rtt);
                    }
                    other => unreachable!("{other:?}"),
                }
            }
        }
    }

    /// 30 frames and 50 audio packets a second.
    fn produce(&mut self) {
        let millis = self.now.as_millis();
        if self.has_audio && millis.is_multiple_of(20) {
            let packet = self.packet(DataSize::from_bytes(120), true, true, true);
            self.push(PacketUrgency::Audio, packet);
        }
        if self.is_paused || ![0, 33, 66].contains(&(millis % 100)) {
            return;
        }
        let estimate = self.estimator.estimate().map(|estimate| self.without_audio(estimate));
        let ideal = self.ideal();
        let is_unchanged = estimate.zip(self.allocated_for).is_some_and(|(new, old)| {
            // The bridge does not look at changes of less than 15 %, but every 15 s.
            new.bps().abs_diff(old.bps()) <= old.bps() * 15 / 100
        });
        let is_old = self.now - self.allocated_at >= Duration::from_secs(15);
        if !is_unchanged || is_old || !matches!(self.source, Source::Layers(_)) {
            self.allocated_at = self.now;
            self.allocated_for = estimate;
        }
        let media_target = self.allocate(self.allocated_for);
        let before = std::mem::replace(&mut self.media_target, media_target);
        let mut bytes = self.media_target.bps() as f64 / 8.0 / 30.0 + self.frame_debt;
        if matches!(self.source, Source::Layers(_)) && self.media_target > before {
            // A key frame, which the encoder makes up for with smaller frames.
            let key_frame = bytes * 5.0;
            self.frame_debt = 0.0;
            bytes = key_frame;
        }
        let wanted = Bitrate::from_bps(ideal.bps() + self.audio_rate().bps());
        self.estimator.set_demand(if ideal > Bitrate::ZERO { wanted } else { Bitrate::ZERO });
        let mut left = bytes as u64;
        while left > 0 {
            let size = left.min(1_200);
            left -= size;
            let packet = self.packet(DataSize::from_bytes(size), false, true, left == 0);
            self.push(PacketUrgency::Video, packet);
        }
    }

    fn send(&mut self) {
        let now = self.now;
        self.pacer.set_target(now, self.estimator.pacing_target());
        if now >= self.estimator.poll_timeout() {
            self.estimator.handle_timeout(now);
        }
        while let Some(packet) = self.pacer.poll(now) {
            self.transmit(packet, None);
        }
        while let Some(run) = self.estimator.poll_probe(now) {
            self.probes += 1;
            let sent = self.transmit_padding(run.size, Some(run.cluster));
            self.estimator.on_probe_sent(now, sent);
        }
        let allocation = AllocationSnapshot {
            target: self.media_target,
            ideal: self.ideal(),
            besides: self.audio_rate(),
            has_non_ideal_layer: matches!(self.source, Source::Layers(_)),
        };
        let estimate = self.estimator.estimate();
        let due = self.padding_controller.handle_timeout(now, &allocation, estimate);
        let due = due.min(self.pacer.padding_room(now, PADDING_INTERVAL));
        if due > DataSize::ZERO && self.estimator.has_free_link(now) {
            let sent = self.transmit_padding(due, None);
            self.padding_controller.on_sent(sent);
        }
    }

    fn transmit_padding(&mut self, size: DataSize, probe: Option<ProbeClusterId>) -> DataSize {
        let mut sent = 0;
        while sent + 12 < size.bytes() || (probe.is_some() && sent == 0) {
            let len = (size.bytes() - sent).clamp(13, self.padding_len);
            let packet = self.packet(DataSize::from_bytes(len), false, false, false);
            self.pacer.on_packet_bypassed(self.now, packet.size);
            self.transmit(packet, probe);
            sent += len;
        }
        let sent = DataSize::from_bytes(sent);
        self.padding = DataSize::from_bytes(self.padding.bytes() + sent.bytes());
        sent
    }

    fn packet(&mut self, size: DataSize, is_audio: bool, is_media: bool, marker: bool) -> Packet {
        if is_media && !is_audio {
            self.video_sequence = self.video_sequence.wrapping_add(1);
        }
        Packet {
            size,
            created: self.now,
            is_audio,
            is_media,
            marker,
            transport_sequence: 0,
            video_sequence: self.video_sequence,
        }
    }

    fn push(&mut self, urgency: PacketUrgency, packet: Packet) {
        self.pacer.push(self.now, urgency, packet.size, packet).expect("the pacer has room");
    }

    fn transmit(&mut self, mut packet: Packet, probe: Option<ProbeClusterId>) {
        self.sequence = self.sequence.wrapping_add(1);
        packet.transport_sequence = self.sequence;
        self.estimator.on_packet_sent(self.now, self.sequence, packet.size, probe);
        if let Some(arrival) = self.link.send(self.now, packet.size) {
            self.forward.push_back((arrival, packet));
        }
    }

    fn allocate(&self, estimate: Option<Bitrate>) -> Bitrate {
        match &self.source {
            Source::Greedy => estimate.unwrap_or_else(|| self.without_audio(self.config.initial)),
            Source::Fixed(rate) => *rate,
            Source::Layers(layers) => {
                let Some(estimate) = estimate else { return layers[layers.len() - 1] };
                let fits = layers.iter().rev().find(|layer| **layer <= estimate);
                *fits.unwrap_or(&layers[0])
            }
        }
    }

    fn audio_rate(&self) -> Bitrate {
        if self.has_audio { Bitrate::from_kbps(48) } else { Bitrate::ZERO }
    }

    /// Audio has transport-wide numbers, so that the estimate is for both.
    fn without_audio(&self, estimate: Bitrate) -> Bitrate {
        Bitrate::from_bps(estimate.bps().saturating_sub(self.audio_rate().bps()))
    }

    fn ideal(&self) -> Bitrate {
        match &self.source {
            Source::Layers(layers) => layers[layers.len() - 1],
            _ => Bitrate::ZERO,
        }
    }

    fn sample(&mut self) {
        let delivered = self.link.delivered.bytes() - self.delivered_before.bytes();
        self.delivered_before = self.link.delivered;
        self.samples.push(Sample {
            time: self.now,
            estimate: self.estimator.estimate(),
            media_target: self.media_target,
            delivered: DataSize::from_bytes(delivered).per(Duration::from_millis(100)),
            backlog: self.link.backlog(self.now),
        });
    }
}
