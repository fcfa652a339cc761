//! Packets that go later than they came: those that the pacer held, and those sent again.

use super::departure::Departure;
use super::{Downlink, Outlet};
use crate::stored_packets::{Stored, StoredPackets};
use bridge_cc::PacketUrgency;
use bridge_media::{Mid, Rewrite};
use bridge_rtp::RtxStream;
use bridge_units::{DataSize, SourceId, Timestamp};

/// A packet that waits in the pacer: where it is kept, and as what it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paced {
    pub(super) source: SourceId,
    pub(super) encoding: u8,
    pub(super) sequence_number: u16,
    /// Its number after projection.
    pub(super) projected: u16,
    pub(super) rewrite: Rewrite,
    pub(super) mid: Option<Mid>,
    /// On the retransmission stream with this SSRC.
    pub(super) again: Option<u32>,
}

/// A packet's numbers as the receiver has them, and where its retransmissions go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) rewrite: Rewrite,
    pub(super) mid: Option<Mid>,
    pub(super) rtx: Option<u32>,
}

impl Downlink {
    /// Sends what may go `now` of what waits.
    pub(super) fn send_paced(
        &mut self,
        now: Timestamp,
        stored: &StoredPackets,
        outlet: &mut Outlet<'_>,
    ) {
        while let Some(paced) = self.pacer.poll(now) {
            let number = paced.sequence_number;
            let Some(kept) = stored.get(now, paced.source, paced.encoding, number) else {
                outlet.counters.dropped_not_kept += 1;
                if let (None, Some(source)) = (paced.again, self.videos.get_mut(&paced.source)) {
                    source.note_departed(paced.projected);
                }
                continue;
            };
            let slots = kept.packet.slots;
            let video = &kept.packet.video;
            let numbers = (paced.rewrite, paced.mid);
            let departure = Departure::video(kept.header, kept.payload, slots, video, numbers);
            match paced.again {
                None => {
                    self.depart(now, &departure, outlet);
                    self.told.note_video();
                    if let Some(source) = self.videos.get_mut(&paced.source) {
                        source.note_departed(paced.projected);
                    }
                }
                Some(ssrc) => {
                    if let Some(rtx) = self.rtx_stream(ssrc, video.payload_type) {
                        self.depart_again(now, &departure, rtx, outlet);
                    }
                }
            }
        }
    }

    /// Answers a receiver's report of lost packets from what is kept (contract: nothing reaches the
    /// sender). Differs from JVB: without a negotiated retransmission stream nothing is sent again,
    /// since the same index must not be sealed twice.
    pub(crate) fn handle_nack(
        &mut self,
        now: Timestamp,
        ssrc: u32,
        numbers: impl Iterator<Item = u16>,
        stored: &StoredPackets,
        outlet: &mut Outlet<'_>,
    ) {
        let round_trip = self.round_trips.last();
        let estimate = self.estimator.pacing_target();
        let media = self.program.target_bitrate.plus(self.told.audio_rate(now));
        for number in numbers {
            let Some((id, projected)) = self.projected(ssrc, number) else {
                outlet.counters.nack_misses += 1;
                continue;
            };
            let Some((kept, numbers)) = self.sent_before(now, id, projected, stored) else {
                outlet.counters.nack_misses += 1;
                continue;
            };
            let size = DataSize::from_bytes((kept.header.len() + kept.payload.len()) as u64);
            let Some(source) = self.videos.get_mut(&id) else { continue };
            if source.is_waiting(projected) {
                // It would overtake its original, which is on its way.
                outlet.counters.nack_repeats += 1;
                continue;
            }
            if source.is_before_key_frame(projected) {
                outlet.counters.nack_misses += 1;
                continue;
            }
            if !source.retransmissions.allow(now, projected, kept.received, round_trip) {
                outlet.counters.nack_repeats += 1;
                continue;
            }
            let paced = Paced {
                source: id,
                encoding: kept.packet.video.encoding,
                sequence_number: kept.packet.video.sequence_number,
                projected,
                rewrite: numbers.rewrite,
                mid: numbers.mid,
                again: numbers.rtx,
            };
            if numbers.rtx.is_none() {
                outlet.counters.nack_misses += 1;
            } else if !self.repair_budget.take(now, size, estimate, media) {
                outlet.counters.nacks_over_budget += 1;
            } else if self.pacer.push(now, PacketUrgency::Retransmission, size, paced).is_err() {
                outlet.counters.dropped_pacer_full += 1;
            }
        }
        self.send_paced(now, stored, outlet);
    }

    /// The source that the receiver means by an SSRC, and the number after projection.
    fn projected(&self, ssrc: u32, number: u16) -> Option<(SourceId, u16)> {
        if let Some(rewriting) = &self.rewriting {
            let original = rewriting.original_of(ssrc, number)?;
            return Some((original.source, original.sequence_number));
        }
        let mut sources = self.videos.iter();
        let (id, _) = sources.find(|(_, source)| source.projection.ssrc() == ssrc)?;
        Some((*id, number))
    }

    /// The packet that the receiver was sent under a number after projection, with all its numbers.
    pub(super) fn sent_before<'s>(
        &self,
        now: Timestamp,
        id: SourceId,
        projected: u16,
        stored: &'s StoredPackets,
    ) -> Option<(Stored<'s>, Numbers)> {
        let source = self.videos.get(&id)?;
        let sent = source.projection.source_of(projected)?;
        let kept = stored.get(now, id, sent.encoding, sent.sequence_number)?;
        let video = &kept.packet.video;
        let rewrite = source.projection.rewrite_again(video)?;
        let numbers = match &self.rewriting {
            None => Numbers { rewrite, mid: None, rtx: source.stream.rtx },
            Some(rewriting) => {
                let again = rewriting.rewrite_again(id, video, &rewrite)?;
                Numbers { rewrite: again.rewrite, mid: again.mid, rtx: Some(again.rtx) }
            }
        };
        Some((kept, numbers))
    }

    /// The next numbers of a retransmission stream, if the receiver takes those of the payload type.
    pub(super) fn rtx_stream(&mut self, ssrc: u32, payload_type: u8) -> Option<RtxStream> {
        let payload_type = self.payload_types.rtx(payload_type)?;
        self.rtx_numbers.next(ssrc, payload_type)
    }
}
