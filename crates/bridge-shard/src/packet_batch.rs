//! Opened packets of one receive batch: what is published to other shards and distributed locally.

use crate::plain_header::HeaderSlots;
use bridge_media::VideoPacket;
use bridge_units::{ConferenceId, MediaType, SessionId, ShardId, SourceId};

/// Bytes of plain packets in one batch: 256 full-size packets.
pub(crate) const BATCH_BYTES: usize = 320 * 1024;

/// Packets in one batch: all that four receive calls of 64 can bring.
pub(crate) const BATCH_PACKETS: usize = 256;

/// One packet in a batch: plain, parsed, with the header extensions that go out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainPacket {
    pub(crate) conference: ConferenceId,
    pub(crate) sender: SessionId,
    pub(crate) source: SourceId,
    pub(crate) start: u32,
    pub(crate) header_len: u16,
    pub(crate) len: u16,
    pub(crate) slots: HeaderSlots,
    pub(crate) kind: PlainKind,
}

/// What a plain packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainKind {
    /// RTP of an audio source.
    Audio(PlainAudioKind),
    /// RTP of a video source, described by the batch's video packet with this index.
    Video { index: u16, stream: OutgoingStream },
    /// A sender report of one of the source's encodings.
    SenderReport { media: MediaType },
}

/// What is known of an audio packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlainAudioKind {
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) marker: bool,
    /// With redundancy (RFC 2198).
    pub(crate) red: bool,
    /// The sender says that somebody speaks.
    pub(crate) voice_activity: bool,
    /// Only for those who named the source.
    pub(crate) synthetic: bool,
    /// Not one of the loudest: only for those who named the source.
    pub(crate) quiet: bool,
}

/// The SSRCs on which receivers get a video source: those of its first encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutgoingStream {
    pub(crate) primary: u32,
    pub(crate) rtx: Option<u32>,
}

/// Plain packets, contiguous in one buffer that is allocated once and reused.
pub(crate) struct PacketBatch {
    /// The shard that filled it and gets it back.
    pub(crate) origin: ShardId,
    /// Counts the origin's batches: the same number for the copies that several shards get.
    pub(crate) round: u64,
    bytes: Box<[u8]>,
    used: usize,
    packets: Vec<PlainPacket>,
    videos: Vec<VideoPacket>,
}

impl PacketBatch {
    pub(crate) fn new(origin: ShardId) -> Self {
        Self {
            origin,
            round: 0,
            bytes: vec![0; BATCH_BYTES].into_boxed_slice(),
            used: 0,
            packets: Vec::with_capacity(BATCH_PACKETS),
            videos: Vec::with_capacity(BATCH_PACKETS),
        }
    }

    /// Adds a packet of at most `max_len` bytes that `write` produces (slots, header length, length).
    /// `None` if the batch is full or `write` refuses.
    pub(crate) fn push_with(
        &mut self,
        max_len: usize,
        packet: PlainPacket,
        write: impl FnOnce(&mut [u8]) -> Option<(HeaderSlots, usize, usize)>,
    ) -> Option<usize> {
        let start = self.used;
        if self.is_full(max_len) {
            return None;
        }
        let (slots, header_len, len) = write(&mut self.bytes[start..start + max_len])?;
        self.used = start + len;
        self.packets.push(PlainPacket {
            start: u32::try_from(start).ok()?,
            header_len: u16::try_from(header_len).ok()?,
            len: u16::try_from(len).ok()?,
            slots,
            ..packet
        });
        Some(self.packets.len() - 1)
    }

    /// Adds a video packet as [`Self::push_with`] does.
    pub(crate) fn push_video(
        &mut self,
        max_len: usize,
        packet: PlainPacket,
        stream: OutgoingStream,
        video: VideoPacket,
        write: impl FnOnce(&mut [u8]) -> Option<(HeaderSlots, usize, usize)>,
    ) -> Option<usize> {
        let index = u16::try_from(self.videos.len()).ok()?;
        let kind = PlainKind::Video { index, stream };
        let at = self.push_with(max_len, PlainPacket { kind, ..packet }, write)?;
        self.videos.push(video);
        Some(at)
    }

    /// Copies a packet of another batch; false if this one is full.
    pub(crate) fn push_copy(&mut self, from: &Self, packet: &PlainPacket) -> bool {
        let bytes = from.bytes(packet);
        let write = |out: &mut [u8]| {
            out.copy_from_slice(bytes);
            Some((packet.slots, usize::from(packet.header_len), bytes.len()))
        };
        let pushed = match packet.kind {
            PlainKind::Video { stream, .. } => from.video(packet).and_then(|video| {
                self.push_video(bytes.len(), *packet, stream, video.clone(), write)
            }),
            _ => self.push_with(bytes.len(), *packet, write),
        };
        pushed.is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.used = 0;
        self.packets.clear();
        self.videos.clear();
    }

    /// The newest packet, if it is video.
    pub(crate) fn last_video(&self) -> Option<(&PlainPacket, &VideoPacket)> {
        let last = self.packets.last()?;
        Some((last, self.video(last)?))
    }

    /// What is known of the frame of a video packet.
    pub(crate) fn video(&self, packet: &PlainPacket) -> Option<&VideoPacket> {
        match packet.kind {
            PlainKind::Video { index, .. } => self.videos.get(usize::from(index)),
            _ => None,
        }
    }

    /// Whether a packet of up to `max_len` bytes has no room.
    pub(crate) fn is_full(&self, max_len: usize) -> bool {
        self.packets.len() == BATCH_PACKETS || self.used + max_len > BATCH_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(crate) fn packets(&self) -> &[PlainPacket] {
        &self.packets
    }

    /// Header and payload of one of this batch's packets.
    pub(crate) fn split(&self, packet: &PlainPacket) -> (&[u8], &[u8]) {
        let start = packet.start as usize;
        self.bytes[start..start + usize::from(packet.len)].split_at(usize::from(packet.header_len))
    }

    pub(crate) fn bytes(&self, packet: &PlainPacket) -> &[u8] {
        let start = packet.start as usize;
        &self.bytes[start..start + usize::from(packet.len)]
    }
}
