//! One received video source: from packets to pictures, and what is asked for when some are missing.

use super::codec::SimulatedCodec;
use super::frame_buffer::{DecodableFrame, FrameBuffer};
use super::frame_header::FrameHeaderReader;
use super::frame_stamp::FrameStamp;
use super::nack_list::NackList;
use super::playback::{Playback, ShownPicture};
use super::stream_check::{ReceivedNumber, StreamCheck};
use super::video_sender::VideoSettings;
use super::violation::{ViolationKind, Violations};
use bridge_rtp::rtcp::SenderInfo;
use bridge_rtp::{RtpHeader, SequenceUnwrapper};
use bridge_units::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Receives one source as libwebrtc does, and checks what no client should have to bear.
#[derive(Debug)]
pub struct VideoReceiver {
    /// What may come, known from the senders' scripts, by the SSRC of the first encoding.
    sources: BTreeMap<u32, VideoSettings>,
    /// What comes now.
    source: VideoSettings,
    ssrc: u32,
    numbers: SequenceUnwrapper,
    headers: FrameHeaderReader,
    frames: FrameBuffer,
    check: StreamCheck,
    nacks: NackList,
    playback: Playback,
    /// Frames of the sender that were decoded.
    truth: BTreeSet<(u32, u8, u32)>,
    /// The newest number of media.
    newest_number: i64,
    needs_key_frame: bool,
    /// When to ask for a key frame unless a frame is decoded.
    patience_ends: Timestamp,
    last_packet: Option<Timestamp>,
    next_nack: Timestamp,
    round_trip: Duration,
    counters: VideoReceiverCounters,
    bytes: Vec<u64>,
    pauses: u64,
    /// Timestamp and capture of the newest packet.
    newest: Option<(u32, u32)>,
    /// Capture times on the sender's clock minus those on ours, as first told, in milliseconds.
    clock_offset: Option<i64>,
    /// A report that may be of the source before.
    doubtful_reports: u32,
    /// When there is something to do without a packet.
    due: Timestamp,
}

/// What a receiver of one source has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoReceiverCounters {
    /// Packets of media, retransmitted ones included.
    pub packets: u64,
    /// Those that came as retransmissions and were new.
    pub recovered: u64,
    /// Retransmissions of what was there already, padding included.
    pub useless_retransmissions: u64,
    /// Packets without media.
    pub padding: u64,
    /// Frames decoded.
    pub frames: u64,
    /// Key frames decoded.
    pub key_frames: u64,
    /// Changes of the encoding.
    pub switches: u64,
    /// PLIs sent.
    pub key_frame_requests: u64,
    /// Numbers asked for by NACK, each time.
    pub nacked: u64,
    /// Packets whose headers could not be placed.
    pub unplaced: u64,
    /// Sender reports received.
    pub sender_reports: u64,
}

/// What a receiver wants to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReceiverRequest {
    Nack(Vec<u16>),
    KeyFrame,
}

impl VideoReceiver {
    /// Of this source, on its first SSRC.
    pub fn new(source: VideoSettings, now: Timestamp) -> Self {
        let ssrc = source.first_ssrc;
        Self::on(ssrc, source, now)
    }

    /// Of one source after another, on an SSRC of the bridge's choice.
    pub(crate) fn on(ssrc: u32, source: VideoSettings, now: Timestamp) -> Self {
        Self {
            sources: BTreeMap::from([(source.first_ssrc, source.clone())]),
            check: StreamCheck::new(ssrc, source.header_codec()),
            source,
            ssrc,
            numbers: SequenceUnwrapper::new(),
            headers: FrameHeaderReader::default(),
            frames: FrameBuffer::default(),
            nacks: NackList::default(),
            playback: Playback::default(),
            truth: BTreeSet::new(),
            newest_number: i64::MIN,
            needs_key_frame: true,
            patience_ends: Timestamp::FAR_FUTURE,
            last_packet: None,
            next_nack: now,
            round_trip: DEFAULT_ROUND_TRIP,
            counters: VideoReceiverCounters::default(),
            bytes: Vec::new(),
            pauses: 0,
            newest: None,
            clock_offset: None,
            doubtful_reports: 0,
            due: Timestamp::FAR_FUTURE,
        }
    }

