//! A participant: a real transport over two links, its senders and its receivers.

use super::announcements::{AnnouncedSource, RETRANSMISSION, SsrcAnnouncements};
use super::audio_payload::{OPUS, RED};
use super::audio_receiver::AudioReceiver;
use super::audio_sender::AudioSender;
use super::catalogue::Catalogue;
use super::codec::SimulatedCodec;
use super::frame_stamp::FrameStamp;
use super::link::{Link, LinkOutcome};
use super::reports::{ReceptionReports, ntp, round_trip};
use super::rtp_writer::{DEPENDENCY_DESCRIPTOR_ID, MID_ID, OutgoingRtp, TRANSPORT_CC_ID};
use super::transport_feedback::{FeedbackCheck, FeedbackSender};
use super::video_receiver::{ReceiverRequest, VideoReceiver};
use super::video_sender::{VideoSender, VideoSettings};
use super::violation::{ViolationKind, Violations};
use bridge_rtp::rtcp::{FirEntry, MAX_REPORT_BLOCKS, ReportBlock, SenderInfo};
use bridge_rtp::{
    PacketKind, RtcpCompound, RtcpPacket, RtcpWriter, RtpHeader, RtpView, rtx_decapsulate,
    transport_cc_sequence,
};
use bridge_signaling::bridge_channel::BridgeChannelMessage;
use bridge_transport::{PeerTransport, TransportEvent};
use bridge_units::{EndpointId, Timestamp};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// One participant of a [`super::SimulatedConference`].
pub struct SimulatedClient {
    id: EndpointId,
    address: SocketAddr,
    bridge: SocketAddr,
    transport: PeerTransport,
    /// To the bridge.
    uplink: Link,
    /// From the bridge.
    downlink: Link,
    connected: bool,
    channel_open: bool,
    sending: bool,
    audio: AudioSender,
    videos: Vec<VideoSender>,
    receivers: BTreeMap<u32, VideoReceiver>,
    /// When the first of them has something to do without a packet, or earlier.
    receivers_due: Timestamp,
    /// SSRCs of retransmissions, and what they repair.
    rtx: BTreeMap<u32, u32>,
    audio_receivers: BTreeMap<u32, AudioReceiver>,
    catalogue: Catalogue,
    abilities: Abilities,
    /// What the SSRCs of the bridge's choice stand for.
    announcements: SsrcAnnouncements,
    /// The bridge's own: it may send padding on them.
    bridge_ssrcs: [u32; 2],
    probe_packets: u64,
    reports: ReceptionReports,
    feedback: FeedbackSender,
    feedback_check: FeedbackCheck,
    next_feedback: Timestamp,
    next_report: Timestamp,
    skew: Duration,
    round_trip: Option<Duration>,
    messages: Vec<(Timestamp, BridgeChannelMessage)>,
    departures: Vec<(Timestamp, Vec<u8>)>,
    violations: Violations,
    unopened: u64,
    /// As it went over the wire.
    last_rtp: Vec<u8>,
}

/// What a participant negotiates besides what all have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// It lets the bridge choose a few SSRCs for all sources.
    pub few_ssrcs: bool,
    /// Those are told apart by MID, too.
    pub mids: bool,
    /// It takes audio with redundancy.
    pub redundant_audio: bool,
}

impl SimulatedClient {
    pub(crate) fn new(
        id: EndpointId,
        (address, bridge): (SocketAddr, SocketAddr),
        transport: PeerTransport,
        (uplink, downlink): (Link, Link),
        (audio, videos): (AudioSender, Vec<VideoSender>),
        bridge_ssrcs: [u32; 2],
        abilities: Abilities,
    ) -> Self {
        // Wall clocks of different people differ.
        let skew = Duration::from_millis(u64::from(audio.ssrc()) * 37);
        Self {
            id,
            address,
            bridge,
            transport,
            uplink,
            downlink,
            connected: false,
            channel_open: false,
            sending: false,
            audio,
            videos,
            receivers: BTreeMap::new(),
            receivers_due: Timestamp::FAR_FUTURE,
            rtx: BTreeMap::new(),
            audio_receivers: BTreeMap::new(),
            catalogue: Catalogue::default(),
            abilities,
            announcements: SsrcAnnouncements::default(),
            bridge_ssrcs,
            probe_packets: 0,
            reports: ReceptionReports::default(),
            feedback: FeedbackSender::default(),
            feedback_check: FeedbackCheck::default(),
            next_feedback: Timestamp::FAR_FUTURE,
            next_report: Timestamp::FAR_FUTURE,
            skew,
            round_trip: None,
            messages: Vec::new(),
            departures: Vec::new(),
            violations: Violations::default(),
            unopened: 0,
            last_rtp: Vec::new(),
        }
    }

