//! The packet path: an RTP packet is opened and parsed once, then sealed for each receiver.

use crate::conference::LocalConference;
use crate::control::{ConferenceSnapshot, StreamDescription, StreamRole};
use crate::egress::{Egress, EgressSink, LocalIndex};
use crate::inbox::BATCH_QUEUE_LIMIT;
use crate::packet_batch::{PacketBatch, PlainKind, PlainPacket};
use crate::payload_types::PayloadKind;
use crate::session::Session;
use crate::shard::Shard;
use bridge_metrics::ShardCounters;
use bridge_rtp::{RtpHeader, transport_cc_sequence, write_header};
use bridge_srtp::OpenError;
use bridge_units::{MediaType, Timestamp};
use std::net::SocketAddr;

/// What a stripped header may grow by: two-byte elements where one-byte ones were, and padding.
const HEADER_GROWTH: usize = 64;

impl Shard {
    /// Opens an RTP packet of the session in `slot` and puts it into the batch.
    pub(crate) fn handle_rtp(
        &mut self,
        now: Timestamp,
        slot: usize,
        packet: &mut [u8],
        sink: &mut dyn EgressSink,
    ) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Ok(header) = RtpHeader::parse(packet) else {
            self.counters.dropped_rtp_malformed += 1;
            return;
        };
        let Some(kind) = session.payload_types.kind(header.payload_type) else {
            self.counters.dropped_unknown_payload_type += 1;
            return;
        };
        let Some(len) = open(session, &header, packet, &mut self.counters) else { return };
        let packet = packet.get(..len).unwrap_or_default();
        self.counters.rtp_in += 1;
        let feedback_due = note_received(session, now, &header, kind, packet);
        if session.next_report == Timestamp::FAR_FUTURE && session.path.is_some() {
            session.next_report = session.reports.poll_timeout().max(now);
            self.set_timer(slot, now);
        }
        if feedback_due {
            self.send_transport_feedback(now, slot, sink);
        }
        self.note_activity(now, slot);
        if self.wants(slot, &header, kind) {
            self.collect(slot, &header, packet, sink);
        }
    }

    /// Whether anybody may get the packet; counts why not.
    fn wants(&mut self, slot: usize, header: &RtpHeader, kind: PayloadKind) -> bool {
        let Some(session) = self.sessions.get(slot) else { return false };
        let muted = match kind.media {
            MediaType::Audio => session.mute_audio,
            MediaType::Video => session.mute_video,
        };
        if session.visitor || muted {
            self.counters.dropped_muted += 1;
            return false;
        }
        let stream = self
            .conferences
            .get(session.conference)
            .and_then(|conference| conference.snapshot.as_deref())
            .and_then(|snapshot| owned_stream(snapshot, header.ssrc, session));
        match stream.map(|stream| encoding(stream.role)) {
            Some(0) => true,
            // Until layers are selected, receivers get the first encoding of a simulcast sender.
            Some(_) => {
                self.counters.dropped_not_selected += 1;
                false
            }
            None => {
                self.counters.dropped_unknown_ssrc += 1;
                false
            }
        }
    }

    fn collect(
        &mut self,
        slot: usize,
        header: &RtpHeader,
        packet: &[u8],
        sink: &mut dyn EgressSink,
    ) {
        let Some(session) = self.sessions.get(slot) else { return };
        let keep = session.extension_ids.forwarded(true);
        let plain = PlainPacket {
            conference: session.conference,
            sender: session.id,
            start: 0,
            header_len: 0,
            len: 0,
            kind: PlainKind::Rtp { payload_type: header.payload_type },
        };
        let payload = header.payload_with_padding(packet);
        let max_len = packet.len() + HEADER_GROWTH;
        let write = |out: &mut [u8]| {
            let written = write_header(packet, header, &keep, &[], out).ok()?;
            let end = written.header_len() + payload.len();
            out.get_mut(written.header_len()..end)?.copy_from_slice(payload);
            Some((written.header_len(), end))
        };
        if self.batch.is_full(max_len) {
            self.distribute_own(sink);
        }
        if self.batch.push_with(max_len, plain, write).is_none() {
            self.counters.dropped_batch_full += 1;
        }
    }

    /// Distributes the shard's own batch here and publishes it to the other shards concerned.
    pub(crate) fn distribute_own(&mut self, sink: &mut dyn EgressSink) {
        if self.batch.is_empty() {
            return;
        }
        self.batch.round = self.publication.next_round();
        let batch = std::mem::replace(&mut self.batch, self.publication.spare());
        self.publish(&batch);
        self.distribute(&batch, sink);
        let spare = std::mem::replace(&mut self.batch, batch);
        self.batch.clear();
        self.publication.keep(spare);
    }

    /// Distributes all that other shards have published here so far.
    pub(crate) fn distribute_waiting(&mut self, sink: &mut dyn EgressSink) {
        for _ in 0..BATCH_QUEUE_LIMIT {
            let Some(batch) = self.inbox().pop_batch() else { return };
            self.distribute_published(&batch, sink);
            self.recycle(batch);
        }
    }

    /// Distributes another shard's batch to the receivers on this one.
    pub(crate) fn distribute_published(&mut self, batch: &PacketBatch, sink: &mut dyn EgressSink) {
        self.counters.packets_from_shards += batch.packets().len() as u64;
        self.distribute(batch, sink);
    }

    /// Receiver by receiver, so that what goes to one destination is contiguous in the arena.
    fn distribute(&mut self, batch: &PacketBatch, sink: &mut dyn EgressSink) {
        self.publication.note_round(batch);
        let touched = self.conferences.assign(batch);
        let current = self.current;
        for conference in &touched {
            let Some(conference) = self.conferences.get(*conference) else { continue };
            for slot in &conference.members {
                let Some(session) = self.sessions.get_mut(*slot) else { continue };
                if session.has_got(batch.origin, batch.round) {
                    continue;
                }
                self.current = Some(session.id);
                seal_for(session, conference, batch, &mut self.egress, &mut self.counters, sink);
            }
        }
        self.conferences.finish(touched);
        self.current = current;
    }
}