    /// Takes a packet of the source's SSRC, or one that came as its retransmission.
    pub(crate) fn handle_packet(
        &mut self,
        now: Timestamp,
        header: &RtpHeader,
        packet: &[u8],
        descriptor: Option<&[u8]>,
        is_retransmission: bool,
    ) {
        self.take_packet(now, header, packet, descriptor, is_retransmission);
        self.set_due();
    }

    fn take_packet(
        &mut self,
        now: Timestamp,
        header: &RtpHeader,
        packet: &[u8],
        descriptor: Option<&[u8]>,
        is_retransmission: bool,
    ) {
        let payload = header.payload(packet);
        self.note_bytes(now, packet.len());
        let index = self.numbers.update(header.sequence_number);
        if payload.is_empty() {
            self.counters.padding += 1;
            self.take_number(now, index, None, header, (0, 0), is_retransmission);
            return self.decode(now);
        }
        let Some(Ok(stamp)) = FrameStamp::find(payload) else {
            return self.note(now, ViolationKind::DamagedPayload(header.sequence_number));
        };
        let Some(source) = self.sources.get(&stamp.source) else {
            return self.note(now, ViolationKind::OtherSource);
        };
        if stamp.source != self.source.first_ssrc && index > self.newest_number {
            self.source = source.clone();
            self.begin_source();
        }
        self.newest_number = self.newest_number.max(index);
        let codec = SimulatedCodec::of_payload_type(header.payload_type)
            .filter(|codec| *codec != self.source.codec);
        let frame = self.headers.read(
            codec.unwrap_or(self.source.header_codec()),
            header.timestamp,
            header.marker,
            payload,
            descriptor,
        );
        // A descriptor tells its frame's number even where its structure is not known.
        let number = descriptor.and_then(|data| Some([*data.get(1)?, *data.get(2)?]));
        let number = number.map_or(0, u16::from_be_bytes);
        let ids = frame.as_ref().map_or((number, 0), |f| (f.wire_id, f.tl0_picture_index));
        if !self.take_number(now, index, Some(stamp), header, ids, is_retransmission) {
            return;
        }
        let is_first = self.last_packet.replace(now).is_none();
        if is_first {
            self.patience_ends = now + KEY_FRAME_PATIENCE;
        }
        if stamp.source == self.source.first_ssrc {
            self.newest = Some((header.timestamp, stamp.capture));
        }
        let Some(frame) = frame else {
            self.counters.unplaced += 1;
            return;
        };
        if frame.key && frame.starts && !stamp.key {
            self.note(now, ViolationKind::FalseKeyFrame(header.sequence_number));
        }
        self.frames.add(now, index, frame, (header.timestamp, header.marker), stamp);
        self.decode(now);
    }

    /// Another source may come on the SSRC.
    pub(crate) fn admit(&mut self, source: &VideoSettings) {
        self.sources.entry(source.first_ssrc).or_insert_with(|| source.clone());
    }

    /// The picture before stands until there is one of the new source: that is no freeze.
    fn begin_source(&mut self) {
        self.playback.pause();
        self.newest = None;
        self.clock_offset = None;
        self.doubtful_reports = 0;
    }

    /// What is to be asked for; to be called until there is nothing.
    pub(crate) fn poll(&mut self, now: Timestamp) -> Option<ReceiverRequest> {
        if self.due > now {
            return None;
        }
        let request = self.take_turn(now);
        self.set_due();
        request
    }

    fn take_turn(&mut self, now: Timestamp) -> Option<ReceiverRequest> {
        self.decode(now);
        if now >= self.patience_ends {
            let patience = if self.needs_key_frame { KEY_FRAME_PATIENCE } else { FRAME_PATIENCE };
            self.patience_ends = now + patience;
            if self.last_packet.is_some_and(|at| now.since(at) < STREAM_IS_ACTIVE) {
                self.counters.key_frame_requests += 1;
                return Some(ReceiverRequest::KeyFrame);
            }
        }
        if now >= self.next_nack && !self.nacks.is_empty() {
            self.next_nack = now + NACK_INTERVAL;
            let numbers = self.nacks.due(now, self.round_trip);
            self.counters.nacked = self.nacks.asked();
            if !numbers.is_empty() {
                return Some(ReceiverRequest::Nack(numbers));
            }
        }
        None
    }

