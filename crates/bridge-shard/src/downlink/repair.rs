//! Packets that go later than they came: those that the pacer held, and those sent again.

use super::departure::Departure;
use super::{Downlink, Outlet};
use crate::stored_packets::StoredPackets;
use bridge_cc::PacketUrgency;
use bridge_media::Rewrite;
use bridge_rtp::RtxStream;
use bridge_units::{SourceId, Timestamp};

/// A packet that waits in the pacer: where it is kept, and as what it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paced {
    pub(super) source: SourceId,
    pub(super) encoding: u8,
    pub(super) sequence_number: u16,
    pub(super) rewrite: Rewrite,
    /// On the retransmission stream.
    pub(super) again: bool,
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
                continue;
            };
            let slots = kept.packet.slots;
            let video = &kept.packet.video;
            let departure =
                Departure::video(kept.header, kept.payload, slots, video, paced.rewrite);
            if !paced.again {
                self.depart(now, &departure, outlet);
                self.told.note_video(now);
            } else if let Some(rtx) = self.rtx_stream(paced.source, video.payload_type) {
                self.depart_again(now, &departure, rtx, outlet);
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
        let known = self.videos.iter_mut().find(|(_, source)| source.projection.ssrc() == ssrc);
        let Some((&id, source)) = known else {
            outlet.counters.dropped_unknown_ssrc += 1;
            return;
        };
        let round_trip = self.round_trips.last();
        for number in numbers {
            let Some(sent) = source.projection.source_of(number) else {
                outlet.counters.nack_misses += 1;
                continue;
            };
            let kept = stored.get(now, id, sent.encoding, sent.sequence_number);
            let rewrite =
                kept.as_ref().and_then(|kept| source.projection.rewrite_again(&kept.packet.video));
            let Some((kept, rewrite)) = kept.zip(rewrite) else {
                outlet.counters.nack_misses += 1;
                continue;
            };
            if !source.retransmissions.allow(now, number, kept.received, round_trip) {
                outlet.counters.nack_repeats += 1;
                continue;
            }
            let paced = Paced {
                source: id,
                encoding: sent.encoding,
                sequence_number: sent.sequence_number,
                rewrite,
                again: true,
            };
            let size =
                bridge_units::DataSize::from_bytes((kept.header.len() + kept.payload.len()) as u64);
            if self.pacer.push(now, PacketUrgency::Retransmission, size, paced).is_err() {
                outlet.counters.dropped_pacer_full += 1;
            }
        }
        self.send_paced(now, stored, outlet);
    }

    /// The next numbers of the source's retransmission stream, if there is one.
    pub(super) fn rtx_stream(&mut self, source: SourceId, payload_type: u8) -> Option<RtxStream> {
        let payload_type = self.payload_types.rtx(payload_type)?;
        let ssrc = self.videos.get(&source)?.stream.rtx?;
        self.rtx_numbers.next(ssrc, payload_type)
    }
}
