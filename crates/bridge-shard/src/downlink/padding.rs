//! Padding and probes: what is sent to learn whether the link takes more.
//!
//! First packets that were sent already, on their retransmission streams: they are as long as media,
//! and repair a loss now and then. Then packets of padding alone.

use super::departure::Departure;
use super::{Downlink, Outlet};
use crate::stored_packets::StoredPackets;
use bridge_cc::AllocationSnapshot;
use bridge_units::{DataSize, SourceId, Timestamp};

/// How far back a source's packets are looked at for padding.
const MAX_LOOKED_BACK: u16 = 32;

/// A packet of padding alone: the header, the extension with the transport-wide number, 255 bytes.
const MAX_PADDING_LEN: usize = 12 + 8 + 255;

/// The extension block: profile, length, one element, a byte of padding (RFC 8285 section 4.2).
const EXTENSION_LEN: usize = 8;

impl Downlink {
    /// Sends the padding that is due, and probes.
    pub(super) fn send_padding(
        &mut self,
        now: Timestamp,
        stored: &StoredPackets,
        outlet: &mut Outlet<'_>,
    ) {
        if self.extensions.transport_cc.is_none() {
            return;
        }
        let due = self.padding.handle_timeout(now, &self.snapshot(now), self.estimator.estimate());
        let due = due.min(self.pacer.padding_room(now, self.padding.interval()));
        if due > DataSize::ZERO && self.estimator.has_free_link(now) {
            let sent = self.fill(now, due, stored, outlet);
            self.padding.on_sent(sent);
        }
        self.send_probes(now, stored, outlet);
    }

    /// Sends the probes that the estimator wants now.
    pub(super) fn send_probes(
        &mut self,
        now: Timestamp,
        stored: &StoredPackets,
        outlet: &mut Outlet<'_>,
    ) {
        while let Some(run) = self.estimator.poll_probe(now) {
            self.probe = Some(run.cluster);
            let sent = self.fill(now, run.size, stored, outlet);
            self.probe = None;
            self.estimator.on_probe_sent(now, sent);
            if sent == DataSize::ZERO {
                return;
            }
        }
    }

    /// What the allocation gives and would like to give.
    pub(super) fn snapshot(&self, now: Timestamp) -> AllocationSnapshot {
        let program = &self.program;
        AllocationSnapshot {
            target: program.target_bitrate,
            ideal: program.ideal_bitrate,
            besides: self.told.audio_rate(now),
            has_non_ideal_layer: program.ideal_bitrate > program.target_bitrate,
        }
    }

    /// Sends at least `size` if anything can be sent, a packet more at most; answers how much.
    fn fill(
        &mut self,
        now: Timestamp,
        size: DataSize,
        stored: &StoredPackets,
        outlet: &mut Outlet<'_>,
    ) -> DataSize {
        let mut sent = DataSize::ZERO;
        let busiest = self.videos.iter().filter(|(_, source)| source.stream.rtx.is_some());
        let busiest = busiest.max_by_key(|(_, source)| source.projection.target());
        if let Some(id) = busiest.map(|(id, _)| *id) {
            sent = sent.plus(self.fill_with_repeats(now, id, size, stored, outlet));
        }
        while sent < size {
            let Some(padding) = self.pad(now, size.minus(sent), outlet) else { break };
            sent = sent.plus(padding);
        }
        self.pacer.on_packet_bypassed(now, sent);
        sent
    }

    fn fill_with_repeats(
        &mut self,
        now: Timestamp,
        id: SourceId,
        size: DataSize,
        stored: &StoredPackets,
        outlet: &mut Outlet<'_>,
    ) -> DataSize {
        let mut sent = DataSize::ZERO;
        for back in 0..MAX_LOOKED_BACK {
            if sent >= size {
                break;
            }
            // Not what still waits in the pacer: it would overtake its original.
            let Some(newest) = self.videos.get(&id).and_then(|source| source.departed) else {
                break;
            };
            let number = newest.wrapping_sub(back);
            let Some((kept, numbers)) = self.sent_before(now, id, number, stored) else { continue };
            let video = &kept.packet.video;
            let rtx = numbers.rtx.and_then(|ssrc| self.rtx_stream(ssrc, video.payload_type));
            let Some(rtx) = rtx else { break };
            let slots = kept.packet.slots;
            let numbers = (numbers.rewrite, numbers.mid);
            let departure = Departure::video(kept.header, kept.payload, slots, video, numbers);
            if self.depart_again(now, &departure, rtx, outlet) {
                sent = sent.plus(departure.size());
            }
        }
        sent
    }

    /// Sends one packet of padding alone, of at most `size`; `None` if that is too little.
    fn pad(&mut self, now: Timestamp, size: DataSize, outlet: &mut Outlet<'_>) -> Option<DataSize> {
        let payload_type = self.payload_types.padding?;
        let mut stream = self.padding_stream;
        let mut written = None;
        stream.write(payload_type, size.max(MIN_PADDING), |packet| {
            written = self.seal_padding(now, packet, outlet);
            false
        });
        self.padding_stream = stream;
        if written.is_some() {
            outlet.counters.padding_out += 1;
        }
        written
    }

    fn seal_padding(
        &mut self,
        now: Timestamp,
        packet: &[u8],
        outlet: &mut Outlet<'_>,
    ) -> Option<DataSize> {
        let (fixed, padding) = packet.split_first_chunk::<12>()?;
        let len = 12 + EXTENSION_LEN + padding.len();
        debug_assert!(len <= MAX_PADDING_LEN, "a packet of padding alone has one length byte");
        let size = DataSize::from_bytes(len as u64);
        let (id, number) = self.number(now, size)?;
        let mut header = [0; 12 + EXTENSION_LEN];
        let (head, extension) = header.split_first_chunk_mut::<12>()?;
        *head = *fixed;
        head[0] |= HAS_EXTENSION;
        let [high, low] = number.to_be_bytes();
        extension.copy_from_slice(&[0xbe, 0xde, 0, 1, id << 4 | 1, high, low, 0]);
        outlet.rtp(&header, padding).then_some(size)
    }
}

/// The X bit.
const HAS_EXTENSION: u8 = 0x10;

/// What is due is sent in packets that are worth their header.
const MIN_PADDING: DataSize = DataSize::from_bytes(100);