    /// Who it is.
    pub fn id(&self) -> &EndpointId {
        &self.id
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether media and messages can go both ways.
    pub fn is_ready(&self) -> bool {
        self.connected && self.channel_open
    }

    /// Its microphone.
    pub fn audio_mut(&mut self) -> &mut AudioSender {
        &mut self.audio
    }

    /// Its microphone.
    pub fn audio(&self) -> &AudioSender {
        &self.audio
    }

    /// Its camera or screen.
    pub fn video_mut(&mut self, index: usize) -> Option<&mut VideoSender> {
        self.videos.get_mut(index)
    }

    /// Its cameras and screens.
    pub fn videos(&self) -> &[VideoSender] {
        &self.videos
    }

    /// What it receives, by the SSRC of the source's first encoding.
    pub fn receivers(&self) -> impl Iterator<Item = &VideoReceiver> {
        self.receivers.values()
    }

    /// What it receives of the source with this name.
    pub fn receiver(&self, name: &str) -> Option<&VideoReceiver> {
        self.receivers.values().find(|receiver| receiver.source().name == name)
    }

    /// The audio that it receives, by SSRC.
    pub fn audio_receivers(&self) -> impl Iterator<Item = (u32, &AudioReceiver)> {
        self.audio_receivers.iter().map(|(ssrc, receiver)| (*ssrc, receiver))
    }

    /// What the SSRCs of the bridge's choice stand for.
    pub fn announcements(&self) -> &SsrcAnnouncements {
        &self.announcements
    }

    /// When a picture of the source with this name was shown first after `from`.
    pub fn first_shown(&self, name: &str, from: Timestamp) -> Option<Timestamp> {
        let source = self.catalogue.ssrc(name)?;
        let shown = self.receivers.values().flat_map(|receiver| receiver.playback().shown());
        let of_source = shown.filter(|picture| picture.source == source && picture.at >= from);
        of_source.map(|picture| picture.at).min()
    }

    /// What the bridge said, and when.
    pub fn messages(&self) -> &[(Timestamp, BridgeChannelMessage)] {
        &self.messages
    }

    /// The link to the bridge.
    pub fn uplink(&self) -> &Link {
        &self.uplink
    }

    /// The link from the bridge.
    pub fn downlink(&self) -> &Link {
        &self.downlink
    }

    /// Padding received on the bridge's own SSRCs.
    pub fn probe_packets(&self) -> u64 {
        self.probe_packets
    }

    /// The round trip as the bridge's reports tell it.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Feedback packets from the bridge, the statuses in them, and the longest time between two.
    pub fn transport_feedback(&self) -> (u64, u64, Duration) {
        self.feedback_check.summary()
    }

    /// Everything that was broken at this client, given what its senders' links lost.
    pub fn violations(&self, lost_before: impl Fn(&VideoSettings) -> u64) -> Violations {
        let mut all = self.violations.clone();
        for (at, ssrc, source) in self.announcements.unannounced() {
            all.note(at, ssrc, ViolationKind::Unannounced(source));
        }
        for receiver in self.receivers.values() {
            all.append(receiver.violations());
            let unexplained = self.unexplained_gaps(receiver, &lost_before);
            if unexplained > 0 {
                let kind = ViolationKind::UnexplainedGaps(unexplained);
                all.note(Timestamp::ZERO, receiver.ssrc(), kind);
            }
        }
        all
    }

    /// Says something over the bridge channel.
    pub fn say(&mut self, now: Timestamp, message: &BridgeChannelMessage) {
        self.transport.send_message(now, &message.to_json_string());
    }

    /// A source of another participant that may be received from now on.
    pub(crate) fn expect_video(&mut self, now: Timestamp, source: &VideoSettings) {
        self.catalogue.add_video(source);
        if self.abilities.few_ssrcs {
            return;
        }
        let ssrcs = source.ssrcs();
        self.rtx.extend(ssrcs.iter().map(|(_, rtx)| (*rtx, source.first_ssrc)));
        let receiver = VideoReceiver::new(source.clone(), now);
        self.receivers.entry(source.first_ssrc).or_insert(receiver);
    }

    pub(crate) fn expect_audio(&mut self, name: String, ssrc: u32) {
        self.catalogue.add_audio(name, ssrc);
        if !self.abilities.few_ssrcs {
            self.audio_receivers.entry(ssrc).or_default();
        }
    }

    /// The scenario begins: links are as they were described, and media is sent.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.uplink.begin(now);
        self.downlink.begin(now);
        self.sending = true;
        self.next_report = now + REPORT_DELAY;
        self.next_feedback = now + FEEDBACK_INTERVAL;
    }

