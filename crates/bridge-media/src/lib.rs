//! Per-stream work: what a source sends, what each receiver gets of it, and how losses are repaired.
//! Who speaks ([`SpeechActivity`]) and what becomes of sound ([`SilenceFilter`], [`RedStream`]).
//!
//! [`EndpointReception`] is what becomes of an endpoint's packets before they are forwarded: a
//! [`MediaSource`] knows the encodings and layers of one sent source, and [`MissingPackets`] asks the
//! sender for what was lost. A [`BandwidthAllocator`] decides which layers of which sources a receiver
//! gets. A [`SourceProjection`] turns the packets of a source into one flawless stream for one
//! receiver (JVB: `AdaptiveSourceProjection`), and [`SsrcRewriting`] puts those of many sources on few
//! SSRCs. A [`SourceHistory`] keeps the packets of a source once for all receivers. No clocks, sockets
//! or threads: times are passed in, and packets go through without allocation once their stream runs.

#![forbid(unsafe_code)]

mod allocation;
mod audio;
mod frame_parser;
mod history;
mod layer_bitrate;
mod layer_index;
mod nack;
mod projection;
mod reception;
mod renumbering;
mod retransmission;
mod sender_clock;
mod source;
mod source_layers;
mod ssrc_rewriting;
mod video_codec;
mod video_packet;

pub use allocation::{
    Allocation, AllocationChange, AllocationConfig, AllocationReason, AllocationSettings,
    AllocationSnapshot, AllocationTrigger, BandwidthAllocator, CandidateSource,
    ConferenceSizeLimits, ConstraintReceiver, LastN, MAX_CONSTRAINED_SOURCES, MaxHeight,
    SenderConstraint, SenderConstraints, SourceAllocation, VideoConstraints,
};
pub use audio::{
    AudioPacket, AudioSubscription, AudioSubscriptions, ConnectivityChange, ConnectivityConfig,
    EndpointConnectivity, LoudestConfig, LoudestRouting, LoudestSpeakers, MAX_LOST_REMEMBERED,
    MAX_RED_BLOCKS, MAX_SPEAKERS, MAX_SUBSCRIBED_NAMES, PlainAudio, REPORT_DELAY, Ranking,
    RedAction, RedBlock, RedConfig, RedDistance, RedError, RedPacket, RedPolicy, RedStream,
    SendingActivity, SilenceConfig, SilenceFilter, SpeechActivity, SpeechActivityConfig,
    SpeechEvent, write_red,
};
pub use frame_parser::{FrameParser, MAX_REMEMBERED_STRUCTURES, MalformedDescriptor};
pub use history::{
    HISTORY_TIME, HistoryEntry, MAX_HISTORY_BYTES, MAX_HISTORY_PACKETS, SourceHistory,
};
pub use layer_bitrate::{BitrateWindow, LayerBitrates};
pub use layer_index::LayerIndex;
pub use nack::{MAX_GAP, MAX_MISSING, MAX_NACKS_PER_PACKET, MissingPackets};
pub use projection::{
    Decision, PayloadRewrite, ProjectionCounters, Refusal, Rewrite, SentPacket, SourceProjection,
};
pub use reception::{
    EndpointReception, MAX_RECEIVED_SOURCES, MAX_UNANNOUNCED_AUDIO, Received, ReceivedAudio,
    ReceivedEncoding, ReceivedPayloadType, ReceivedSource, ReceivedVideo, ReceptionCounters,
    ReceptionRefusal,
};
pub use renumbering::{Renumbering, StreamRenumbering};
pub use retransmission::{
    MAX_RESENT_REMEMBERED, MAX_RTX_STREAMS, Retransmissions, RtxNumbers, resend_interval,
};
pub use sender_clock::{NtpTime, SenderClock};
pub use source::{
    Encoding, Layer, LayeringChange, MAX_ENCODINGS, MAX_LAYERS, MediaSource, SignaledGroup,
    SignaledSource, SourceError, VideoType,
};
pub use source_layers::{LayerState, SourceLayers};
pub use ssrc_rewriting::{
    MAX_MID_LEN, MAX_REMEMBERED_PROGRESS, MappedSource, Mid, OriginalPacket, RewritableSource,
    RewritingCounters, RewritingRefusal, RewrittenPacket, SsrcRewriting, SsrcRewritingConfig,
};
pub use video_codec::VideoCodec;
pub use video_packet::{FrameDescription, VideoPacket};