    /// When to poll next.
    pub(crate) fn poll_timeout(&self) -> Timestamp {
        self.due
    }

    fn set_due(&mut self) {
        let nack = if self.nacks.is_empty() { Timestamp::FAR_FUTURE } else { self.next_nack };
        let frame = self.frames.poll_timeout(JITTER_DELAY, |index| self.check.is_padding(index));
        self.due = nack.min(frame).min(self.patience_ends);
    }

    /// The measured round trip, for the time between two NACKs.
    pub(crate) fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// A retransmission without content, which only looks for bandwidth.
    pub(crate) fn note_probe(&mut self, now: Timestamp, bytes: usize) {
        self.counters.padding += 1;
        self.note_bytes(now, bytes);
    }

    /// What the bridge says of the stream: with every report the same picture must be placed at the
    /// same time.
    pub(crate) fn handle_sender_report(&mut self, now: Timestamp, info: &SenderInfo) {
        self.counters.sender_reports += 1;
        if let Some((timestamp, capture)) = self.newest {
            self.check_report(now, info, timestamp, capture);
        }
    }

    /// The bridge said that it does not forward the source now: nothing is missed until it comes
    /// again.
    pub(crate) fn pause(&mut self) {
        self.playback.pause();
        self.pauses += 1;
        self.patience_ends = Timestamp::FAR_FUTURE;
        self.last_packet = None;
        self.set_due();
    }

    /// How often it was paused.
    pub(crate) fn pauses(&self) -> u64 {
        self.pauses
    }

    /// What was shown.
    pub fn playback(&self) -> &Playback {
        &self.playback
    }

    /// What was counted.
    pub fn counters(&self) -> VideoReceiverCounters {
        VideoReceiverCounters { switches: self.check.switches(), ..self.counters }
    }

    /// What was broken.
    pub fn violations(&self) -> &Violations {
        &self.check.violations
    }

    /// How often another source began.
    pub(crate) fn remaps(&self) -> u64 {
        self.check.remaps()
    }

