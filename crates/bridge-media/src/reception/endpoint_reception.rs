use std::time::Duration;

use bridge_rtp::rtcp::SenderInfo;
use bridge_rtp::{
    AudioLevel, HeaderExtensionIds, RtpHeader, RtpPacketMut, VideoLayersAllocation, rtx_decapsulate,
};
use bridge_units::{MediaType, SourceId, Timestamp};

use super::audio_streams::AudioStreams;
use super::payload_types::{PayloadKind, PayloadTypes, ReceivedPayloadType};
use super::received::{
    Received, ReceivedAudio, ReceivedVideo, ReceptionCounters, ReceptionRefusal,
};
use super::sources::{MAX_RECEIVED_SOURCES, ReceivedSource};
use super::ssrc_roles::{SsrcRole, SsrcRoles};
use super::video_source::{VideoInput, VideoSource, VideoStream};
use crate::audio::SilenceConfig;
use crate::source::{MAX_ENCODINGS, MediaSource};
use crate::source_layers::SourceLayers;

/// What one endpoint sends: the stages between authentication and forwarding (JVB:
/// `RtpReceiverImpl`).
///
/// Retransmissions become originals, duplicates and padding go, frames are recognised, layers are
/// measured, and what is missing is asked for again. The numbers of each SSRC leave without the gaps
/// of what was left out, and none leaves twice.
#[derive(Debug)]
pub struct EndpointReception {
    payload_types: PayloadTypes,
    extension_ids: HeaderExtensionIds,
    audio: AudioStreams,
    video: Vec<VideoSource>,
    roles: SsrcRoles,
    mute_audio: bool,
    mute_video: bool,
    forward_audio: bool,
    /// No later than the first request for missing packets.
    next_nack: Timestamp,
    /// No later than the first report of layers.
    next_layers: Timestamp,
    counters: ReceptionCounters,
}

impl EndpointReception {
    /// Of an endpoint that has negotiated nothing yet, so that all its packets are refused.
    pub fn new() -> Self {
        Self::with_silence(SilenceConfig::default())
    }

    /// The same, with settings for how much silence is forwarded.
    pub fn with_silence(silence: SilenceConfig) -> Self {
        Self {
            payload_types: PayloadTypes::new([]),
            extension_ids: HeaderExtensionIds::default(),
            audio: AudioStreams::new(silence),
            video: Vec::new(),
            roles: SsrcRoles::default(),
            mute_audio: false,
            mute_video: false,
            forward_audio: true,
            next_nack: Timestamp::FAR_FUTURE,
            next_layers: Timestamp::FAR_FUTURE,
            counters: ReceptionCounters::default(),
        }
    }

