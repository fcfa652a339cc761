//! The receiving side of one endpoint: its transport, and what it gets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use bridge_cc::{ReceiverReports, TransportFeedbackGenerator};
use bridge_io::UdpSocket as BatchSocket;
use bridge_rtp::rtcp::MAX_COMPOUND_LEN;
use bridge_rtp::{
    PacketKind, RtcpCompound, RtcpPacket, RtcpWriter, RtpHeader, transport_cc_sequence,
};
use bridge_srtp::{KeyingMaterial, SrtpSender};
use bridge_transport::{MIN_BUFFER_LEN, PeerTransport, TransportEvent};
use bridge_units::Timestamp;

use crate::command::{Durations, SenderCommand, SendingEndpoint};
use crate::destination::Destination;
use crate::media_stream::{AUDIO_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE, TRANSPORT_CC_ID, stamp_offset};
use crate::payload::Stamp;
use crate::reception::{Hole, Reception, ReceptionCounts, Wrong};
use crate::scenario::{EndpointPlan, Place, Speakers};
use crate::stream_id::{StreamId, StreamKind};

/// One endpoint.
pub(crate) struct Endpoint {
    pub(crate) plan: EndpointPlan,
    pub(crate) input: BatchSocket,
    /// Until when the thread's timers have an entry.
    pub(crate) scheduled: Timestamp,
    pub(crate) state: State,
    output: Arc<UdpSocket>,
    local: SocketAddr,
    destination: Destination,
    transport: PeerTransport,
    requested: Timestamp,
    speakers: Speakers,
    reception: Reception,
    reports: ReceiverReports,
    feedback: TransportFeedbackGenerator,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Connecting,
    Connected,
    Failed,
}

/// What an endpoint is made of.
pub(crate) struct EndpointParts {
    pub(crate) plan: EndpointPlan,
    pub(crate) socket: UdpSocket,
    pub(crate) local: SocketAddr,
    pub(crate) destination: Destination,
    pub(crate) transport: PeerTransport,
    /// When the bridge was asked for it.
    pub(crate) requested: Timestamp,
    /// Whose sound is never silence.
    pub(crate) speakers: Speakers,
}

/// The books of the thread that an endpoint runs on.
pub(crate) struct Books {
    pub(crate) counts: ReceptionCounts,
    pub(crate) durations: Durations,
    pub(crate) to_sender: SyncSender<SenderCommand>,
}

impl Endpoint {
    pub(crate) fn new(now: Timestamp, parts: EndpointParts) -> std::io::Result<Self> {
        Ok(Self {
            plan: parts.plan,
            input: BatchSocket::plain(parts.socket.try_clone()?)?,
            scheduled: Timestamp::FAR_FUTURE,
            state: State::Connecting,
            output: Arc::new(parts.socket),
            local: parts.local,
            destination: parts.destination,
            transport: parts.transport,
            requested: parts.requested,
            speakers: parts.speakers,
            reception: Reception::default(),
            reports: ReceiverReports::new(now),
            feedback: TransportFeedbackGenerator::new(),
        })
    }

