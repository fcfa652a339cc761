//! RTCP: what is ended here, what is passed on to whom, and what the bridge says itself
//! (JVB: `RtcpTermination`, `TccGeneratorNode`, `RtcpRrGenerator`).
//!
//! Sender reports go to the receivers without their report blocks. NACK and key-frame requests go
//! to the sender of the stream, wherever its session lives. Receiver reports, transport-wide
//! feedback, REMB, SDES and BYE end here.

use crate::control::StreamDescription;
use crate::egress::{Egress, EgressSink, LocalIndex};
use crate::forwarding::{count_refused, encoding, owned_stream};
use crate::inbox::{Feedback, MAX_HOPS, ShardMessage};
use crate::packet_batch::{PlainKind, PlainPacket};
use crate::shard::Shard;
use bridge_metrics::ShardCounters;
use bridge_rtp::rtcp::{FirEntry, MAX_COMPOUND_LEN, SenderInfo};
use bridge_rtp::{RtcpCompound, RtcpPacket, RtcpWriter};
use bridge_transport::SrtpContexts;
use bridge_units::{SessionId, Timestamp};
use std::net::SocketAddr;

/// Sequence numbers of one NACK that are passed on: two full packets of pairs.
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
    }

    fn handle_rtcp_packet(
        &mut self,
        now: Timestamp,
        slot: usize,
        packet: &RtcpPacket<'_>,
        sink: &mut dyn EgressSink,
    ) {
        match packet {
            RtcpPacket::SenderReport(report) => self.forward_report(now, slot, &report.info),
            RtcpPacket::Nack(nack) => {
                self.counters.nacks_in += 1;
                let numbers = nack.sequence_numbers().take(MAX_NACKED).collect();
                let feedback = Feedback::Nack { ssrc: nack.media_ssrc, sequence_numbers: numbers };
                self.route(now, slot, nack.media_ssrc, feedback, sink);
            }
            RtcpPacket::PictureLossIndication(pli) => {
                self.route_keyframe_request(now, slot, pli.media_ssrc, sink);
            }
            RtcpPacket::FullIntraRequest(fir) => {
                for entry in fir.entries() {
                    self.route_keyframe_request(now, slot, entry.ssrc, sink);
                }
            }
            _ => {}
        }
    }

    fn route_keyframe_request(
        &mut self,
        now: Timestamp,
        slot: usize,
        ssrc: u32,
        sink: &mut dyn EgressSink,
    ) {
        self.counters.keyframe_requests_in += 1;
        let Some(requester) = self.sessions.get(slot).map(|session| session.id) else { return };
        self.route(now, slot, ssrc, Feedback::Keyframe { ssrc, requester }, sink);
    }

    /// Sends feedback about `ssrc` to the session that owns it, here or on another shard.
    fn route(
        &mut self,
        now: Timestamp,
        slot: usize,
        ssrc: u32,
        feedback: Feedback,
        sink: &mut dyn EgressSink,
    ) {
        let Some(stream) = self.stream(slot, ssrc) else {
            self.counters.dropped_unknown_ssrc += 1;
            return;
        };
        self.feedback_to(now, stream.owner, feedback, 0, sink);
    }

    /// Gives feedback to the session that it is for, here or, after `hops` shards, on another.
    pub(crate) fn feedback_to(
        &mut self,
        now: Timestamp,
        to: SessionId,
        feedback: Feedback,
        hops: u8,
        sink: &mut dyn EgressSink,
    ) {
        if let Some(slot) = self.slot(to) {
            let requester = self.current.replace(to);
            self.ask_sender(now, slot, feedback, sink);
            self.current = requester;
            return;
        }
        let shard = self.group.directory().shard_of(to);
        let Some(inbox) = shard.and_then(|shard| self.group.inbox(shard)) else {
            self.counters.dropped_unknown_ssrc += 1;
            return;
        };
        let message = ShardMessage::Feedback { to, feedback, hops: hops + 1 };
        if hops >= MAX_HOPS || inbox.message(message).is_err() {
            self.counters.dropped_shard_queue_full += 1;
        }
    }

    fn stream(&self, slot: usize, ssrc: u32) -> Option<StreamDescription> {
        let conference = self.sessions.get(slot)?.conference;
        let snapshot = self.conferences.get(conference)?.snapshot.as_deref()?;
        snapshot.streams.get(&ssrc).copied()
    }

    /// Asks the sender in `slot` for what a receiver wants.
    fn ask_sender(
        &mut self,
        now: Timestamp,
        slot: usize,
        feedback: Feedback,
        sink: &mut dyn EgressSink,
    ) {
        let own = self.local_video_ssrc(slot);
        match feedback {
            Feedback::Nack { ssrc, sequence_numbers } => {
                self.counters.nacks_out += 1;
                self.send_rtcp(slot, sink, |writer| {
                    let _ = writer.nack(own, ssrc, sequence_numbers.iter().copied());
                });
            }
            Feedback::Keyframe { ssrc, requester } => {
                let Some(session) = self.sessions.get_mut(slot) else { return };
                let (pli, fir) = (session.payload_types.pli, session.payload_types.fir);
                if !(pli || fir) || !session.keyframes.allow(now, requester, ssrc) {
                    return;
                }
                self.counters.keyframe_requests_out += 1;
                let sequence_number = (self.counters.keyframe_requests_out & 0xff) as u8;
                self.send_rtcp(slot, sink, |writer| {
                    let _ = if pli {
                        writer.picture_loss_indication(own, ssrc)
                    } else {
                        writer.full_intra_request(own, &[FirEntry { ssrc, sequence_number }])
                    };
                });
            }
        }
    }

    /// Puts a sender report into the batch, if it is of a stream that is forwarded.
    fn forward_report(&mut self, now: Timestamp, slot: usize, info: &SenderInfo) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let stream = self
            .conferences
            .get(session.conference)
            .and_then(|conference| conference.snapshot.as_deref())
            .and_then(|snapshot| owned_stream(snapshot, info.ssrc, session));
        if stream.is_some() {
            session.reports.on_sender_report(now, info);
        }
        if session.visitor || stream.is_none_or(|stream| encoding(stream.role) != 0) {
            return;
        }
        let plain = PlainPacket {
            conference: session.conference,
            sender: session.id,
            start: 0,
            header_len: 0,
            len: 0,
            kind: PlainKind::Rtcp,
        };
        let pushed = self.batch.push_with(SENDER_REPORT_LEN, plain, |out| {
            let mut writer = RtcpWriter::new(out);
            writer.sender_report(info, &[]).ok()?;
            Some((0, writer.len()))
        });
        if pushed.is_none() {
            self.counters.dropped_batch_full += 1;
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
        let mut reported = false;
        session.reports.handle_timeout(now, own, None, |compound| {
            reported = true;
            send(compound, path, srtp, &mut self.egress, &mut self.counters, sink);
        });
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
        feedback.write_feedback(now, own, |packet| {
            self.counters.transport_feedback_out += 1;
            send(packet, path, srtp, &mut self.egress, &mut self.counters, sink);
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
        if !writer.is_empty() {
            send(writer.as_bytes(), path, srtp, &mut self.egress, &mut self.counters, sink);
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

/// Seals an RTCP packet of the bridge's own for the peer at `path`.
fn send(
    packet: &[u8],
    (local, remote): (LocalIndex, SocketAddr),
    srtp: &mut SrtpContexts,
    egress: &mut Egress,
    counters: &mut ShardCounters,
    sink: &mut dyn EgressSink,
) {
    match srtp.sender.seal_rtcp(packet, egress.room(sink)) {
        Ok(len) => {
            counters.rtcp_out += 1;
            egress.commit(local, remote, len);
        }
        Err(_) => counters.dropped_seal_failed += 1,
    }
}