    /// Sets all payload types that the endpoint negotiated.
    pub fn set_payload_types<'a>(
        &mut self,
        types: impl IntoIterator<Item = ReceivedPayloadType<'a>>,
    ) {
        self.payload_types = PayloadTypes::new(types);
    }

    /// Sets the ids of the header extensions in the endpoint's packets.
    pub fn set_extension_ids(&mut self, ids: HeaderExtensionIds) {
        self.extension_ids = ids;
    }

    /// Sets all sources that the endpoint signals. Known ones keep what was learned of them, SSRCs
    /// their numbers; what is not among them is forgotten.
    ///
    /// An SSRC that is signalled twice belongs to the first.
    pub fn set_sources<'a>(&mut self, sources: impl IntoIterator<Item = &'a ReceivedSource>) {
        let mut known = std::mem::take(&mut self.video);
        self.roles = SsrcRoles::default();
        let mut audio: Vec<(u32, SourceId, u8)> = Vec::new();
        for (count, source) in sources.into_iter().enumerate() {
            if count >= MAX_RECEIVED_SOURCES {
                self.counters.refused_signaling += 1;
                continue;
            }
            self.counters.refused_signaling +=
                source.encodings.len().saturating_sub(MAX_ENCODINGS) as u64;
            match source.media {
                MediaType::Video => self.add_video_source(source, &mut known),
                MediaType::Audio => {
                    let encodings = (0_u8..).zip(source.encodings.iter().take(MAX_ENCODINGS));
                    for (place, encoding) in encodings {
                        let taken = audio.iter().any(|(ssrc, ..)| *ssrc == encoding.primary);
                        self.counters.refused_signaling += u64::from(taken);
                        if !taken {
                            audio.push((encoding.primary, source.id, place));
                        }
                    }
                }
            }
        }
        self.audio.announce(&audio);
    }

    /// Discards audio or video, whatever it is, until told otherwise.
    ///
    /// Differs from JVB: audio is muted whether or not its packets have a level, and lost packets of
    /// muted video are not asked for again.
    pub fn set_force_mute(&mut self, audio: bool, video: bool) {
        if self.mute_video && !video {
            let streams = self.video.iter_mut().flat_map(|source| &mut source.streams);
            streams.for_each(VideoStream::forget_missing);
        }
        (self.mute_audio, self.mute_video) = (audio, video);
    }

    /// Whether the endpoint is among those whose audio is forwarded; otherwise only its level counts.
    /// True at first. What is left out meanwhile leaves no gap.
    pub fn set_audio_forwarded(&mut self, forwarded: bool) {
        self.forward_audio = forwarded;
    }

    /// Takes an RTP packet after decryption, with its header as parsed then. Rewrites it in place.
    ///
    /// # Errors
    /// Why it is not forwarded; also counted.
    pub fn handle_rtp<'p>(
        &mut self,
        now: Timestamp,
        packet: &'p mut [u8],
        header: &RtpHeader,
    ) -> Result<Received<'p>, ReceptionRefusal> {
        let outcome = self.receive(now, packet, header);
        self.counters.note(&outcome);
        outcome
    }

    /// Takes a sender report; answers the source that it is about with the encoding's index, if it
    /// is a signalled one.
    pub fn handle_sender_report(
        &mut self,
        now: Timestamp,
        report: &SenderInfo,
    ) -> Option<(SourceId, u8)> {
        let Some(role) = self.roles.find(report.ssrc) else {
            return self.audio.source(report.ssrc);
        };
        if role.repairs.is_some() {
            return None;
        }
        let source = self.video.get_mut(role.source)?;
        let stream = source.streams.get_mut(usize::from(role.encoding))?;
        stream.clock.handle_sender_report(now, report.ntp_timestamp, report.rtp_timestamp);
        Some((source.id, role.encoding))
    }

    /// Tells `ask` the SSRC and the missing packets of each encoding of which some are to be asked
    /// for now. They count as asked for.
    pub fn poll_nack(
        &mut self,
        now: Timestamp,
        round_trip: Option<Duration>,
        mut ask: impl FnMut(u32, &mut dyn Iterator<Item = u16>),
    ) {
        if now < self.next_nack {
            return;
        }
        self.next_nack = Timestamp::FAR_FUTURE;
        for stream in self.video.iter_mut().flat_map(|source| &mut source.streams) {
            if stream.missing.poll_timeout().is_some_and(|due| due <= now) {
                let before = stream.missing.requested();
                let mut numbers = stream.missing.poll_nack(now, round_trip).peekable();
                if numbers.peek().is_some() {
                    ask(stream.ssrc, &mut numbers);
                }
                drop(numbers);
                self.counters.nacked += stream.missing.requested() - before;
            }
            if let Some(due) = stream.missing.poll_timeout() {
                self.next_nack = self.next_nack.min(due);
            }
        }
    }

    /// The SSRC of an encoding that needs a key frame, since packets of it were lost for good; each
    /// once.
    pub fn poll_keyframe_wish(&mut self) -> Option<u32> {
        let mut streams = self.video.iter_mut().flat_map(|source| &mut source.streams);
        streams.find_map(|stream| stream.missing.take_keyframe_wish().then_some(stream.ssrc))
    }

    /// What a source sends, if the control plane has to know: at once when its layers change or
    /// begin to carry something, soon when one goes silent, and every second while it sends. To be
    /// asked until there is nothing.
    pub fn poll_layers(&mut self, now: Timestamp) -> Option<(SourceId, SourceLayers)> {
        if now < self.next_layers {
            return None;
        }
        for source in &mut self.video {
            if let Some(layers) = source.report.poll(now, &source.source) {
                return Some((source.id, layers));
            }
        }
        let timeouts = self.video.iter().map(|source| source.report.poll_timeout());
        self.next_layers = timeouts.min().unwrap_or(Timestamp::FAR_FUTURE);
        None
    }

    /// When [`Self::poll_nack`] or [`Self::poll_layers`] may have something, at the earliest.
    pub fn poll_timeout(&self) -> Timestamp {
        self.next_nack.min(self.next_layers)
    }

    /// Whether one of them has something that packets have brought about: what only time has can wait
    /// for a timer.
    pub fn is_urgent(&self, now: Timestamp) -> bool {
        self.next_nack <= now || self.video.iter().any(|source| source.report.is_urgent(now))
    }

    /// What a source sends now; `None` for unknown sources.
    pub fn layers(&self, now: Timestamp, source: SourceId) -> Option<SourceLayers> {
        let source = self.video.iter().find(|known| known.id == source)?;
        Some(SourceLayers::of(&source.source, now))
    }

    /// What happened so far.
    pub const fn counters(&self) -> &ReceptionCounters {
        &self.counters
    }

    fn receive<'p>(
        &mut self,
        now: Timestamp,
        packet: &'p mut [u8],
        header: &RtpHeader,
    ) -> Result<Received<'p>, ReceptionRefusal> {
        let kind = self.payload_types.kind(header.payload_type);
        let kind = kind.ok_or(ReceptionRefusal::UnknownPayloadType)?;
        let (header, packet) = without_padding(packet, *header);
        match kind {
            PayloadKind::Audio => self.receive_audio(now, packet, header),
            PayloadKind::Rtx(payload_type) => {
                let role = self.roles.find(header.ssrc).ok_or(ReceptionRefusal::UnknownRtx)?;
                let ssrc = role.repairs.ok_or(ReceptionRefusal::OtherStream)?;
                if self.payload_types.codec(payload_type).is_none() {
                    return Err(ReceptionRefusal::UnknownPayloadType);
                }
                let (header, packet) = rtx_decapsulate(packet, &header, payload_type, ssrc)
                    .map_err(|_| ReceptionRefusal::Probe)?;
                self.receive_video(now, packet, header, role)
            }
            PayloadKind::Video(_) | PayloadKind::Fec => {
                let role = self.roles.find(header.ssrc).ok_or(ReceptionRefusal::UnknownSsrc)?;
                if role.repairs.is_some() {
                    return Err(ReceptionRefusal::OtherStream);
                }
                self.receive_video(now, packet, header, role)
            }
        }
    }

    fn receive_audio<'p>(
        &mut self,
        now: Timestamp,
        packet: &'p mut [u8],
        header: RtpHeader,
    ) -> Result<Received<'p>, ReceptionRefusal> {
        if self.roles.find(header.ssrc).is_some() {
            return Err(ReceptionRefusal::OtherStream);
        }
        let level = self
            .extension_ids
            .audio_level
            .and_then(|id| header.extension_data(packet, id))
            .and_then(AudioLevel::parse);
        let stream = self.audio.stream_mut(now, header.ssrc)?;
        let place = stream.numbers.place(header.sequence_number, false)?;
        self.counters.restarts += u64::from(place.restarts);
        let source = stream.source.map(|(source, _)| source);
        let is_empty = packet.len() <= header.header_len();
        if let Err(refusal) = stream.judge(level, is_empty, self.mute_audio) {
            stream.numbers.leave_out(place.index);
            return Err(refusal);
        }
        // As in JVB, only those that tell how loud they are can be too quiet.
        if let Some(level) = level.filter(|_| !self.forward_audio) {
            stream.numbers.leave_out(place.index);
            return Ok(Received::AudioLevel { source, level });
        }
        let number = stream.numbers.keep(place.index)?;
        let (header, bytes) = renumbered(packet, header, number);
        Ok(Received::Audio(ReceivedAudio { source, level, header, bytes }))
    }

    fn receive_video<'p>(
        &mut self,
        now: Timestamp,
        packet: &'p mut [u8],
        header: RtpHeader,
        role: SsrcRole,
    ) -> Result<Received<'p>, ReceptionRefusal> {
        let source = self.video.get_mut(role.source).ok_or(ReceptionRefusal::UnknownSsrc)?;
        let stream = source
            .streams
            .get_mut(usize::from(role.encoding))
            .ok_or(ReceptionRefusal::UnknownSsrc)?;
        let sent_again = role.repairs.is_some();
        let place = stream.numbers.place(header.sequence_number, sent_again)?;
        if place.restarts {
            self.counters.restarts += 1;
            stream.restart();
        }
        if self.mute_video {
            stream.numbers.leave_out(place.index);
            return Err(ReceptionRefusal::Muted);
        }
        stream.missing.handle_packet(now, header.sequence_number);
        if let Some(due) = stream.missing.poll_timeout() {
            self.next_nack = self.next_nack.min(due);
        }
        let input = VideoInput {
            header,
            bytes: packet,
            codec: self.payload_types.codec(header.payload_type),
            dependency_descriptor: self.extension_ids.dependency_descriptor,
        };
        let described = source.describe(now, role.encoding, place.index, &input)?;
        if let Some(data) = self
            .extension_ids
            .video_layers_allocation
            .and_then(|id| header.extension_data(packet, id))
        {
            match VideoLayersAllocation::parse(data) {
                Some(allocation) => source.source.handle_layers_allocation(&allocation),
                None => self.counters.malformed_allocations += 1,
            }
        }
        self.next_layers = self.next_layers.min(source.report.poll_timeout());
        self.counters.recovered += u64::from(sent_again);
        let (header, bytes) = renumbered(packet, header, described.sequence_number);
        Ok(Received::Video(ReceivedVideo { source: source.id, packet: described, header, bytes }))
    }

    /// Takes a video source over from `known`, or begins it.
    fn add_video_source(&mut self, signaled: &ReceivedSource, known: &mut Vec<VideoSource>) {
        let encodings = signaled.encodings.iter().take(MAX_ENCODINGS);
        let position = self.video.len();
        for (index, encoding) in (0_u8..).zip(encodings.clone()) {
            let role = SsrcRole { source: position, encoding: index, repairs: None };
            let rtx_role = SsrcRole { repairs: Some(encoding.primary), ..role };
            let is_new = self.roles.insert(encoding.primary, role);
            self.counters.refused_signaling += u64::from(!is_new);
            if let Some(rtx) = encoding.rtx.filter(|_| is_new) {
                let is_new = self.roles.insert(rtx, rtx_role);
                self.counters.refused_signaling += u64::from(!is_new);
            }
        }
        let same_id = known.iter().position(|source| source.id == signaled.id);
        let pairs = encodings.map(|encoding| (encoding.primary, encoding.rtx));
        let source = match same_id.map(|place| known.swap_remove(place)) {
            Some(source) => source.signaled_again(signaled.video_type, pairs),
            None => VideoSource::new(signaled.id, MediaSource::new(signaled.video_type, pairs)),
        };
        self.next_layers = self.next_layers.min(source.report.poll_timeout());
        self.video.push(source);
    }
}

impl Default for EndpointReception {
    fn default() -> Self {
        Self::new()
    }
}

fn without_padding(packet: &mut [u8], header: RtpHeader) -> (RtpHeader, &mut [u8]) {
    let len = RtpPacketMut::new(header, packet).remove_padding();
    let mut header = header;
    header.has_padding = false;
    (header, packet.get_mut(..len).unwrap_or_default())
}

fn renumbered(packet: &mut [u8], header: RtpHeader, number: u16) -> (RtpHeader, &[u8]) {
    let mut writer = RtpPacketMut::new(header, packet);
    writer.set_sequence_number(number);
    (*writer.header(), packet)
}
