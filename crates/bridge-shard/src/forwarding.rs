//! RTP: opened, taken in by its sender's reception and put into the batch. `distribution` has the
//! way from there to the receivers.

use crate::conference::LocalConference;
use crate::egress::EgressSink;
use crate::overload;
use crate::packet_batch::{OutgoingStream, PlainAudioKind, PlainKind, PlainPacket};
use crate::plain_header::{HeaderSlots, PlainIds};
use crate::session::Session;
use crate::shard::Shard;
use bridge_media::{
    FrameDescription, Received, ReceivedAudio, ReceivedVideo, ReceptionRefusal, VideoPacket,
};
use bridge_metrics::ShardCounters;
use bridge_rtp::{HeaderExtensionIds, RtpHeader, transport_cc_sequence};
use bridge_srtp::OpenError;
use bridge_units::{SourceId, Timestamp};

/// What forwarding adds to a header at most: an extension block with the transport-wide number.
const HEADER_GROWTH: usize = 16;

/// Bytes by which packets of one frame may differ and still be made equal. libwebrtc's differ by one.
const MAX_EQUALISED: usize = 8;

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
        if overload::is_too_old(kind.media, self.datagram_age) {
            overload::count(kind.media, &mut self.counters);
            return;
        }
        let Some(len) = open(session, &header, packet, &mut self.counters) else { return };
        self.counters.rtp_in += 1;
        let packet = packet.get_mut(..len).unwrap_or_default();
        let feedback_due = note_received(session, now, &header, packet);
        if session.expect_report(now) {
            self.set_timer(now, slot, now);
        }
        if feedback_due {
            self.send_transport_feedback(now, slot, sink);
        }
        self.note_activity(now, slot);
        self.receive(now, slot, &header, packet, sink);
    }

    /// Gives the plain packet to the session's reception, and what comes of it to the batch.
    fn receive(
        &mut self,
        now: Timestamp,
        slot: usize,
        header: &RtpHeader,
        packet: &mut [u8],
        sink: &mut dyn EgressSink,
    ) {
        if self.batch.is_full(packet.len() + HEADER_GROWTH + MAX_EQUALISED) {
            self.distribute_own(now, sink);
        }
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if session.visitor {
            self.counters.dropped_muted += 1;
            return;
        }
        let due_before = session.reception.poll_timeout();
        let received = session.reception.handle_rtp(now, packet, header);
        let due = session.reception.poll_timeout();
        let is_urgent = due <= now && session.reception.is_urgent(now);
        let plain = PlainPacket {
            conference: session.conference,
            sender: session.id,
            source: SourceId(0),
            start: 0,
            header_len: 0,
            len: 0,
            slots: HeaderSlots::default(),
            kind: PlainKind::SenderReport { media: bridge_units::MediaType::Audio },
        };
        let (ids, red) = (session.extension_ids, session.payload_types.red);
        match received {
            Ok(Received::Audio(audio)) => self.collect_audio(now, plain, (&ids, red), &audio),
            Ok(Received::AudioLevel { source, level }) => {
                self.conferences.note_level(now, &plain, source, level);
            }
            Ok(Received::Video(video)) => self.collect_video(plain, &ids, video),
            Err(refusal) => count_reception(refusal, &mut self.counters),
        }
        // Missing packets are asked for, and new layers told, in this turn.
        if is_urgent {
            self.poll_reception(now, slot, sink);
            self.set_timer(now, slot, Timestamp::ZERO);
        } else if due < due_before {
            self.set_timer(now, slot, Timestamp::ZERO);
        }
    }

    fn collect_audio(
        &mut self,
        now: Timestamp,
        plain: PlainPacket,
        (ids, red): (&HeaderExtensionIds, Option<u8>),
        audio: &ReceivedAudio<'_>,
    ) {
        if let Some(level) = audio.level {
            self.conferences.note_level(now, &plain, audio.source, level);
        }
        let described = self.conferences.get(plain.conference).zip(audio.source).and_then(
            |(conference, source)| Some((source, conference, conference.source(source)?)),
        );
        let Some((source, conference, description)) = described else {
            self.counters.dropped_unknown_ssrc += 1;
            return;
        };
        let payload_type = audio.header.payload_type;
        let kind = PlainKind::Audio(PlainAudioKind {
            payload_type,
            sequence_number: audio.header.sequence_number,
            timestamp: audio.header.timestamp,
            ssrc: audio.header.ssrc,
            marker: audio.header.marker,
            red: red == Some(payload_type),
            voice_activity: audio.level.is_some_and(|level| level.voice_activity),
            synthetic: description.synthetic,
            quiet: conference.is_quiet(plain.sender),
        });
        let plain = PlainPacket { source, kind, ..plain };
        let payload = audio.header.payload_with_padding(audio.bytes);
        let max_len = audio.bytes.len() + HEADER_GROWTH;
        let pushed = self.batch.push_with(max_len, plain, |out| {
            write(audio.bytes, &audio.header, payload, ids, false, out)
        });
        if pushed.is_none() {
            self.counters.dropped_batch_full += 1;
        }
    }

    fn collect_video(
        &mut self,
        plain: PlainPacket,
        ids: &HeaderExtensionIds,
        video: ReceivedVideo<'_>,
    ) {
        let ReceivedVideo { source, packet, header, bytes } = video;
        let conference = self.conferences.get(plain.conference);
        let Some(stream) = conference.and_then(|conference| outgoing_stream(conference, source))
        else {
            self.counters.dropped_unknown_ssrc += 1;
            return;
        };
        let plain = PlainPacket { source, ..plain };
        let described = matches!(packet.frame, FrameDescription::Dependency(_));
        let payload = header.payload_with_padding(bytes);
        let grown = self.padding_to_equalise(&plain, &packet, payload.len());
        let max_len = bytes.len() + HEADER_GROWTH + grown;
        let pushed = self.batch.push_video(max_len, plain, stream, packet, |out| {
            let (slots, header_len, len) = write(bytes, &header, payload, ids, described, out)?;
            let len = pad(out, len, grown)?;
            Some((slots, header_len, len))
        });
        if pushed.is_none() {
            self.counters.dropped_batch_full += 1;
        }
    }

    /// How many bytes of padding make this packet as long as the one before of the same frame, so
    /// that the kernel takes both in one message to each receiver.
    fn padding_to_equalise(
        &self,
        plain: &PlainPacket,
        video: &VideoPacket,
        payload: usize,
    ) -> usize {
        let Some((last, last_video)) = self.batch.last_video() else { return 0 };
        let same_frame = last.source == plain.source
            && last_video.ssrc == video.ssrc
            && last_video.timestamp == video.timestamp;
        let wanted = usize::from(last.len - last.header_len);
        let missing = wanted.saturating_sub(payload);
        if same_frame && missing <= MAX_EQUALISED { missing } else { 0 }
    }
}

