//! RTCP: what is ended here, what is passed on to whom, and what the bridge says itself
//! (JVB: `RtcpTermination`, `TccGeneratorNode`, `RtcpRrGenerator`).
//!
//! Sender reports go to the receivers as each of them needs them. Key-frame requests go to the
//! sender of the stream, wherever its session lives. NACKs are answered from what is kept. Receiver
//! reports, transport-wide feedback and REMB tell what the receiver's link takes, extended reports the
//! round trip; SDES and BYE end here.

use crate::control::SessionEventKind;
use crate::downlink::{Downlink, Outlet};
use crate::egress::EgressSink;
use crate::forwarding::count_refused;
use crate::inbox::{KeyframeRequest, MAX_HOPS, ShardMessage};
use crate::keyframe_requests::KeyframeUrgency;
use crate::packet_batch::{PlainKind, PlainPacket};
use crate::plain_header::HeaderSlots;
use crate::shard::Shard;
use crate::stored_packets::StoredPackets;
use bridge_cc::ReceiverEstimate;
use bridge_rtp::rtcp::{
    ExtendedBlock, ExtendedReport, FirEntry, MAX_COMPOUND_LEN, ReportBlock, SenderInfo,
};
use bridge_rtp::{RtcpCompound, RtcpPacket, RtcpWriter};
use bridge_units::{MediaType, SessionId, SourceId, Timestamp};

/// Sequence numbers of one NACK that are looked at: two full packets of pairs.
const MAX_NACKED: usize = 1_024;

/// A sender report without report blocks.
const SENDER_REPORT_LEN: usize = 28;