    /// Takes a datagram; whether the transport moved, so that it has to be polled.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        datagram: &mut [u8],
        books: &mut Books,
    ) -> bool {
        match PacketKind::classify(datagram) {
            PacketKind::Rtp => self.handle_rtp(now, datagram, books),
            PacketKind::Rtcp => self.handle_rtcp(now, datagram, books),
            PacketKind::Stun => {
                // A refused one is the transport's matter, not media.
                let _ = self.transport.handle_stun(now, self.local, from, datagram);
                return true;
            }
            PacketKind::Dtls => {
                let _ = self.transport.handle_dtls(now, from, datagram);
                return true;
            }
            _ => books.counts.wrong.count(Wrong::Malformed),
        }
        false
    }

    /// Does what has become due.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp, books: &mut Books) {
        if self.transport.poll_timeout() <= now {
            self.transport.handle_timeout(now);
        }
        if self.state == State::Connected && self.reports.poll_timeout() <= now {
            let own = self.own_ssrc();
            let mut compounds = Vec::new();
            self.reports.handle_timeout(now, own, None, |compound| {
                compounds.push(compound.to_vec());
            });
            self.send_rtcp(compounds, books);
        }
    }

    /// Hands out what the transport has.
    pub(crate) fn advance(&mut self, now: Timestamp, books: &mut Books) {
        let mut buffer = [0; MIN_BUFFER_LEN];
        loop {
            while let Some(transmit) = self.transport.poll_transmit(&mut buffer) {
                let datagram = buffer.get(..transmit.len).unwrap_or_default();
                if self.destination.is_allowed(transmit.remote.ip()) {
                    // What the kernel does not take is repeated by whoever waits for an answer.
                    let _ = self.output.send_to(datagram, transmit.remote);
                }
            }
            let Some(event) = self.transport.poll_event() else { return };
            match event {
                TransportEvent::DtlsConnected { .. } => self.connected(now, books),
                TransportEvent::IceFailed | TransportEvent::DtlsFailed(_) => self.fail(books),
                _ => {}
            }
        }
    }

    /// When to be called next.
    pub(crate) fn deadline(&mut self) -> Timestamp {
        let reports = match self.state {
            State::Connected => self.reports.poll_timeout(),
            _ => Timestamp::FAR_FUTURE,
        };
        self.transport.poll_timeout().min(reports)
    }

    /// Tells the bridge that it leaves.
    pub(crate) fn close(&mut self, now: Timestamp, books: &mut Books) {
        self.transport.close(now);
        self.advance(now, books);
    }

    /// Whether it is connected and got no media.
    pub(crate) fn is_silent(&self) -> bool {
        self.state == State::Connected && self.reception.is_empty()
    }

    fn connected(&mut self, now: Timestamp, books: &mut Books) {
        self.state = State::Connected;
        self.reports = ReceiverReports::new(now);
        books.durations.join.record(now.since(self.requested));
        let Some((_, remote)) = self.transport.selected() else { return };
        if self.plan.streams.is_empty() {
            return;
        }
        let Some(contexts) = self.transport.srtp() else { return };
        // RTP and RTCP of one endpoint are sealed by one context, on the thread that sends.
        let unused = unused_sender(contexts.sender.profile());
        let srtp = std::mem::replace(&mut contexts.sender, unused);
        let sending = SendingEndpoint {
            number: self.plan.number,
            socket: Arc::clone(&self.output),
            remote,
            srtp,
            streams: self.plan.streams.clone(),
        };
        // Fails only when the run ends.
        let _ = books.to_sender.send(SenderCommand::Add(Box::new(sending)));
    }

    fn fail(&mut self, books: &mut Books) {
        if self.state == State::Connecting {
            self.state = State::Failed;
            books.counts.wrong.count(Wrong::NotConnected);
        }
    }

    fn handle_rtp(&mut self, now: Timestamp, packet: &mut [u8], books: &mut Books) {
        let Ok(header) = RtpHeader::parse(packet) else {
            books.counts.wrong.count(Wrong::Malformed);
            return;
        };
        self.note_transport_sequence(now, &header, packet, books);
        let Some(stream) = StreamId::of_ssrc(header.ssrc) else {
            books.counts.wrong.count(Wrong::UnknownStream);
            return;
        };
        if header.payload_type == RTX_PAYLOAD_TYPE {
            return self.handle_retransmission(&header, packet, stream, books);
        }
        if stream.endpoint == self.plan.number {
            books.counts.wrong.count(Wrong::Echo);
            return;
        }
        if self.reception.is_empty() {
            books.durations.first_media.record(now.since(self.requested));
        }
        let is_audio = header.payload_type == AUDIO_PAYLOAD_TYPE;
        self.reports.on_packet(now, &header, if is_audio { 48_000 } else { 90_000 });
        books.counts.packets += 1;
        books.counts.bytes += packet.len() as u64;
        let may_be_silence =
            stream.kind == StreamKind::Audio && !self.speakers.include(stream.endpoint);
        let sequence = header.sequence_number;
        let hole = self.reception.note(header.ssrc, sequence, may_be_silence, &mut books.counts);
        if let Some(hole) = hole.filter(|_| !is_audio) {
            self.ask_again(header.ssrc, hole, books);
        }
        if self.plan.sampled {
            self.open_and_compare(now, &header, packet, stream, books);
        }
    }

    fn open_and_compare(
        &mut self,
        now: Timestamp,
        header: &RtpHeader,
        packet: &mut [u8],
        stream: StreamId,
        books: &mut Books,
    ) {
        let Some(srtp) = self.transport.srtp() else { return };
        let Ok(len) = srtp.receiver.open_rtp(packet, header.header_len()) else {
            books.counts.wrong.count(Wrong::Unauthenticated);
            return;
        };
        books.counts.opened += 1;
        let payload = header.payload(packet.get(..len).unwrap_or_default());
        let stamped = payload.get(stamp_offset(header.payload_type)..).unwrap_or_default();
        let stamp = Stamp::read(stamped);
        // A bridge may forward another encoding under the SSRC of the first, but of nobody else.
        let is_right = stamp
            .and_then(|stamp| StreamId::of_ssrc(stamp.ssrc))
            .is_some_and(|from| from.endpoint == stream.endpoint);
        let Some(stamp) = stamp.filter(|_| is_right) else {
            books.counts.wrong.count(Wrong::Payload);
            return;
        };
        let delay = now.since(stamp.sent);
        books.durations.any.record(delay);
        match self.plan.place {
            Place::First => books.durations.first.record(delay),
            Place::Last => books.durations.last.record(delay),
            Place::Between => {}
        }
    }

    /// Opened by everybody: which packet it is, is encrypted.
    fn handle_retransmission(
        &mut self,
        header: &RtpHeader,
        packet: &mut [u8],
        stream: StreamId,
        books: &mut Books,
    ) {
        books.counts.retransmissions += 1;
        let (Some(srtp), StreamKind::Rtx(encoding)) = (self.transport.srtp(), stream.kind) else {
            books.counts.wrong.count(Wrong::UnknownStream);
            return;
        };
        let Ok(len) = srtp.receiver.open_rtp(packet, header.header_len()) else {
            books.counts.wrong.count(Wrong::Unauthenticated);
            return;
        };
        let payload = header.payload(packet.get(..len).unwrap_or_default());
        // A bridge that probes for bandwidth sends padding in this format.
        let Some((sequence, payload)) = payload.split_first_chunk() else { return };
        let stamped = payload.get(stamp_offset(header.payload_type)..).unwrap_or_default();
        let from = Stamp::read(stamped).and_then(|stamp| StreamId::of_ssrc(stamp.ssrc));
        if from.is_none_or(|from| from.endpoint != stream.endpoint) {
            books.counts.wrong.count(Wrong::Payload);
            return;
        }
        let original = StreamId { kind: StreamKind::Video(encoding), ..stream };
        let sequence = u16::from_be_bytes(*sequence);
        self.reception.recover(original.ssrc(), sequence, &mut books.counts);
    }

    /// Asks once for what is missing, as soon as a later packet shows it.
    fn ask_again(&mut self, ssrc: u32, hole: Hole, books: &Books) {
        let mut buffer = [0; MAX_COMPOUND_LEN];
        let mut writer = RtcpWriter::new(&mut buffer);
        let count = hole.count.min(MAX_ASKED_AGAIN);
        let missing = (0..count).map(|offset| hole.first.wrapping_add(offset));
        // Few enough to fit.
        let _ = writer.nack(self.own_ssrc(), ssrc, missing);
        let compound = writer.as_bytes().to_vec();
        self.send_rtcp(vec![compound], books);
    }

    fn note_transport_sequence(
        &mut self,
        now: Timestamp,
        header: &RtpHeader,
        packet: &[u8],
        books: &Books,
    ) {
        let sequence =
            header.extension_data(packet, TRANSPORT_CC_ID).and_then(transport_cc_sequence);
        let Some(sequence) = sequence else { return };
        if self.feedback.on_packet(now, sequence, header.marker, header.ssrc) {
            let own = self.own_ssrc();
            let mut packets = Vec::new();
            self.feedback.write_feedback(now, own, |packet| packets.push(packet.to_vec()));
            self.send_rtcp(packets, books);
        }
    }

    /// Requests for key frames are for the thread that sends; all else is the bridge's report.
    fn handle_rtcp(&mut self, now: Timestamp, packet: &mut [u8], books: &mut Books) {
        if !self.plan.sampled && self.plan.streams.is_empty() {
            return;
        }
        let Some(srtp) = self.transport.srtp() else { return };
        let Ok(len) = srtp.receiver.open_rtcp(packet) else {
            books.counts.wrong.count(Wrong::Unauthenticated);
            return;
        };
        let Ok(compound) = RtcpCompound::parse(packet.get(..len).unwrap_or_default()) else {
            books.counts.wrong.count(Wrong::Malformed);
            return;
        };
        for (packet, _) in compound.packets() {
            match packet {
                RtcpPacket::SenderReport(report) => {
                    self.reports.on_sender_report(now, &report.info)
                }
                RtcpPacket::Nack(nack) => {
                    let sequences = nack.sequence_numbers().take(MAX_SENT_AGAIN).collect();
                    let again = SenderCommand::Nack { ssrc: nack.media_ssrc, sequences };
                    // Whoever misses them is without them then.
                    let _ = books.to_sender.try_send(again);
                }
                RtcpPacket::PictureLossIndication(pli) => want_key_frame(pli.media_ssrc, books),
                RtcpPacket::FullIntraRequest(fir) => {
                    fir.entries().for_each(|entry| want_key_frame(entry.ssrc, books));
                }
                _ => {}
            }
        }
    }

    fn send_rtcp(&mut self, compounds: Vec<Vec<u8>>, books: &Books) {
        let Some((_, remote)) = self.transport.selected() else { return };
        for compound in compounds {
            if !self.plan.streams.is_empty() {
                let endpoint = self.plan.number;
                // A report that finds no room is as good as lost on the way.
                let _ = books.to_sender.try_send(SenderCommand::Rtcp { endpoint, compound });
                continue;
            }
            let mut sealed = [0; MAX_SEALED_LEN];
            let Some(srtp) = self.transport.srtp() else { return };
            if let Ok(len) = srtp.sender.seal_rtcp(&compound, &mut sealed)
                && self.destination.is_allowed(remote.ip())
            {
                let _ = self.output.send_to(sealed.get(..len).unwrap_or_default(), remote);
            }
        }
    }

    fn own_ssrc(&self) -> u32 {
        StreamId { endpoint: self.plan.number, kind: StreamKind::Audio }.ssrc()
    }
}

fn want_key_frame(ssrc: u32, books: &Books) {
    // Whoever waits for the key frame asks again.
    let _ = books.to_sender.try_send(SenderCommand::KeyFrame(ssrc));
}

/// Takes the place of a context that was given away; nothing is ever sealed with it.
fn unused_sender(profile: bridge_srtp::Profile) -> SrtpSender {
    let zeros = vec![0; profile.exporter_len()];
    let keying = KeyingMaterial::from_exporter(profile, &zeros, bridge_srtp::DtlsRole::Client);
    SrtpSender::new(&keying.expect("the length is the profile's"))
}

/// Packets of one hole that are asked for: what is kept of a stream's past.
const MAX_ASKED_AGAIN: u16 = 64;
/// Packets that are sent again for one request.
const MAX_SENT_AGAIN: usize = 512;
const MAX_SEALED_LEN: usize = MAX_COMPOUND_LEN + bridge_srtp::MAX_RTCP_OVERHEAD;