/// Writes the plain packet: header with slots, payload. Answers slots, header length and length.
fn write(
    packet: &[u8],
    header: &RtpHeader,
    payload: &[u8],
    ids: &HeaderExtensionIds,
    with_descriptor: bool,
    out: &mut [u8],
) -> Option<(HeaderSlots, usize, usize)> {
    let keep = ids.forwarded(with_descriptor);
    let transport_cc = ids.transport_cc.or_else(|| (1..=14).find(|id| !keep.contains(*id)))?;
    let descriptor = ids.dependency_descriptor.filter(|_| with_descriptor);
    let plain_ids = PlainIds { transport_cc, descriptor };
    let (slots, header_len) = HeaderSlots::write(packet, header, &keep, plain_ids, out)?;
    let len = header_len + payload.len();
    out.get_mut(header_len..len)?.copy_from_slice(payload);
    Some((slots, header_len, len))
}

/// Adds `count` bytes of RTP padding (RFC 3550 section 5.1) behind a packet of `len` bytes without
/// padding; answers the new length.
fn pad(out: &mut [u8], len: usize, count: usize) -> Option<usize> {
    let Some(last) = count.checked_sub(1) else { return Some(len) };
    let first = out.first_mut()?;
    if *first & HAS_PADDING != 0 {
        return Some(len);
    }
    *first |= HAS_PADDING;
    let padding = out.get_mut(len..len + count)?;
    padding.fill(0);
    *padding.get_mut(last)? = u8::try_from(count).ok()?;
    Some(len + count)
}

fn outgoing_stream(conference: &LocalConference, source: SourceId) -> Option<OutgoingStream> {
    let first = conference.source(source)?.encodings.first()?;
    Some(OutgoingStream { primary: first.primary, rtx: first.rtx })
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

fn count_reception(refusal: ReceptionRefusal, counters: &mut ShardCounters) {
    use ReceptionRefusal as Refusal;
    match refusal {
        Refusal::UnknownPayloadType => counters.dropped_unknown_payload_type += 1,
        Refusal::UnknownSsrc | Refusal::UnknownRtx | Refusal::OtherStream => {
            counters.dropped_unknown_ssrc += 1;
        }
        Refusal::Muted => counters.dropped_muted += 1,
        _ => counters.dropped_reception += 1,
    }
}

/// Keeps the books of reception; whether transport-wide feedback is due.
fn note_received(session: &mut Session, now: Timestamp, header: &RtpHeader, packet: &[u8]) -> bool {
    if let Some(kind) = session.payload_types.kind(header.payload_type).filter(|kind| !kind.rtx) {
        session.reports.on_packet(now, header, kind.clock_rate);
    }
    if let Some(uplink) = &mut session.uplink
        && let Some(id) = session.extension_ids.abs_send_time
        && let Some(&[high, middle, low]) = header.extension_data(packet, id)
    {
        let sent = u32::from_be_bytes([0, high, middle, low]);
        uplink.on_packet(now, header.ssrc, sent, packet.len());
    }
    let Some(feedback) = &mut session.feedback else { return false };
    let sequence = session
        .extension_ids
        .transport_cc
        .and_then(|id| header.extension_data(packet, id))
        .and_then(transport_cc_sequence);
    sequence.is_some_and(|seq| feedback.on_packet(now, seq, header.marker, header.ssrc))
}

/// The P bit.
const HAS_PADDING: u8 = 0x20;