/// Seals what the conference got in this batch for one receiver.
fn seal_for(
    session: &mut Session,
    conference: &LocalConference,
    batch: &PacketBatch,
    egress: &mut Egress,
    counters: &mut ShardCounters,
    sink: &mut dyn EgressSink,
) {
    let Some(path) = session.path.filter(|_| session.connected) else { return };
    let id = session.id;
    let types = &session.payload_types;
    let Some(srtp) = session.transport.srtp() else { return };
    for index in &conference.pending {
        let Some(packet) = batch.packets().get(usize::from(*index)) else { continue };
        if packet.sender == id {
            continue;
        }
        let sealed = match packet.kind {
            PlainKind::Rtp { payload_type } if types.kind(payload_type).is_none() => continue,
            PlainKind::Rtp { .. } => {
                let (header, payload) = batch.split(packet);
                srtp.sender.seal_rtp(header, payload, egress.room(sink))
            }
            PlainKind::Rtcp => srtp.sender.seal_rtcp(batch.bytes(packet), egress.room(sink)),
        };
        commit(sealed, packet.kind, path, egress, counters);
    }
}

fn commit<E>(
    sealed: Result<usize, E>,
    kind: PlainKind,
    (local, remote): (LocalIndex, SocketAddr),
    egress: &mut Egress,
    counters: &mut ShardCounters,
) {
    let Ok(len) = sealed else {
        counters.dropped_seal_failed += 1;
        return;
    };
    egress.commit(local, remote, len);
    match kind {
        PlainKind::Rtp { .. } => counters.rtp_out += 1,
        PlainKind::Rtcp => counters.rtcp_out += 1,
    }
}

/// Opens the packet in place; its plain length.
fn open(
    session: &mut Session,
    header: &RtpHeader,
    packet: &mut [u8],
    counters: &mut ShardCounters,
) -> Option<usize> {
    let Some(srtp) = session.transport.srtp() else {
        counters.dropped_no_keys += 1;
        return None;
    };
    match srtp.receiver.open_rtp(packet, header.header_len()) {
        Ok(len) => Some(len),
        Err(error) => {
            count_refused(error, counters);
            None
        }
    }
}

pub(crate) fn count_refused(error: OpenError, counters: &mut ShardCounters) {
    match error {
        OpenError::Replayed => counters.dropped_replayed += 1,
        _ => counters.dropped_unauthenticated += 1,
    }
}

/// Keeps the books of reception; whether transport-wide feedback is due.
fn note_received(
    session: &mut Session,
    now: Timestamp,
    header: &RtpHeader,
    kind: PayloadKind,
    packet: &[u8],
) -> bool {
    if !kind.rtx {
        session.reports.on_packet(now, header, kind.clock_rate);
    }
    let Some(feedback) = &mut session.feedback else { return false };
    let sequence = session
        .extension_ids
        .transport_cc
        .and_then(|id| header.extension_data(packet, id))
        .and_then(transport_cc_sequence);
    sequence.is_some_and(|seq| feedback.on_packet(now, seq, header.marker, header.ssrc))
}

pub(crate) fn owned_stream(
    snapshot: &ConferenceSnapshot,
    ssrc: u32,
    session: &Session,
) -> Option<StreamDescription> {
    snapshot.streams.get(&ssrc).filter(|stream| stream.owner == session.id).copied()
}

pub(crate) fn encoding(role: StreamRole) -> u8 {
    match role {
        StreamRole::Primary { encoding }
        | StreamRole::Rtx { encoding, .. }
        | StreamRole::Fec { encoding, .. } => encoding,
    }
}
