//! Packets of a batch on their way to one receiver.

use super::departure::Departure;
use super::repair::Paced;
use super::{Downlink, MAX_SOURCES, Outlet, VideoSource};
use crate::keyframe_requests::KeyframeUrgency;
use crate::packet_batch::{OutgoingStream, PacketBatch, PlainPacket};
use crate::stored_packets::StoredPackets;
use bridge_cc::PacketUrgency;
use bridge_media::{LayerIndex, RewritingRefusal, SsrcRewriting};
use bridge_units::{SourceId, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

impl Downlink {
    /// Projects a video packet and sends it, at once or when the pacer lets it. Answers the
    /// wish for a key frame of the source.
    pub(crate) fn forward_video(
        &mut self,
        now: Timestamp,
        batch: &PacketBatch,
        packet: &PlainPacket,
        stream: OutgoingStream,
        stored: &mut KeepOnce<'_>,
        outlet: &mut Outlet<'_>,
    ) -> Option<KeyframeUrgency> {
        let video = batch.video(packet)?;
        if !self.payload_types.accepts(video.payload_type) {
            return None;
        }
        let backlog = if self.pacer.is_empty() { Duration::ZERO } else { self.pacer.backlog() };
        let Self { videos, targets, rewriting, .. } = self;
        let source = video_source(videos, targets, rewriting, packet, stream);
        let source = match source {
            Ok(source) => source?,
            Err(SourceLimit) => {
                outlet.counters.dropped_source_limit += 1;
                return None;
            }
        };
        if source.is_left(video.encoding, video.frame.is_keyframe(), backlog) {
            outlet.counters.dropped_left_layer += 1;
            return source.wish(now);
        }
        let decision = source.projection.accept(video);
        let wish = if decision.request_keyframe { source.wish(now) } else { None };
        let Ok(projected) = decision.outcome else { return wish };
        let (rewrite, mid) = match rewriting {
            None => (projected, None),
            Some(rewriting) => match rewriting.rewrite_video(packet.source, video, &projected) {
                Ok(rewritten) => (rewritten.rewrite, rewritten.mid),
                Err(RewritingRefusal::AwaitsKeyframe) => return source.wish(now),
                Err(_) => return None,
            },
        };
        if !decision.request_keyframe {
            source.is_content();
        }
        if !stored.keep(now, batch, packet) {
            outlet.counters.dropped_encoding_limit += 1;
        }
        let (header, payload) = batch.split(packet);
        source.sent.note(payload.len());
        if video.frame.is_keyframe() {
            source.note_key_frame(&projected);
        }
        let departure = Departure::video(header, payload, packet.slots, video, (rewrite, mid));
        let size = departure.size();
        if self.pacer.has_room(now) {
            self.pacer.on_packet_bypassed(now, size);
            source.note_departed(projected.sequence_number);
            if self.depart(now, &departure, outlet) {
                self.told.note_video();
            }
            return wish;
        }
        let paced = Paced {
            source: packet.source,
            encoding: video.encoding,
            sequence_number: video.sequence_number,
            projected: projected.sequence_number,
            rewrite,
            mid,
            again: None,
        };
        if self.pacer.push(now, PacketUrgency::Video, size, paced).is_err() {
            outlet.counters.dropped_pacer_full += 1;
        } else {
            source.note_waiting(projected.sequence_number);
        }
        wish
    }
}

/// What the receiver gets of the packet's source; begins when the program first has it.
fn video_source<'v>(
    videos: &'v mut FxHashMap<SourceId, VideoSource>,
    targets: &FxHashMap<SourceId, LayerIndex>,
    rewriting: &mut Option<Box<SsrcRewriting>>,
    packet: &PlainPacket,
    stream: OutgoingStream,
) -> Result<Option<&'v mut VideoSource>, SourceLimit> {
    let is_full = videos.len() >= MAX_SOURCES;
    let begin = || {
        let target = targets.get(&packet.source).copied()?;
        let mut source = VideoSource::new(packet.sender, stream);
        source.set_target(target);
        Some(source)
    };
    Ok(match videos.entry(packet.source) {
        Entry::Vacant(_) if is_full && targets.contains_key(&packet.source) => {
            return Err(SourceLimit);
        }
        Entry::Vacant(place) => begin().map(|source| place.insert(source)),
        Entry::Occupied(known) => {
            let source = known.into_mut();
            // A source whose first encoding or sender is another one begins anew.
            if source.stream.primary != stream.primary || source.sender != packet.sender {
                let Some(new) = begin() else { return Ok(None) };
                *source = new;
                if let Some(rewriting) = rewriting {
                    rewriting.restart_source(packet.source);
                }
            }
            Some(source)
        }
    })
}

/// The receiver remembers as many sources as it can.
struct SourceLimit;

/// Keeps a packet in the history when the first receiver gets it.
pub(crate) struct KeepOnce<'a> {
    pub(crate) packets: &'a mut StoredPackets,
    pub(crate) kept: &'a mut bool,
}

impl KeepOnce<'_> {
    /// Whether it is kept, or was to be before.
    fn keep(&mut self, now: Timestamp, batch: &PacketBatch, packet: &PlainPacket) -> bool {
        std::mem::replace(self.kept, true) || self.packets.keep(now, batch, packet)
    }
}
