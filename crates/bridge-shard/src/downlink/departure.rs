//! The last steps of a packet: the receiver's values, its transport-wide number, and the seal.

use super::{Downlink, DownlinkExtensions, Outlet};
use crate::egress::MAX_DATAGRAM_BYTES;
use crate::plain_header::{HeaderSlots, MAX_HEADER_LEN, Stamp};
use bridge_media::{Mid, PayloadRewrite, Rewrite, VideoPacket};
use bridge_rtp::codec::DependencyDescriptor;
use bridge_rtp::{AddedExtension, RTX_OSN_LEN, RtxStream, abs_send_time};
use bridge_units::{DataSize, Timestamp};

/// A packet that is about to go to a receiver.
#[derive(Clone, Copy)]
pub(super) struct Departure<'a> {
    pub(super) header: &'a [u8],
    pub(super) payload: &'a [u8],
    pub(super) slots: HeaderSlots,
    pub(super) payload_type: u8,
    pub(super) rewrite: Rewrite,
    pub(super) mid: Option<Mid>,
    pub(super) descriptor: Option<&'a DependencyDescriptor>,
}

impl<'a> Departure<'a> {
    pub(super) fn video(
        header: &'a [u8],
        payload: &'a [u8],
        slots: HeaderSlots,
        video: &'a VideoPacket,
        (rewrite, mid): (Rewrite, Option<Mid>),
    ) -> Self {
        let descriptor = match &video.frame {
            bridge_media::FrameDescription::Dependency(descriptor) => Some(descriptor),
            _ => None,
        };
        let payload_type = video.payload_type;
        Self { header, payload, slots, payload_type, rewrite, mid, descriptor }
    }

    /// Bytes from the RTP header on, without the seal.
    pub(super) fn size(&self) -> DataSize {
        DataSize::from_bytes((self.header.len() + self.payload.len()) as u64)
    }
}

impl Downlink {
    /// Sends a packet as it is rewritten for this receiver; whether it went.
    pub(super) fn depart(
        &mut self,
        now: Timestamp,
        departure: &Departure<'_>,
        outlet: &mut Outlet<'_>,
    ) -> bool {
        if departure.size().bytes() > MAX_DEPARTURE_BYTES {
            outlet.counters.dropped_seal_failed += 1;
            return false;
        }
        let Departure { rewrite, payload, payload_type, .. } = departure;
        let rewrites_payload =
            matches!(rewrite.payload, PayloadRewrite::Vp8 { .. } | PayloadRewrite::Vp9 { .. });
        let room = outlet.egress.room(outlet.sink);
        let header = room.get_mut(..MAX_HEADER_LEN).unwrap_or_default();
        let Some(header_len) = self.header(now, departure, rewrite, *payload_type, header) else {
            outlet.counters.dropped_header += 1;
            return false;
        };
        let sender = &mut outlet.srtp.sender;
        let sealed = match room.get_mut(header_len..header_len + payload.len()) {
            Some(place) if rewrites_payload => {
                place.copy_from_slice(payload);
                rewrite.apply_to_payload(place);
                sender.seal_rtp_in_place(room, header_len, payload.len())
            }
            _ => sender.seal_rtp_payload(room, header_len, payload),
        };
        outlet.commit_rtp(sealed)
    }

    /// Sends a packet again on its retransmission stream (RFC 4588); whether it went.
    pub(super) fn depart_again(
        &mut self,
        now: Timestamp,
        departure: &Departure<'_>,
        rtx: RtxStream,
        outlet: &mut Outlet<'_>,
    ) -> bool {
        if departure.size().bytes() > MAX_DEPARTURE_BYTES {
            outlet.counters.dropped_seal_failed += 1;
            return false;
        }
        let Departure { rewrite, payload, .. } = departure;
        let of_stream =
            Rewrite { ssrc: rtx.ssrc, sequence_number: rtx.sequence_number, ..*rewrite };
        let mut buffer = [0; MAX_HEADER_LEN];
        let len = self.header(now, departure, &of_stream, rtx.payload_type, &mut buffer);
        let Some(header) = len.and_then(|len| buffer.get(..len)) else {
            outlet.counters.dropped_header += 1;
            return false;
        };
        let sent = outlet.rtp_with(header, payload.len() + RTX_OSN_LEN, |out| {
            let (original, out) = out.split_at_mut(RTX_OSN_LEN);
            original.copy_from_slice(&rewrite.sequence_number.to_be_bytes());
            out.copy_from_slice(payload);
            rewrite.apply_to_payload(out);
        });
        outlet.counters.retransmissions_out += u64::from(sent);
        sent
    }

    /// Writes the header as this receiver gets it; its length. A packet with a transport-wide number
    /// counts as sent.
    fn header(
        &mut self,
        now: Timestamp,
        departure: &Departure<'_>,
        rewrite: &Rewrite,
        payload_type: u8,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let DownlinkExtensions { abs_send_time: time_id, mid: mid_id, .. } = self.extensions;
        if time_id.is_none() && (mid_id.is_none() || departure.mid.is_none()) {
            return self.stamp(now, departure, rewrite, payload_type, &[], buffer);
        }
        let time = self.extensions.abs_send_time.map(|id| (id, abs_send_time(now)));
        let time = time.as_ref().map(|(id, data)| AddedExtension { id: *id, data });
        let mid = self.extensions.mid.zip(departure.mid.as_ref());
        let mid = mid.map(|(id, mid)| AddedExtension { id, data: mid.as_str().as_bytes() });
        let both;
        let added = match (&time, &mid) {
            (None, None) => &[],
            (Some(time), Some(mid)) => {
                both = [*time, *mid];
                &both[..]
            }
            (Some(one), None) | (None, Some(one)) => std::slice::from_ref(one),
        };
        self.stamp(now, departure, rewrite, payload_type, added, buffer)
    }

    fn stamp(
        &mut self,
        now: Timestamp,
        departure: &Departure<'_>,
        rewrite: &Rewrite,
        payload_type: u8,
        added: &[AddedExtension<'_>],
        buffer: &mut [u8],
    ) -> Option<usize> {
        let stamp = Stamp { transport_cc: self.number(now, departure.size()), added };
        let Departure { header, slots, descriptor, .. } = departure;
        slots.stamp(header, rewrite, payload_type, *descriptor, stamp, buffer)
    }

    /// The next transport-wide number with the receiver's id, if it takes them.
    pub(super) fn number(&mut self, now: Timestamp, size: DataSize) -> Option<(u8, u16)> {
        let id = self.extensions.transport_cc?;
        let number = self.estimator.next_sequence();
        self.estimator.on_packet_sent(now, number, size, self.probe);
        self.last_sent = now;
        Some((id, number))
    }
}

/// Leaves room for the seal, a retransmission's original number and a longer descriptor.
const MAX_DEPARTURE_BYTES: u64 = MAX_DATAGRAM_BYTES as u64 - 64;