    /// All sources that came.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &VideoSettings> {
        self.sources.values()
    }

    /// The source, the last one if there were several.
    pub fn source(&self) -> &VideoSettings {
        &self.source
    }

    /// The SSRC that it arrives on.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The newest number of media.
    pub fn newest_number(&self) -> u16 {
        (self.newest_number & 0xffff) as u16
    }

    /// Numbers between the first and the last that never came.
    pub fn unreceived(&self) -> Vec<u16> {
        self.check.unreceived()
    }

    /// Packets that came twice.
    pub fn duplicates(&self) -> u64 {
        self.check.duplicates()
    }

    /// The largest difference between a switch's step in timestamps and the time between the
    /// captures of the two pictures, in ticks.
    pub fn worst_switch_error(&self) -> i32 {
        self.check.worst_switch_error()
    }

    /// Bytes received in each tenth of a second since the simulation's zero.
    pub fn bytes(&self) -> &[u64] {
        &self.bytes
    }

    fn take_number(
        &mut self,
        now: Timestamp,
        index: i64,
        stamp: Option<FrameStamp>,
        header: &RtpHeader,
        (wire_id, tl0_picture_index): (u16, u8),
        is_retransmission: bool,
    ) -> bool {
        let number = ReceivedNumber {
            stamp,
            timestamp: header.timestamp,
            marker: header.marker,
            wire_id,
            tl0_picture_index,
        };
        let is_new = self.check.add(now, index, number);
        if !is_new {
            self.counters.useless_retransmissions += u64::from(is_retransmission);
            return false;
        }
        self.counters.packets += u64::from(stamp.is_some());
        self.counters.recovered += u64::from(is_retransmission);
        if self.nacks.add(index) {
            self.needs_key_frame = true;
            self.patience_ends = now;
        }
        true
    }

    fn decode(&mut self, now: Timestamp) {
        loop {
            let check = &self.check;
            let frames = self.frames.pop(now, JITTER_DELAY, |index| check.is_padding(index));
            let Some(top) = frames.last().copied() else { return };
            for frame in frames {
                self.decode_frame(now, frame);
            }
            let stamp = top.stamp;
            self.playback.show(ShownPicture {
                // A picture that had to wait for others is shown with them.
                at: now.max(top.completed),
                height: self.height(&stamp),
                temporal: stamp.temporal,
                capture: stamp.capture,
                source: stamp.source,
            });
        }
    }

    fn decode_frame(&mut self, now: Timestamp, frame: DecodableFrame) {
        let stamp = frame.stamp;
        for referred in stamp.referred_frames() {
            if !self.truth.contains(&(stamp.source, stamp.encoding, referred)) {
                let kind = ViolationKind::CorruptFrame { frame: stamp.frame, missing: referred };
                self.note(now, kind);
            }
        }
        self.truth.insert((stamp.source, stamp.encoding, stamp.frame));
        if self.truth.len() > MAX_TRUTH {
            let oldest = stamp.frame.saturating_sub(MAX_TRUTH as u32 / 2);
            let now = (stamp.source, stamp.encoding);
            self.truth
                .retain(|(source, encoding, frame)| (*source, *encoding) == now && *frame > oldest);
        }
        self.counters.frames += 1;
        self.counters.key_frames += u64::from(frame.key);
        self.needs_key_frame = false;
        self.patience_ends = now + FRAME_PATIENCE;
        self.nacks.forget_until(frame.last_number);
    }

    fn check_report(&mut self, now: Timestamp, info: &SenderInfo, timestamp: u32, capture: u32) {
        let since_report = timestamp.wrapping_sub(info.rtp_timestamp).cast_signed();
        let report_ms = (u128::from(info.ntp_timestamp) * 1_000) >> 32;
        let picture_ms = report_ms as i64 + i64::from(since_report) / 90;
        let offset = picture_ms - i64::from(capture) / 90;
        let before = *self.clock_offset.get_or_insert(offset);
        let is_right = (offset - before).abs() <= MAX_REPORT_ERROR_MS;
        // The report of another source's end or beginning may pass its media.
        let is_doubtful = self.sources.len() > 1 && self.doubtful_reports == 0;
        self.doubtful_reports = if is_right { 0 } else { self.doubtful_reports + 1 };
        if !is_right && !is_doubtful {
            self.note(now, ViolationKind::SenderReportOff(offset - before));
        }
    }

    fn height(&self, stamp: &FrameStamp) -> u16 {
        let source = self.sources.get(&stamp.source);
        source.map_or(0, |source| source.height(stamp.encoding, stamp.spatial))
    }

    fn note_bytes(&mut self, now: Timestamp, bytes: usize) {
        let index = (now.as_millis() / 100) as usize;
        if self.bytes.len() <= index {
            self.bytes.resize(index + 1, 0);
        }
        self.bytes[index] += bytes as u64;
    }

    fn note(&mut self, now: Timestamp, kind: ViolationKind) {
        self.check.violations.note(now, self.ssrc, kind);
    }
}

/// libwebrtc asks for a key frame after 200 ms without one at the start, ...
const KEY_FRAME_PATIENCE: Duration = Duration::from_millis(200);
/// ... and after three seconds without a frame later.
const FRAME_PATIENCE: Duration = Duration::from_secs(3);
/// It does not ask while nothing comes.
const STREAM_IS_ACTIVE: Duration = Duration::from_secs(5);
/// How long later frames wait for missing ones: some jitter buffer's depth under loss.
const JITTER_DELAY: Duration = Duration::from_millis(100);
const NACK_INTERVAL: Duration = Duration::from_millis(20);
const DEFAULT_ROUND_TRIP: Duration = Duration::from_millis(100);
/// Pictures heard and seen this far apart are noticed.
const MAX_REPORT_ERROR_MS: i64 = 100;
const MAX_TRUTH: usize = 1_000;
