use bridge_rtp::RtpHeader;
use bridge_units::{DataSize, SourceId, Timestamp};

use super::layers_report::LayersReport;
use super::received::ReceptionRefusal;
use super::stream_numbers::StreamNumbers;
use crate::frame_parser::FrameParser;
use crate::nack::MissingPackets;
use crate::sender_clock::SenderClock;
use crate::source::{MediaSource, VideoType};
use crate::video_codec::VideoCodec;
use crate::video_packet::{FrameDescription, VideoPacket};

/// A video source of an endpoint with what was received of it.
#[derive(Debug)]
pub(super) struct VideoSource {
    pub(super) id: SourceId,
    pub(super) source: MediaSource,
    /// As many as the source has encodings.
    pub(super) streams: Vec<VideoStream>,
    pub(super) report: LayersReport,
}

/// One received video SSRC.
#[derive(Debug)]
pub(super) struct VideoStream {
    pub(super) ssrc: u32,
    pub(super) numbers: StreamNumbers,
    pub(super) missing: MissingPackets,
    pub(super) clock: SenderClock,
    parser: FrameParser,
}

/// A packet of a video source, as original and without padding.
#[derive(Clone, Copy, Debug)]
pub(super) struct VideoInput<'p> {
    pub(super) header: RtpHeader,
    pub(super) bytes: &'p [u8],
    /// By its payload type; `None` for what no receiver gets.
    pub(super) codec: Option<VideoCodec>,
    pub(super) dependency_descriptor: Option<u8>,
}

impl VideoSource {
    pub(super) fn new(id: SourceId, source: MediaSource) -> Self {
        let streams =
            source.encodings().iter().map(|encoding| VideoStream::new(encoding.primary_ssrc));
        Self { id, streams: streams.collect(), source, report: LayersReport::new() }
    }

    /// Recognises the frame of a packet and measures it; answers the packet with its new number.
    pub(super) fn describe(
        &mut self,
        now: Timestamp,
        encoding: u8,
        index: i64,
        input: &VideoInput<'_>,
    ) -> Result<VideoPacket, ReceptionRefusal> {
        let stream =
            self.streams.get_mut(usize::from(encoding)).ok_or(ReceptionRefusal::UnknownSsrc)?;
        let packet = stream.describe(now, encoding, index, input)?;
        let size = DataSize::from_bytes(input.bytes.len() as u64);
        let change = self.source.handle_packet(&packet, size);
        self.report.handle_packet(now, change);
        Ok(packet)
    }

    /// Takes what is signalled now. With the same media SSRCs, what was learned stays (as in JVB);
    /// an SSRC keeps its numbers in any case.
    pub(super) fn signaled_again(
        mut self,
        video_type: VideoType,
        encodings: impl Iterator<Item = (u32, Option<u32>)>,
    ) -> Self {
        let signaled = MediaSource::new(video_type, encodings);
        if self.source.has_encodings_of(&signaled) {
            self.source.video_type = video_type;
            return self;
        }
        let streams = signaled.encodings().iter().map(|encoding| {
            let ssrc = encoding.primary_ssrc;
            let known = self.streams.iter().position(|stream| stream.ssrc == ssrc);
            known.map_or_else(|| VideoStream::new(ssrc), |place| self.streams.swap_remove(place))
        });
        let streams = streams.collect();
        Self { id: self.id, source: signaled, streams, report: LayersReport::due() }
    }
}

impl VideoStream {
    pub(super) fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            numbers: StreamNumbers::default(),
            missing: MissingPackets::new(),
            clock: SenderClock::default(),
            parser: FrameParser::default(),
        }
    }

    /// Forgets what belonged to the numbers before.
    pub(super) fn restart(&mut self) {
        *self = Self { numbers: std::mem::take(&mut self.numbers), ..Self::new(self.ssrc) };
    }

    pub(super) fn forget_missing(&mut self) {
        self.missing = MissingPackets::new();
    }

    fn describe(
        &mut self,
        now: Timestamp,
        encoding: u8,
        index: i64,
        input: &VideoInput<'_>,
    ) -> Result<VideoPacket, ReceptionRefusal> {
        let header = &input.header;
        match self.parse(input) {
            Ok(frame) => Ok(VideoPacket {
                encoding,
                ssrc: header.ssrc,
                sequence_number: self.numbers.keep(index)?,
                timestamp: header.timestamp,
                marker: header.marker,
                payload_type: header.payload_type,
                received: now,
                capture: self.clock.capture_time(header.timestamp),
                frame,
            }),
            Err(refused) => {
                self.numbers.leave_out(index);
                Err(refused)
            }
        }
    }

    fn parse(&mut self, input: &VideoInput<'_>) -> Result<FrameDescription, ReceptionRefusal> {
        let payload = input.header.payload(input.bytes);
        if payload.is_empty() {
            return Err(ReceptionRefusal::PaddingOnly);
        }
        let codec = input.codec.ok_or(ReceptionRefusal::Fec)?;
        let descriptor =
            input.dependency_descriptor.and_then(|id| input.header.extension_data(input.bytes, id));
        self.parser
            .parse(codec, input.header.sequence_number, payload, descriptor)
            .map_err(|_| ReceptionRefusal::MalformedDescriptor)
    }
}
