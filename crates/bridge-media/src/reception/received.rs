use std::error::Error;
use std::fmt;

use bridge_rtp::{AudioLevel, RtpHeader};
use bridge_units::SourceId;

use crate::video_packet::VideoPacket;

/// What became of a packet that was not refused.
#[derive(Clone, Debug)]
pub enum Received<'p> {
    /// Sound to be offered to receivers.
    Audio(ReceivedAudio<'p>),
    /// Sound that is not forwarded because others are louder
    /// ([`super::EndpointReception::set_audio_forwarded`]); only its level counts.
    AudioLevel {
        /// Whose sound, if its SSRC is signalled.
        source: Option<SourceId>,
        /// How loud.
        level: AudioLevel,
    },
    /// A part of a picture to be offered to receivers.
    Video(ReceivedVideo<'p>),
}

/// An audio packet to be forwarded.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedAudio<'p> {
    /// Whose sound, if its SSRC is signalled.
    pub source: Option<SourceId>,
    /// How loud, if the sender tells.
    pub level: Option<AudioLevel>,
    /// The header's values, as in `bytes`.
    pub header: RtpHeader,
    /// The packet without padding, numbered without gaps of what was left out.
    pub bytes: &'p [u8],
}

/// A video packet to be forwarded.
#[derive(Clone, Debug)]
pub struct ReceivedVideo<'p> {
    /// The source that it belongs to.
    pub source: SourceId,
    /// What its codec tells of it; the values of the header are those of `header`.
    pub packet: VideoPacket,
    /// The header's values, as in `bytes`.
    pub header: RtpHeader,
    /// The packet without padding, unwrapped if it was a retransmission, numbered without gaps of
    /// what was left out.
    pub bytes: &'p [u8],
}

/// Why a packet is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceptionRefusal {
    /// Its payload type is not negotiated, or it is a retransmission of one that is not.
    UnknownPayloadType,
    /// Its SSRC is no encoding of a signalled video source.
    UnknownSsrc,
    /// Its SSRC is no retransmission of a signalled encoding.
    UnknownRtx,
    /// Its payload type does not fit what its SSRC is signalled for.
    OtherStream,
    /// More unannounced audio SSRCs than [`super::MAX_UNANNOUNCED_AUDIO`].
    TooManyStreams,
    /// A retransmission without an original: a bandwidth probe.
    Probe,
    /// It came before, or it was sent again and came anyway.
    Duplicate,
    /// Older than any reordering, or a retransmission of what was not sent yet.
    OutOfRange,
    /// Nothing but padding.
    PaddingOnly,
    /// Forward error correction.
    Fec,
    /// The endpoint's audio or video is muted by the conference.
    Muted,
    /// Silence, of which the receivers have enough.
    Silence,
    /// Its codec descriptor cannot be read.
    MalformedDescriptor,
}

/// What an endpoint's reception has done; refused packets by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceptionCounters {
    /// Audio packets to be forwarded.
    pub audio: u64,
    /// Audio packets of which only the level counted.
    pub audio_not_forwarded: u64,
    /// Video packets to be forwarded.
    pub video: u64,
    /// Those of them that came as retransmissions.
    pub recovered: u64,
    /// [`ReceptionRefusal::UnknownPayloadType`].
    pub unknown_payload_type: u64,
    /// [`ReceptionRefusal::UnknownSsrc`].
    pub unknown_ssrc: u64,
    /// [`ReceptionRefusal::UnknownRtx`].
    pub unknown_rtx: u64,
    /// [`ReceptionRefusal::OtherStream`].
    pub other_stream: u64,
    /// [`ReceptionRefusal::TooManyStreams`].
    pub too_many_streams: u64,
    /// [`ReceptionRefusal::Probe`].
    pub probes: u64,
    /// [`ReceptionRefusal::Duplicate`].
    pub duplicates: u64,
    /// [`ReceptionRefusal::OutOfRange`].
    pub out_of_range: u64,
    /// [`ReceptionRefusal::PaddingOnly`].
    pub padding_only: u64,
    /// [`ReceptionRefusal::Fec`].
    pub fec: u64,
    /// [`ReceptionRefusal::Muted`].
    pub muted: u64,
    /// [`ReceptionRefusal::Silence`].
    pub silence: u64,
    /// [`ReceptionRefusal::MalformedDescriptor`].
    pub malformed_descriptors: u64,
    /// Layers allocations that cannot be read; their packets count where they belong.
    pub malformed_allocations: u64,
    /// Runs of numbers that began anew in the middle of a stream.
    pub restarts: u64,
    /// Packets asked for again, each as often as it was.
    pub nacked: u64,
    /// Signalled SSRCs that were taken already, and sources or encodings beyond their bounds.
    pub refused_signaling: u64,
}

impl ReceptionCounters {
    pub(super) fn note(&mut self, outcome: &Result<Received<'_>, ReceptionRefusal>) {
        *match outcome {
            Ok(Received::Audio(_)) => &mut self.audio,
            Ok(Received::AudioLevel { .. }) => &mut self.audio_not_forwarded,
            Ok(Received::Video(_)) => &mut self.video,
            Err(ReceptionRefusal::UnknownPayloadType) => &mut self.unknown_payload_type,
            Err(ReceptionRefusal::UnknownSsrc) => &mut self.unknown_ssrc,
            Err(ReceptionRefusal::UnknownRtx) => &mut self.unknown_rtx,
            Err(ReceptionRefusal::OtherStream) => &mut self.other_stream,
            Err(ReceptionRefusal::TooManyStreams) => &mut self.too_many_streams,
            Err(ReceptionRefusal::Probe) => &mut self.probes,
            Err(ReceptionRefusal::Duplicate) => &mut self.duplicates,
            Err(ReceptionRefusal::OutOfRange) => &mut self.out_of_range,
            Err(ReceptionRefusal::PaddingOnly) => &mut self.padding_only,
            Err(ReceptionRefusal::Fec) => &mut self.fec,
            Err(ReceptionRefusal::Muted) => &mut self.muted,
            Err(ReceptionRefusal::Silence) => &mut self.silence,
            Err(ReceptionRefusal::MalformedDescriptor) => &mut self.malformed_descriptors,
        } += 1;
    }
}

impl fmt::Display for ReceptionRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownPayloadType => "payload type is not negotiated",
            Self::UnknownSsrc => "SSRC is no encoding of a signalled source",
            Self::UnknownRtx => "SSRC is no retransmission of a signalled encoding",
            Self::OtherStream => "payload type does not fit the SSRC",
            Self::TooManyStreams => "too many unannounced audio SSRCs",
            Self::Probe => "retransmission without an original",
            Self::Duplicate => "came before",
            Self::OutOfRange => "sequence number is out of range",
            Self::PaddingOnly => "nothing but padding",
            Self::Fec => "forward error correction is not used",
            Self::Muted => "muted by the conference",
            Self::Silence => "silence",
            Self::MalformedDescriptor => "codec descriptor cannot be read",
        })
    }
}

impl Error for ReceptionRefusal {}