impl Shard {
    /// Opens an RTCP datagram of the session in `slot` and acts on it.
    pub(crate) fn handle_rtcp(
        &mut self,
        now: Timestamp,
        slot: usize,
        packet: &mut [u8],
        sink: &mut dyn EgressSink,
    ) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Some(srtp) = session.transport.srtp() else {
            self.counters.dropped_no_keys += 1;
            return;
        };
        let len = match srtp.receiver.open_rtcp(packet) {
            Ok(len) => len,
            Err(error) => return count_refused(error, &mut self.counters),
        };
        self.counters.rtcp_in += 1;
        let Ok(compound) = RtcpCompound::parse(packet.get(..len).unwrap_or_default()) else {
            self.counters.dropped_rtcp_malformed += 1;
            return;
        };
        self.note_activity(now, slot);
        for (packet, _) in compound.packets() {
            self.handle_rtcp_packet(now, slot, &packet, sink);
        }
        self.tell_news(slot);
        self.set_timer(now, slot, now);
    }

    fn handle_rtcp_packet(
        &mut self,
        now: Timestamp,
        slot: usize,
        packet: &RtcpPacket<'_>,
        sink: &mut dyn EgressSink,
    ) {
        match packet {
            RtcpPacket::SenderReport(report) => {
                self.forward_report(now, slot, &report.info);
                self.note_report_blocks(now, slot, || report.blocks.iter());
            }
            RtcpPacket::ReceiverReport(report) => {
                self.note_report_blocks(now, slot, || report.blocks.iter());
            }
            RtcpPacket::TransportFeedback(feedback) => {
                self.with_downlink(slot, sink, |downlink, stored, outlet| {
                    downlink.handle_transport_feedback(now, feedback, stored, outlet);
                });
            }
            RtcpPacket::ReceiverEstimatedMaxBitrate(estimate) => {
                if let Some(session) = self.sessions.get_mut(slot) {
                    session.downlink.handle_receiver_estimate(now, estimate.bitrate);
                }
            }
            RtcpPacket::Nack(nack) => {
                self.counters.nacks_in += 1;
                self.with_downlink(slot, sink, |downlink, stored, outlet| {
                    let numbers = nack.sequence_numbers().take(MAX_NACKED);
                    downlink.handle_nack(now, nack.media_ssrc, numbers, stored, outlet);
                });
            }
            RtcpPacket::PictureLossIndication(pli) => {
                self.route_keyframe_request(now, slot, pli.media_ssrc, sink);
            }
            RtcpPacket::FullIntraRequest(fir) => {
                for entry in fir.entries() {
                    self.route_keyframe_request(now, slot, entry.ssrc, sink);
                }
            }
            RtcpPacket::ExtendedReport(report) => self.note_extended_report(now, slot, report),
            _ => {}
        }
    }

    /// What tells a round trip (RFC 3611 sections 4.4 and 4.5), to the bridge or to the endpoint.
    fn note_extended_report(&mut self, now: Timestamp, slot: usize, report: &ExtendedReport<'_>) {
        let own = self.local_video_ssrc(slot);
        let Some(session) = self.sessions.get_mut(slot) else { return };
        for block in report.blocks() {
            match block {
                ExtendedBlock::ReferenceTime(ntp) => {
                    session.references.on_reference_time(now, report.sender_ssrc, ntp);
                    session.expect_report(now);
                }
                ExtendedBlock::Answers(answers) => {
                    for answer in answers.iter().filter(|answer| answer.ssrc == own) {
                        session.downlink.handle_reference_answer(now, &answer);
                    }
                }
                ExtendedBlock::Other { .. } => {}
            }
        }
    }

    fn note_report_blocks<I: Iterator<Item = ReportBlock>>(
        &mut self,
        now: Timestamp,
        slot: usize,
        blocks: impl Fn() -> I,
    ) {
        if let Some(session) = self.sessions.get_mut(slot) {
            session.downlink.handle_report_blocks(now, blocks);
        }
    }

    /// Runs `work` on what the session in `slot` gets, if there is a way to send.
    pub(crate) fn with_downlink(
        &mut self,
        slot: usize,
        sink: &mut dyn EgressSink,
        work: impl FnOnce(&mut Downlink, &StoredPackets, &mut Outlet<'_>),
    ) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Some(conference) = self.conferences.get(session.conference) else { return };
        let Some(path) = session.path.filter(|_| session.connected) else { return };
        let Some(srtp) = session.transport.srtp() else { return };
        let (egress, counters) = (&mut self.egress, &mut self.counters);
        let mut outlet = Outlet { path, srtp, egress, counters, sink };
        work(&mut session.downlink, &conference.stored, &mut outlet);
    }

    fn route_keyframe_request(
        &mut self,
        now: Timestamp,
        slot: usize,
        ssrc: u32,
        sink: &mut dyn EgressSink,
    ) {
        self.counters.keyframe_requests_in += 1;
        let Some(session) = self.sessions.get(slot) else { return };
        let known = session.downlink.keyframe_target(ssrc);
        let Some((sender, ssrc)) = known.or_else(|| self.signalled_source(slot, ssrc)) else {
            self.counters.dropped_unknown_ssrc += 1;
            return;
        };
        let request =
            KeyframeRequest { ssrc, requester: session.id, urgency: KeyframeUrgency::Repeated };
        self.request_keyframe(now, sender, request, 0, sink);
    }

    /// Who sends a video SSRC, and the first SSRC of its source, whether or not the session in `slot`
    /// was sent anything of it yet.
    fn signalled_source(&self, slot: usize, ssrc: u32) -> Option<(SessionId, u32)> {
        let session = self.sessions.get(slot).filter(|s| !s.downlink.rewrites_ssrcs())?;
        let conference = self.conferences.get(session.conference)?;
        let stream = conference.snapshot.as_deref()?.streams.get(&ssrc)?;
        let first = conference.source(stream.source)?.encodings.first()?;
        (stream.media == MediaType::Video).then_some((stream.owner, first.primary))
    }

    /// Asks `sender` for a key frame, here or, after `hops` shards, on another.
    pub(crate) fn request_keyframe(
        &mut self,
        now: Timestamp,
        sender: SessionId,
        request: KeyframeRequest,
        hops: u8,
        sink: &mut dyn EgressSink,
    ) {
        if let Some(slot) = self.slot(sender) {
            let requester = self.current.replace(sender);
            self.ask_for_keyframe(now, slot, request, sink);
            self.current = requester;
            return;
        }
        let shard = self.group.directory().shard_of(sender);
        let Some(inbox) = shard.and_then(|shard| self.group.inbox(shard)) else {
            self.counters.dropped_unknown_ssrc += 1;
            return;
        };
        let message = ShardMessage::KeyframeRequest { sender, request, hops: hops + 1 };
        if hops >= MAX_HOPS || inbox.message(message).is_err() {
            self.counters.dropped_shard_queue_full += 1;
        }
    }

    /// Asks for a key frame of a source for the conference's own sake.
    pub(crate) fn request_keyframe_of(
        &mut self,
        now: Timestamp,
        slot: usize,
        source: SourceId,
        sink: &mut dyn EgressSink,
    ) {
        let Some(session) = self.sessions.get(slot) else { return };
        let conference = self.conferences.get(session.conference);
        let description = conference.and_then(|conference| conference.source(source));
        let own = description.filter(|description| description.owner == session.id);
        let Some(first) = own.and_then(|description| description.encodings.first()) else { return };
        let request = KeyframeRequest {
            ssrc: first.primary,
            requester: session.id,
            urgency: KeyframeUrgency::Switch,
        };
        self.ask_for_keyframe(now, slot, request, sink);
    }

    fn ask_for_keyframe(
        &mut self,
        now: Timestamp,
        slot: usize,
        request: KeyframeRequest,
        sink: &mut dyn EgressSink,
    ) {
        let own = self.local_video_ssrc(slot);
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let ssrc = request.ssrc;
        let (pli, fir) = (session.payload_types.pli, session.payload_types.fir);
        let round_trip = session.downlink.round_trip();
        if !(pli || fir) || !session.keyframes.allow(now, &request, round_trip) {
            return;
        }
        self.counters.keyframe_requests_out += 1;
        let sequence_number = session.next_fir();
        self.send_rtcp(slot, sink, |writer| {
            let _ = if pli {
                writer.picture_loss_indication(own, ssrc)
            } else {
                writer.full_intra_request(own, &[FirEntry { ssrc, sequence_number }])
            };
        });
    }

    /// Puts a sender report into the batch, if it is of a signalled stream.
    fn forward_report(&mut self, now: Timestamp, slot: usize, info: &SenderInfo) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Some((source, _)) = session.reception.handle_sender_report(now, info) else { return };
        session.reports.on_sender_report(now, info);
        let conference = self.conferences.get(session.conference);
        let media = conference.and_then(|conference| conference.source(source)).map(|s| s.media);
        let Some(media) = media.filter(|_| !session.visitor) else { return };
        let plain = PlainPacket {
            conference: session.conference,
            sender: session.id,
            source,
            start: 0,
            header_len: 0,
            len: 0,
            slots: HeaderSlots::default(),
            kind: PlainKind::SenderReport { media },
        };
        let pushed = self.batch.push_with(SENDER_REPORT_LEN, plain, |out| {
            let mut writer = RtcpWriter::new(out);
            writer.sender_report(info, &[]).ok()?;
            Some((HeaderSlots::default(), 0, writer.len()))
        });
        if pushed.is_none() {
            self.counters.dropped_batch_full += 1;
        }
    }

    /// Asks the session's endpoint for what is missing, and tells the control plane what it sends.
    pub(crate) fn poll_reception(
        &mut self,
        now: Timestamp,
        slot: usize,
        sink: &mut dyn EgressSink,
    ) {
        let own = self.local_video_ssrc(slot);
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let round_trip = session.downlink.round_trip();
        if let Some((path, srtp)) = session.path.zip(session.transport.srtp()) {
            let (egress, counters) = (&mut self.egress, &mut self.counters);
            let mut outlet = Outlet { path, srtp, egress, counters, sink };
            session.reception.poll_nack(now, round_trip, |ssrc, numbers| {
                let mut buffer = [0; MAX_COMPOUND_LEN];
                let mut writer = RtcpWriter::new(&mut buffer);
                if writer.nack(own, ssrc, numbers).is_ok() {
                    outlet.counters.nacks_out += 1;
                    outlet.rtcp(writer.as_bytes());
                }
            });
        }
        while let Some((ssrc, requester)) = self
            .sessions
            .get_mut(slot)
            .and_then(|s| Some((s.reception.poll_keyframe_wish()?, s.id)))
        {
            self.ask_for_keyframe(
                now,
                slot,
                KeyframeRequest { ssrc, requester, urgency: KeyframeUrgency::Repeated },
                sink,
            );
        }
        while let Some((source, layers)) =
            self.sessions.get_mut(slot).and_then(|s| s.reception.poll_layers(now))
        {
            self.event(slot, SessionEventKind::SourceLayers(source, Box::new(layers)));
        }
    }

    /// Reports on everything that arrived since the last time (JVB: every 500 ms, only if something
    /// did).
    pub(crate) fn send_receiver_report(
        &mut self,
        now: Timestamp,
        slot: usize,
        sink: &mut dyn EgressSink,
    ) {
        let own = self.local_video_ssrc(slot);
        let Some(session) = self.sessions.get_mut(slot) else { return };
        // Whatever happens now, the timer does not stay due.
        session.next_report = Timestamp::FAR_FUTURE;
        let Some((path, srtp)) = session.path.zip(session.transport.srtp()) else { return };
        let (egress, counters) = (&mut self.egress, &mut self.counters);
        let mut outlet = Outlet { path, srtp, egress, counters, sink };
        let mut reported = false;
        let round_trip = session.downlink.round_trip();
        let estimate = session.uplink.as_mut().and_then(|uplink| {
            round_trip.into_iter().for_each(|time| uplink.on_rtt(time));
            let bitrate = uplink.estimate()?;
            Some(ReceiverEstimate { bitrate, ssrcs: uplink.ssrcs() })
        });
        session.reports.handle_timeout(now, own, estimate, |compound| {
            reported = true;
            outlet.rtcp(compound);
        });
        let ask = if reported { session.downlink.poll_reference_time(now) } else { None };
        if ask.is_some() || !session.references.is_empty() {
            session.references.answer(now, |answers| outlet.extended_report(own, ask, answers));
        }
        // Otherwise nothing arrived, and the next packet starts the timer again.
        if reported {
            session.next_report = session.reports.poll_timeout();
        }
    }

    /// Sends the transport-wide feedback that has become due.
    pub(crate) fn send_transport_feedback(
        &mut self,
        now: Timestamp,
        slot: usize,
        sink: &mut dyn EgressSink,
    ) {
        let own = self.local_video_ssrc(slot);
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Some((path, srtp)) = session.path.zip(session.transport.srtp()) else { return };
        let Some(feedback) = &mut session.feedback else { return };
        let (egress, counters) = (&mut self.egress, &mut self.counters);
        let mut outlet = Outlet { path, srtp, egress, counters, sink };
        feedback.write_feedback(now, own, |packet| {
            outlet.counters.transport_feedback_out += 1;
            outlet.rtcp(packet);
        });
    }

    /// Seals what `write` makes and sends it to the session's peer.
    fn send_rtcp(
        &mut self,
        slot: usize,
        sink: &mut dyn EgressSink,
        write: impl FnOnce(&mut RtcpWriter<'_>),
    ) {
        let mut buffer = [0; MAX_COMPOUND_LEN];
        let mut writer = RtcpWriter::new(&mut buffer);
        write(&mut writer);
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Some((path, srtp)) = session.path.zip(session.transport.srtp()) else { return };
        let (egress, counters) = (&mut self.egress, &mut self.counters);
        let mut outlet = Outlet { path, srtp, egress, counters, sink };
        if !writer.is_empty() {
            outlet.rtcp(writer.as_bytes());
        }
    }

    fn local_video_ssrc(&self, slot: usize) -> u32 {
        self.sessions
            .get(slot)
            .and_then(|session| self.conferences.get(session.conference))
            .and_then(|conference| conference.snapshot.as_deref())
            .map_or(0, |snapshot| snapshot.local_video_ssrc)
    }
}