    /// A datagram of the bridge, on its way to this client.
    pub(crate) fn receive_link(&mut self) -> &mut Link {
        &mut self.downlink
    }

    /// What is on its way to the bridge, and when it arrives.
    pub(crate) fn take_departures(&mut self) -> Vec<(Timestamp, Vec<u8>)> {
        std::mem::take(&mut self.departures)
    }

    pub(crate) fn handle_datagram(&mut self, now: Timestamp, mut datagram: Vec<u8>) {
        // What does not authenticate is dropped by the engines; the handshake shows if it matters.
        match PacketKind::classify(&datagram) {
            PacketKind::Stun => {
                let (local, from) = (self.address, self.bridge);
                let _dropped = self.transport.handle_stun(now, local, from, &datagram);
            }
            PacketKind::Dtls => {
                let _dropped = self.transport.handle_dtls(now, self.bridge, &datagram);
            }
            PacketKind::Rtp => self.handle_rtp(now, &mut datagram),
            PacketKind::Rtcp => self.handle_rtcp(now, &mut datagram),
            PacketKind::Other => self.unopened += 1,
        }
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        if self.transport.poll_timeout() <= now {
            self.transport.handle_timeout(now);
        }
        while let Some(event) = self.transport.poll_event() {
            self.handle_event(now, event);
        }
        let mut buffer = [0; bridge_transport::MIN_BUFFER_LEN];
        while let Some(transmit) = self.transport.poll_transmit(&mut buffer) {
            self.depart(now, buffer[..transmit.len].to_vec());
        }
        if self.sending && self.connected {
            self.send_media(now);
            self.send_requests(now);
            self.send_reports(now);
        }
    }

    pub(crate) fn poll_timeout(&mut self) -> Timestamp {
        let mut next = self.transport.poll_timeout();
        if self.sending {
            next = next.min(self.audio.poll_timeout()).min(self.next_report);
            let videos = self.videos.iter().map(VideoSender::poll_timeout);
            next = videos.fold(next, Timestamp::min).min(self.receivers_due);
            if self.feedback.has_news() {
                next = next.min(self.next_feedback);
            }
        }
        next
    }

    fn handle_event(&mut self, now: Timestamp, event: TransportEvent) {
        match event {
            TransportEvent::DtlsConnected { .. } => self.connected = true,
            TransportEvent::ChannelOpened => self.channel_open = true,
            TransportEvent::ChannelClosed => self.channel_open = false,
            TransportEvent::Message(text) => {
                if let Ok(message) = BridgeChannelMessage::parse(&text) {
                    self.handle_message(now, &message);
                    self.messages.push((now, message));
                }
            }
            _ => {}
        }
    }

