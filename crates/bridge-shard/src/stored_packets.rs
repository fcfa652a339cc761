//! The recent video packets of a conference's sources, kept once for all receivers on a shard.

use crate::packet_batch::{PacketBatch, PlainPacket};
use crate::plain_header::HeaderSlots;
use bridge_media::{SourceHistory, VideoPacket};
use bridge_units::{SourceId, Timestamp};
use rustc_hash::FxHashMap;

/// Encodings whose packets are kept at a time for one conference: three of each of 200 cameras and
/// screens. Receivers of others get no retransmissions.
const MAX_ENCODINGS: usize = 1_200;

/// What is kept of a packet beside its bytes.
#[derive(Clone, Debug)]
pub(crate) struct StoredPacket {
    pub(crate) header_len: u16,
    pub(crate) slots: HeaderSlots,
    pub(crate) video: VideoPacket,
}

/// A kept packet.
pub(crate) struct Stored<'a> {
    pub(crate) packet: &'a StoredPacket,
    pub(crate) header: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) received: Timestamp,
}

/// Histories by source and encoding.
#[derive(Default)]
pub(crate) struct StoredPackets {
    histories: FxHashMap<(SourceId, u8), SourceHistory<StoredPacket>>,
}

impl StoredPackets {
    /// Keeps a video packet of `batch`; whether there was a place for its encoding.
    pub(crate) fn keep(
        &mut self,
        now: Timestamp,
        batch: &PacketBatch,
        packet: &PlainPacket,
    ) -> bool {
        let Some(video) = batch.video(packet) else { return true };
        let key = (packet.source, video.encoding);
        if self.histories.len() >= MAX_ENCODINGS && !self.histories.contains_key(&key) {
            return false;
        }
        let stored = StoredPacket {
            header_len: packet.header_len,
            slots: packet.slots,
            video: video.clone(),
        };
        let history = self.histories.entry(key).or_default();
        history.insert(now, video.sequence_number, batch.bytes(packet), stored);
        true
    }

    /// The packet that the source's sender numbered so, unless it is too old.
    pub(crate) fn get(
        &self,
        now: Timestamp,
        source: SourceId,
        encoding: u8,
        sequence_number: u16,
    ) -> Option<Stored<'_>> {
        let entry = self.histories.get(&(source, encoding))?.get(now, sequence_number)?;
        let packet = entry.description;
        let (header, payload) = entry.bytes.split_at_checked(usize::from(packet.header_len))?;
        Some(Stored { packet, header, payload, received: entry.received })
    }

    /// Forgets the sources for which `is_there` says no.
    pub(crate) fn retain(&mut self, is_there: impl Fn(SourceId) -> bool) {
        self.histories.retain(|(source, _), _| is_there(*source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet_batch::{OutgoingStream, PlainKind};
    use bridge_media::FrameDescription;
    use bridge_units::{ConferenceId, MediaType, SessionId, ShardId};

    fn batch(source: u32) -> PacketBatch {
        let mut batch = PacketBatch::new(ShardId(0));
        let plain = PlainPacket {
            conference: ConferenceId(1),
            sender: SessionId(1),
            source: SourceId(source),
            start: 0,
            header_len: 0,
            len: 0,
            slots: HeaderSlots::default(),
            kind: PlainKind::SenderReport { media: MediaType::Video },
        };
        let video = VideoPacket {
            encoding: 0,
            ssrc: source,
            sequence_number: 7,
            timestamp: 0,
            marker: false,
            payload_type: 100,
            received: Timestamp::ZERO,
            capture: None,
            frame: FrameDescription::Unparsed,
        };
        let stream = OutgoingStream { primary: source, rtx: None };
        let pushed =
            batch.push_video(100, plain, stream, video, |_| Some((HeaderSlots::default(), 12, 40)));
        assert_eq!(pushed, Some(0));
        batch
    }

    #[test]
    fn encodings_beyond_the_limit_are_refused_until_others_go() {
        let mut stored = StoredPackets::default();
        let mut keep = |source| {
            let batch = batch(source);
            stored.keep(Timestamp::ZERO, &batch, &batch.packets()[0])
        };
        let limit = MAX_ENCODINGS as u32;
        assert!((0..limit).all(&mut keep));
        assert!(!keep(limit));
        assert!(keep(0), "known ones go on");
        stored.retain(|source| source != SourceId(5));
        let more = batch(limit);
        assert!(stored.keep(Timestamp::ZERO, &more, &more.packets()[0]));
        assert!(stored.get(Timestamp::ZERO, SourceId(limit), 0, 7).is_some());
    }
}
