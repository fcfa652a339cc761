//! A batch on its way to the receivers of its conferences on this shard.

use crate::conference::LocalConference;
use crate::control::{SessionEventKind, SourceMapping};
use crate::downlink::{DownlinkNews, KeepOnce, Outlet};
use crate::egress::{Egress, EgressSink};
use crate::inbox::{BATCH_QUEUE_LIMIT, KeyframeRequest};
use crate::packet_batch::{PacketBatch, PlainKind};
use crate::session::Session;
use crate::shard::Shard;
use bridge_media::MappedSource;
use bridge_metrics::ShardCounters;
use bridge_rtp::rtcp::SenderInfo;
use bridge_rtp::{RtcpCompound, RtcpPacket};
use bridge_units::{SessionId, Timestamp};

/// A receiver that needs a key frame, of what and from whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyframeWish {
    sender: SessionId,
    request: KeyframeRequest,
}

/// Where sealed packets go and are counted.
struct Exit<'a> {
    egress: &'a mut Egress,
    counters: &'a mut ShardCounters,
    sink: &'a mut dyn EgressSink,
}

impl Shard {
    /// Distributes the shard's own batch here and publishes it to the other shards concerned.
    pub(crate) fn distribute_own(&mut self, now: Timestamp, sink: &mut dyn EgressSink) {
        if self.batch.is_empty() {
            return;
        }
        self.batch.round = self.publication.next_round();
        let batch = std::mem::replace(&mut self.batch, self.publication.spare());
        self.publish(&batch);
        self.distribute(now, &batch, sink);
        let spare = std::mem::replace(&mut self.batch, batch);
        self.batch.clear();
        self.publication.keep(spare);
    }

    /// Distributes all that other shards have published here so far.
    pub(crate) fn distribute_waiting(&mut self, now: Timestamp, sink: &mut dyn EgressSink) {
        for _ in 0..BATCH_QUEUE_LIMIT {
            let Some(batch) = self.inbox().pop_batch() else { return };
            self.distribute_published(now, &batch, sink);
            self.recycle(batch);
        }
    }

    /// Distributes another shard's batch to the receivers on this one.
    pub(crate) fn distribute_published(
        &mut self,
        now: Timestamp,
        batch: &PacketBatch,
        sink: &mut dyn EgressSink,
    ) {
        self.counters.packets_from_shards += batch.packets().len() as u64;
        self.distribute(now, batch, sink);
    }

    /// Receiver by receiver, so that what goes to one destination is contiguous in the arena.
    fn distribute(&mut self, now: Timestamp, batch: &PacketBatch, sink: &mut dyn EgressSink) {
        self.publication.note_round(batch);
        let touched = self.conferences.assign(batch);
        let current = self.current;
        let mut wishes = std::mem::take(&mut self.keyframe_wishes);
        for conference in &touched {
            let Some(conference) = self.conferences.get_mut(*conference) else { continue };
            for member in 0..conference.members.len() {
                let Some(&slot) = conference.members.get(member) else { break };
                let Some(session) = self.sessions.get_mut(slot) else { continue };
                if session.has_got(batch.origin, batch.round) {
                    continue;
                }
                self.current = Some(session.id);
                let exit = Exit { egress: &mut self.egress, counters: &mut self.counters, sink };
                forward_to(now, session, conference, batch, exit, &mut wishes);
                let deadline = session.downlink.poll_timeout(now);
                self.timers.set(session.id, &mut session.scheduled, deadline);
                if session.downlink.has_news() {
                    self.news.push(slot);
                }
            }
        }
        self.conferences.finish(touched);
        self.current = current;
        for wish in wishes.drain(..) {
            self.request_keyframe(now, wish.sender, wish.request, 0, sink);
        }
        self.keyframe_wishes = wishes;
        while let Some(slot) = self.news.pop() {
            self.tell_news(slot);
        }
    }

    /// Tells the control plane what changed about the session's downlink.
    pub(crate) fn tell_news(&mut self, slot: usize) {
        while let Some(news) = self.sessions.get_mut(slot).and_then(|s| s.downlink.poll_news()) {
            let kind = match news {
                DownlinkNews::Estimate(estimate) => SessionEventKind::Estimate(estimate),
                DownlinkNews::FirstVideoSent => SessionEventKind::FirstVideoSent,
                DownlinkNews::RoundTrip(time) => SessionEventKind::RoundTrip(time),
                DownlinkNews::Mapped(media, mapped) => {
                    let mapped = mapped.into_iter().map(source_mapping);
                    SessionEventKind::SourcesMapped(media, mapped.collect())
                }
            };
            self.event(slot, kind);
        }
    }
}

/// Forwards what the conference got in this batch to one receiver.
fn forward_to(
    now: Timestamp,
    session: &mut Session,
    conference: &mut LocalConference,
    batch: &PacketBatch,
    exit: Exit<'_>,
    wishes: &mut Vec<KeyframeWish>,
) {
    let Some(path) = session.path.filter(|_| session.connected) else { return };
    let Some(srtp) = session.transport.srtp() else { return };
    let Exit { egress, counters, sink } = exit;
    let mut outlet = Outlet { path, srtp, egress, counters, sink };
    let downlink = &mut session.downlink;
    let LocalConference { pending, kept, stored, .. } = conference;
    for (index, kept) in pending.iter().zip(kept) {
        let Some(packet) = batch.packets().get(usize::from(*index)) else { continue };
        if packet.sender == session.id {
            continue;
        }
        match packet.kind {
            PlainKind::Audio(audio) => {
                downlink.forward_audio(now, batch, packet, audio, &mut outlet);
            }
            PlainKind::Video { stream, .. } => {
                let mut keep = KeepOnce { packets: stored, kept };
                let wish =
                    downlink.forward_video(now, batch, packet, stream, &mut keep, &mut outlet);
                if let Some(urgency) = wish {
                    let (ssrc, requester) = (stream.primary, session.id);
                    let request = KeyframeRequest { ssrc, requester, urgency };
                    wishes.push(KeyframeWish { sender: packet.sender, request });
                }
            }
            PlainKind::SenderReport { media } => {
                if let Some(info) = sender_info(batch.bytes(packet)) {
                    downlink.forward_report(now, packet.source, media, info, &mut outlet);
                }
            }
        }
    }
    downlink.end_batch(now, stored, &mut outlet);
}

fn source_mapping(mapped: MappedSource) -> SourceMapping {
    let MappedSource { source, ssrc, rtx, mid } = mapped;
    SourceMapping { source, ssrc, rtx, mid: mid.map(|mid| mid.as_str().to_owned()) }
}

fn sender_info(report: &[u8]) -> Option<SenderInfo> {
    let compound = RtcpCompound::parse(report).ok()?;
    match compound.packets().next() {
        Some((RtcpPacket::SenderReport(report), _)) => Some(report.info),
        _ => None,
    }
}