    fn handle_message(&mut self, now: Timestamp, message: &BridgeChannelMessage) {
        match message {
            BridgeChannelMessage::SenderSourceConstraints(wanted) => {
                let named = |video: &&mut VideoSender| video.settings().name == wanted.source_name;
                if let Some(video) = self.videos.iter_mut().find(named) {
                    video.set_max_height(wanted.max_height);
                }
            }
            BridgeChannelMessage::ForwardedSources(forwarded) => {
                for receiver in self.receivers.values_mut() {
                    if !forwarded.forwarded_sources.contains(&receiver.source().name) {
                        receiver.pause();
                    }
                }
            }
            BridgeChannelMessage::VideoSourcesMap(map) => {
                let lines = map.mapped_sources.iter();
                let lines = lines.map(|line| (&line.source, line.ssrc, Some(line.rtx), &line.mid));
                self.handle_announcement(now, lines);
            }
            BridgeChannelMessage::AudioSourcesMap(map) => {
                let lines = map.mapped_sources.iter();
                let lines = lines.map(|line| (&line.source, line.ssrc, None, &line.mid));
                self.handle_announcement(now, lines);
            }
            _ => {}
        }
    }

    fn handle_announcement<'a>(
        &mut self,
        now: Timestamp,
        lines: impl Iterator<Item = (&'a String, u32, Option<u32>, &'a Option<String>)>,
    ) {
        let known = |(name, ssrc, rtx, mid): (&String, u32, Option<u32>, &Option<String>)| {
            let source = self.catalogue.ssrc(name)?;
            Some(AnnouncedSource { ssrc, rtx, mid: mid.clone(), source })
        };
        let lines: Vec<AnnouncedSource> = lines.filter_map(known).collect();
        self.announcements.announce(now, &lines, &mut self.violations);
    }

    fn handle_rtp(&mut self, now: Timestamp, datagram: &mut Vec<u8>) {
        let Ok(view) = RtpView::parse(datagram) else { return };
        let (ssrc, header_len) = (view.header().ssrc, view.header().header_len());
        let opened = self.transport.srtp().map(|s| s.receiver.open_rtp(datagram, header_len));
        match opened {
            Some(Ok(len)) => datagram.truncate(len),
            Some(Err(_)) => {
                self.unopened += 1;
                return self.violations.note(now, ssrc, ViolationKind::NotOpened);
            }
            None => return,
        }
        let Ok(header) = RtpHeader::parse(datagram) else { return };
        self.reports.note_packet(&header);
        let number = header.extension_data(datagram, TRANSPORT_CC_ID);
        if let Some(number) = number.and_then(transport_cc_sequence) {
            self.feedback.note(now, number, ssrc);
        }
        if self.abilities.few_ssrcs && !self.bridge_ssrcs.contains(&ssrc) {
            return self.handle_rewritten(now, &header, datagram);
        }
        if self.audio_receivers.contains_key(&ssrc) {
            self.handle_audio(now, &header, datagram);
        } else if self.receivers.contains_key(&ssrc) {
            self.handle_video(now, &header, datagram, false);
        } else if let Some(primary) = self.rtx.get(&ssrc).copied() {
            self.handle_retransmission(now, primary, &header, datagram);
        } else if self.bridge_ssrcs.contains(&ssrc) && header.payload(datagram).is_empty() {
            self.probe_packets += 1;
        } else {
            self.violations.note(now, ssrc, ViolationKind::UnknownSsrc);
        }
    }

    /// A packet on an SSRC of the bridge's choice.
    fn handle_rewritten(&mut self, now: Timestamp, header: &RtpHeader, datagram: &mut [u8]) {
        let ssrc = header.ssrc;
        let mid = header.extension_data(datagram, MID_ID);
        let mid = mid.map(|mid| String::from_utf8_lossy(mid).into_owned());
        let is_repair = SimulatedCodec::ALL
            .into_iter()
            .any(|codec| codec.rtx_payload_type() == header.payload_type);
        if is_repair {
            let violations = &mut self.violations;
            match self.announcements.repaired_by(now, ssrc, mid.clone(), violations) {
                Some(primary) => self.handle_retransmission(now, primary, header, datagram),
                None => self.announcements.note(now, ssrc, RETRANSMISSION, mid, violations),
            }
            return;
        }
        let source = if [OPUS, RED].contains(&header.payload_type) {
            self.audio_receivers.entry(ssrc).or_default();
            self.handle_audio(now, header, datagram);
            self.audio_receivers.get(&ssrc).and_then(AudioReceiver::source)
        } else {
            let stamp = FrameStamp::find(header.payload(datagram)).and_then(Result::ok);
            let source = stamp.and_then(|stamp| self.catalogue.video(stamp.source));
            if let Some(source) = source {
                self.receivers
                    .entry(ssrc)
                    .or_insert_with(|| VideoReceiver::on(ssrc, source.clone(), now));
            }
            let source = source.map(|source| source.first_ssrc);
            self.handle_video(now, header, datagram, false);
            source
        };
        match source {
            Some(source) => {
                self.announcements.note(now, ssrc, source, mid, &mut self.violations);
            }
            None => self.violations.note(now, ssrc, ViolationKind::UnknownSsrc),
        }
    }

    fn handle_audio(&mut self, now: Timestamp, header: &RtpHeader, datagram: &[u8]) {
        if header.payload_type == RED && !self.abilities.redundant_audio {
            let kind = ViolationKind::UnknownPayloadType(header.payload_type);
            self.violations.note(now, header.ssrc, kind);
        }
        if let Some(audio) = self.audio_receivers.get_mut(&header.ssrc) {
            audio.handle_packet(now, header, header.payload(datagram));
        }
    }

    /// A packet of media, or one that came as its retransmission.
    fn handle_video(
        &mut self,
        now: Timestamp,
        header: &RtpHeader,
        packet: &[u8],
        is_retransmission: bool,
    ) {
        let Some(receiver) = self.receivers.get_mut(&header.ssrc) else { return };
        if self.abilities.few_ssrcs {
            let stamp = FrameStamp::find(header.payload(packet)).and_then(Result::ok);
            let source = stamp.and_then(|stamp| self.catalogue.video(stamp.source));
            source.into_iter().for_each(|source| receiver.admit(source));
        }
        let descriptor = header.extension_data(packet, DEPENDENCY_DESCRIPTOR_ID);
        receiver.handle_packet(now, header, packet, descriptor, is_retransmission);
        self.receivers_due = self.receivers_due.min(receiver.poll_timeout());
    }

    fn handle_retransmission(
        &mut self,
        now: Timestamp,
        primary: u32,
        header: &RtpHeader,
        datagram: &mut [u8],
    ) {
        let codec = SimulatedCodec::ALL
            .into_iter()
            .find(|codec| codec.rtx_payload_type() == header.payload_type);
        let payload_type = codec.map_or(header.payload_type, SimulatedCodec::payload_type);
        match rtx_decapsulate(datagram, header, payload_type, primary) {
            Ok((original, packet)) => self.handle_video(now, &original, packet, true),
            // Padding that looks for bandwidth.
            Err(_) => {
                if let Some(receiver) = self.receivers.get_mut(&primary) {
                    receiver.note_probe(now, datagram.len());
                }
            }
        }
    }

    fn handle_rtcp(&mut self, now: Timestamp, datagram: &mut Vec<u8>) {
        let Some(Ok(len)) = self.transport.srtp().map(|s| s.receiver.open_rtcp(datagram)) else {
            self.unopened += 1;
            return self.violations.note(now, 0, ViolationKind::NotOpened);
        };
        datagram.truncate(len);
        let Ok(compound) = RtcpCompound::parse(datagram) else {
            return self.violations.note(now, 0, ViolationKind::MalformedRtcp);
        };
        for (packet, _) in compound.packets() {
            self.handle_rtcp_packet(now, packet);
        }
    }

    fn handle_rtcp_packet(&mut self, now: Timestamp, packet: RtcpPacket<'_>) {
        match packet {
            RtcpPacket::SenderReport(report) => {
                self.reports.note_sender_report(now, &report.info);
                if let Some(receiver) = self.receivers.get_mut(&report.info.ssrc) {
                    receiver.handle_sender_report(now, &report.info);
                }
                report.blocks.iter().for_each(|block| self.handle_block(now, &block));
            }
            RtcpPacket::ReceiverReport(report) => {
                report.blocks.iter().for_each(|block| self.handle_block(now, &block));
            }
            RtcpPacket::Nack(nack) => {
                let sender = self.videos.iter_mut().find(|v| v.has_ssrc(nack.media_ssrc));
                let copies = sender.map(|sender| {
                    sender.handle_nack(now, nack.media_ssrc, nack.sequence_numbers())
                });
                for copy in copies.into_iter().flatten() {
                    self.send_rtp(now, &copy);
                }
            }
            RtcpPacket::PictureLossIndication(pli) => self.request_key_frame(now, pli.media_ssrc),
            RtcpPacket::FullIntraRequest(fir) => {
                fir.entries().for_each(|entry: FirEntry| self.request_key_frame(now, entry.ssrc));
            }
            RtcpPacket::TransportFeedback(feedback) => {
                self.feedback_check.handle(now, &feedback, &mut self.violations);
            }
            _ => {}
        }
    }

    fn handle_block(&mut self, now: Timestamp, block: &ReportBlock) {
        let Some(measured) = round_trip(ntp(now, self.skew), block) else { return };
        self.round_trip = Some(measured);
        for receiver in self.receivers.values_mut() {
            receiver.set_round_trip(measured.max(MIN_ROUND_TRIP));
        }
    }

    fn request_key_frame(&mut self, now: Timestamp, ssrc: u32) {
        if let Some(video) = self.videos.iter_mut().find(|video| video.has_ssrc(ssrc)) {
            video.handle_key_frame_request(now);
        }
    }

    fn send_media(&mut self, now: Timestamp) {
        while let Some(packet) = self.audio.poll(now) {
            self.send_rtp(now, &packet);
        }
        for index in 0..self.videos.len() {
            while let Some(packet) = self.videos[index].poll(now) {
                self.send_rtp(now, &packet);
            }
        }
    }

    fn send_requests(&mut self, now: Timestamp) {
        if self.receivers_due > now {
            return;
        }
        let mut requests = Vec::new();
        for (ssrc, receiver) in &mut self.receivers {
            while let Some(request) = receiver.poll(now) {
                requests.push((*ssrc, request));
            }
        }
        let due = self.receivers.values().map(VideoReceiver::poll_timeout);
        self.receivers_due = due.fold(Timestamp::FAR_FUTURE, Timestamp::min);
        for (ssrc, request) in requests {
            let sender = self.audio.ssrc();
            self.send_rtcp(now, |writer| {
                let _full = match &request {
                    ReceiverRequest::Nack(numbers) => {
                        writer.nack(sender, ssrc, numbers.iter().copied())
                    }
                    ReceiverRequest::KeyFrame => writer.picture_loss_indication(sender, ssrc),
                };
            });
        }
    }

    fn send_reports(&mut self, now: Timestamp) {
        if now >= self.next_feedback && self.feedback.has_news() {
            self.next_feedback = now + FEEDBACK_INTERVAL;
            let ssrc = self.audio.ssrc();
            let mut feedback = std::mem::take(&mut self.feedback);
            self.send_rtcp(now, |writer| feedback.write(ssrc, writer));
            self.feedback = feedback;
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            let time = ntp(now, self.skew);
            let mut infos: Vec<SenderInfo> =
                self.videos.iter().flat_map(|video| video.sender_reports(now, time)).collect();
            infos.extend(self.audio.sender_report(now, time));
            let blocks = self.reports.blocks(now);
            for infos in infos.chunks(MAX_REPORTS) {
                self.send_rtcp(now, |writer| {
                    for info in infos {
                        let _full = writer.sender_report(info, &[]);
                    }
                });
            }
            let ssrc = self.audio.ssrc();
            for blocks in blocks.chunks(MAX_REPORT_BLOCKS) {
                self.send_rtcp(now, |writer| {
                    let _full = writer.receiver_report(ssrc, blocks);
                });
            }
        }
    }

    /// Sends the last RTP packet once more, as somebody on the way may.
    pub(crate) fn replay_last_rtp(&mut self, now: Timestamp) {
        self.depart(now, self.last_rtp.clone());
    }

    pub(crate) fn send_rtp(&mut self, now: Timestamp, packet: &OutgoingRtp) {
        let bytes = packet.to_bytes(self.feedback_check.next_number());
        let Some(srtp) = self.transport.srtp() else { return };
        let Ok(header) = RtpHeader::parse(&bytes) else { return };
        let (head, payload) = bytes.split_at(header.header_len());
        let mut sealed = vec![0; bytes.len() + SRTP_ROOM];
        let Ok(len) = srtp.sender.seal_rtp(head, payload, &mut sealed) else { return };
        sealed.truncate(len);
        self.last_rtp.clone_from(&sealed);
        let arrives = self.depart(now, sealed);
        self.feedback_check.note_sent(arrives);
    }

    fn send_rtcp(&mut self, now: Timestamp, write: impl FnOnce(&mut RtcpWriter<'_>)) {
        let mut buffer = [0; MAX_RTCP_BYTES];
        let mut writer = RtcpWriter::new(&mut buffer);
        write(&mut writer);
        if writer.is_empty() {
            return;
        }
        self.send_sealed_rtcp(now, writer.as_bytes().to_vec());
    }

    pub(crate) fn send_sealed_rtcp(&mut self, now: Timestamp, bytes: Vec<u8>) {
        let Some(srtp) = self.transport.srtp() else { return };
        let mut sealed = vec![0; bytes.len() + SRTP_ROOM];
        let Ok(len) = srtp.sender.seal_rtcp(&bytes, &mut sealed) else { return };
        sealed.truncate(len);
        self.depart(now, sealed);
    }

    /// Whether it will arrive.
    fn depart(&mut self, now: Timestamp, datagram: Vec<u8>) -> bool {
        match self.uplink.send(now, &datagram) {
            LinkOutcome::Arrives(at) => {
                self.departures.push((at, datagram));
                true
            }
            LinkOutcome::Overflowed | LinkOutcome::Lost => false,
        }
    }

    fn unexplained_gaps(
        &self,
        receiver: &VideoReceiver,
        lost_before: &impl Fn(&VideoSettings) -> u64,
    ) -> u64 {
        let mut lost: BTreeMap<u16, u64> = BTreeMap::new();
        for number in self.downlink.missing_rtp(receiver.ssrc()) {
            *lost.entry(number).or_default() += 1;
        }
        let mut unexplained = 0_u64;
        for number in receiver.unreceived() {
            match lost.get_mut(&number).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => unexplained += 1,
            }
        }
        // One number is left out after a frame that was not finished at a switch; VP9 keeps room for
        // the beginning of a key frame that was joined in its middle.
        let switches = receiver.counters().switches + receiver.pauses() + receiver.remaps();
        let is_vp9 = receiver.source().codec.payload_type() == SimulatedCodec::Vp9.payload_type();
        let deliberate = if is_vp9 { 17 } else { 1 };
        unexplained
            .saturating_sub(receiver.sources().map(lost_before).sum())
            .saturating_sub(switches * deliberate)
    }
}

const FEEDBACK_INTERVAL: Duration = Duration::from_millis(100);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The first report comes early, so that encodings can be compared soon.
const REPORT_DELAY: Duration = Duration::from_millis(100);
/// libwebrtc does not ask again for a packet faster than this.
const MIN_ROUND_TRIP: Duration = Duration::from_millis(10);
/// Tag and index.
const SRTP_ROOM: usize = 64;
const MAX_RTCP_BYTES: usize = 1_300;
/// Sender reports in one datagram.
const MAX_REPORTS: usize = 20;
