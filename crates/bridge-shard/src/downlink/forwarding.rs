//! Packets of a batch on their way to one receiver.

use super::departure::Departure;
use super::repair::Paced;
use super::{Downlink, MAX_SOURCES, Outlet, VideoSource};
use crate::packet_batch::{OutgoingStream, PacketBatch, PlainPacket};
use crate::stored_packets::StoredPackets;
use bridge_cc::PacketUrgency;
use bridge_media::{LayerIndex, PayloadRewrite, Rewrite};
use bridge_rtp::RtpHeader;
use bridge_units::{SourceId, Timestamp};

impl Downlink {
    /// Whether the receiver gets audio of this source at all.
    fn wants_audio(&self, source: SourceId, synthetic: bool, quiet: bool) -> bool {
        match &self.audio {
            None => !synthetic && !quiet,
            Some(selection) if selection.exclude.contains(&source) => false,
            Some(selection) => {
                selection.include.contains(&source) || (selection.all && !synthetic && !quiet)
            }
        }
    }

    /// Sends an audio packet at once: what is late can only be silence.
    pub(crate) fn forward_audio(
        &mut self,
        now: Timestamp,
        batch: &PacketBatch,
        packet: &PlainPacket,
        (payload_type, synthetic, quiet): (u8, bool, bool),
        outlet: &mut Outlet<'_>,
    ) {
        if !self.payload_types.accepts(payload_type)
            || !self.wants_audio(packet.source, synthetic, quiet)
        {
            return;
        }
        let (header, payload) = batch.split(packet);
        let Ok(values) = RtpHeader::parse(header) else { return };
        let rewrite = Rewrite {
            ssrc: values.ssrc,
            sequence_number: values.sequence_number,
            timestamp: values.timestamp,
            marker: values.marker,
            payload: PayloadRewrite::None,
        };
        let departure = Departure {
            header,
            payload,
            slots: packet.slots,
            payload_type,
            rewrite,
            descriptor: None,
        };
        self.pacer.on_packet_bypassed(now, departure.size());
        if self.depart(now, &departure, outlet) {
            self.told.note_audio(now, departure.size());
            if self.audios.len() < MAX_SOURCES || self.audios.contains_key(&packet.source) {
                self.audios.entry(packet.source).or_default().note(payload.len());
            }
        }
    }

    /// Projects a video packet and sends it, at once or when the pacer lets it. Answers whether the
    /// receiver needs a key frame of the source.
    pub(crate) fn forward_video(
        &mut self,
        now: Timestamp,
        batch: &PacketBatch,
        packet: &PlainPacket,
        stream: OutgoingStream,
        stored: &mut KeepOnce<'_>,
        outlet: &mut Outlet<'_>,
    ) -> bool {
        let Some(video) = batch.video(packet) else { return false };
        if !self.payload_types.accepts(video.payload_type) {
            return false;
        }
        let Some(source) = self.video_source(packet, stream) else { return false };
        let decision = source.projection.accept(video);
        let wants_keyframe = decision.request_keyframe && source.may_wish(now);
        let Ok(rewrite) = decision.outcome else { return wants_keyframe };
        stored.keep(now, batch, packet);
        let (header, payload) = batch.split(packet);
        source.sent.note(payload.len());
        let departure = Departure::video(header, payload, packet.slots, video, rewrite);
        let size = departure.size();
        if self.pacer.has_room(now) {
            self.pacer.on_packet_bypassed(now, size);
            if self.depart(now, &departure, outlet) {
                self.told.note_video(now);
            }
            return wants_keyframe;
        }
        let paced = Paced {
            source: packet.source,
            encoding: video.encoding,
            sequence_number: video.sequence_number,
            rewrite,
            again: false,
        };
        if self.pacer.push(now, PacketUrgency::Video, size, paced).is_err() {
            outlet.counters.dropped_pacer_full += 1;
        }
        wants_keyframe
    }

    /// What the receiver gets of the source; begins when the program first has it.
    fn video_source(
        &mut self,
        packet: &PlainPacket,
        stream: OutgoingStream,
    ) -> Option<&mut VideoSource> {
        let known = self.videos.get(&packet.source);
        // A source whose first encoding or sender is another one begins anew.
        let is_same = known.is_some_and(|source| {
            source.stream.primary == stream.primary && source.sender == packet.sender
        });
        if !is_same {
            let target = *self.targets.get(&packet.source)?;
            if self.videos.len() >= MAX_SOURCES {
                return None;
            }
            let mut source = VideoSource::new(packet.sender, stream);
            source.set_target(LayerIndex::SUSPENDED);
            source.set_target(target);
            self.videos.insert(packet.source, source);
        }
        self.videos.get_mut(&packet.source)
    }
}

/// Keeps a packet in the history when the first receiver gets it.
pub(crate) struct KeepOnce<'a> {
    pub(crate) packets: &'a mut StoredPackets,
    pub(crate) kept: &'a mut bool,
}

impl KeepOnce<'_> {
    fn keep(&mut self, now: Timestamp, batch: &PacketBatch, packet: &PlainPacket) {
        if !std::mem::replace(self.kept, true) {
            self.packets.keep(now, batch, packet);
        }
    }
}
