//! What the control plane tells a shard, and what a shard tells back.
//!
//! Commands and events travel through bounded queues in batches. Nothing here is per packet.

use crate::audio_levels::AudioLevels;
use bridge_dtls::{Certificate, DtlsVersion};
use bridge_media::{LayerIndex, SourceLayers, VideoType};
use bridge_srtp::Profile;
use bridge_transport::{LocalIce, RemoteTransport};
use bridge_units::{
    Bitrate, ConferenceId, EndpointId, MediaType, SessionId, ShardId, SourceId, Timestamp,
};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// An order of the control plane for one shard.
pub enum ShardCommand {
    /// Replaces what the shard knows of a conference; sent to every shard whenever it changes.
    SetConference(Arc<ConferenceSnapshot>),
    /// Which sessions' audio is forwarded where only the loudest speakers are; sent to every shard
    /// when it changes. Without it, or with `None`, everybody's is.
    SetLoudest(ConferenceId, Option<Arc<[SessionId]>>),
    /// The conference has ended; its sessions are expired one by one beforehand.
    RemoveConference(ConferenceId),
    /// An order for one session, which may have moved to another shard meanwhile.
    Session(SessionCommand),
}

/// An order for one session. `order` counts up from 0 per session, so that a shard can restore the
/// order when the session moved while some were under way.
pub struct SessionCommand {
    /// The session meant.
    pub session: SessionId,
    /// Position among this session's commands, from 0.
    pub order: u32,
    /// The order itself.
    pub action: SessionAction,
}

/// What a session is told to do.
pub enum SessionAction {
    /// Begins the session; always the first command, sent to the shard where it starts.
    Create(Box<SessionSetup>),
    /// The peer's transport description arrived or was added to.
    SetRemoteTransport(Box<RemoteTransport>),
    /// The endpoint's payload types and header extensions (all so far, not a difference).
    SetMedia(Arc<MediaDescription>),
    /// Whether audio or video that this session sends is discarded.
    SetForceMute {
        /// Discard its audio.
        audio: bool,
        /// Discard its video.
        video: bool,
    },
    /// What the session's endpoint gets from now on.
    SetForwarding(Box<ForwardingProgram>),
    /// Which audio the session's endpoint gets from now on.
    SetAudioSelection(Arc<AudioSelection>),
    /// Asks this session's endpoint for a key frame of one of its sources.
    RequestKeyframe(SourceId),
    /// Sends a text message over the bridge channel, if it is open.
    SendMessage(Arc<str>),
    /// Ends the session and frees all it holds.
    Expire,
}

/// All that a shard needs to begin a session.
pub struct SessionSetup {
    /// The conference it belongs to.
    pub conference: ConferenceId,
    /// The endpoint it serves.
    pub endpoint: EndpointId,
    /// Our ICE credentials and role.
    pub ice: LocalIce,
    /// Whether SCTP was negotiated, so that the peer may open a data channel.
    pub sctp: bool,
    /// A visitor's media is not forwarded.
    pub visitor: bool,
    /// Other endpoints' media reaches this one on SSRCs of the bridge's choice (capability
    /// `ssrc-rewriting`).
    pub rewrites_ssrcs: bool,
    /// With MIDs for them, too.
    pub mid_demux: bool,
    /// The certificate whose fingerprint was signalled to this peer.
    pub certificate: Arc<Certificate>,
}

/// Which payload types and header extensions an endpoint negotiated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaDescription {
    /// Payload types, at most 128 (the number is a 7-bit field).
    pub payload_types: Vec<PayloadType>,
    /// `(id, uri)` of each header extension.
    pub header_extensions: Vec<(u8, String)>,
    /// One packet may have one-byte and two-byte header extensions of the next (RFC 8285).
    pub extmap_allow_mixed: bool,
}

/// One negotiated payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadType {
    /// 0 to 127.
    pub number: u8,
    /// Encoding name in lower case: `opus`, `vp8`, `rtx`, ...
    pub name: String,
    /// Clock rate in Hz.
    pub clock_rate: u32,
    /// Audio or video.
    pub media: MediaType,
    /// For RTX: the payload type that it repairs.
    pub apt: Option<u8>,
    /// Feedback types such as `nack`, `nack pli`, `ccm fir`, `transport-cc`, `goog-remb`.
    pub feedback: Vec<String>,
}

/// The streams of a conference and who sends them: an immutable picture that all shards share.
#[derive(Clone, Debug)]
pub struct ConferenceSnapshot {
    /// The conference.
    pub conference: ConferenceId,
    /// The SSRC with which the bridge signs its own RTCP (announced as `jvb-v0`).
    pub local_video_ssrc: u32,
    /// Every source, by rising id.
    pub sources: Vec<Arc<SourceDescription>>,
    /// Every signalled SSRC.
    pub streams: FxHashMap<u32, StreamDescription>,
}

impl ConferenceSnapshot {
    /// The source with this number.
    pub fn source(&self, id: SourceId) -> Option<&Arc<SourceDescription>> {
        let place = self.sources.binary_search_by_key(&id, |source| source.id).ok()?;
        self.sources.get(place)
    }
}

/// One source: what a participant shows or says on one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceDescription {
    /// Its number in this conference.
    pub id: SourceId,
    /// The session that sends it.
    pub owner: SessionId,
    /// The endpoint that sends it.
    pub endpoint: EndpointId,
    /// As signalled.
    pub name: Arc<str>,
    /// Audio or video.
    pub media: MediaType,
    /// What a video source shows.
    pub video_type: VideoType,
    /// For receivers that named it only (a translation).
    pub synthetic: bool,
    /// SSRCs of its encodings, the lowest first; an audio source has one for each of its SSRCs.
    pub encodings: Vec<EncodingSsrcs>,
}

/// The SSRCs of one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodingSsrcs {
    /// Of its media.
    pub primary: u32,
    /// Of its retransmissions.
    pub rtx: Option<u32>,
}

/// One signalled SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamDescription {
    /// The session that sends it.
    pub owner: SessionId,
    /// The source that it belongs to.
    pub source: SourceId,
    /// Audio or video.
    pub media: MediaType,
    /// Its part in its source.
    pub role: StreamRole,
}

/// What an SSRC carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamRole {
    /// An encoding of the source, from 0 in the order of the SIM group.
    Primary {
        /// Index in the SIM group, 0 without simulcast.
        encoding: u8,
    },
    /// Retransmissions (FID group) of the encoding with this primary SSRC.
    Rtx {
        /// Index of the encoding that it repairs.
        encoding: u8,
        /// The primary SSRC that it repairs.
        primary: u32,
    },
    /// Forward error correction (FEC-FR group) for this primary SSRC.
    Fec {
        /// Index of the encoding that it protects.
        encoding: u8,
        /// The primary SSRC that it protects.
        primary: u32,
    },
}

/// What one receiver gets of the conference's video: the outcome of an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardingProgram {
    /// The layer of each source that is forwarded; others are suspended.
    pub targets: Vec<(SourceId, LayerIndex)>,
    /// Sources that are to have SSRCs of the bridge's choice, by falling priority; only looked at
    /// where SSRCs are rewritten.
    pub mapped: Vec<SourceId>,
    /// The rate of what is forwarded.
    pub target_bitrate: Bitrate,
    /// The rate of what would be forwarded if the link took everything.
    pub ideal_bitrate: Bitrate,
    /// More than the estimate is forwarded, on purpose.
    pub oversending: bool,
}

/// Which audio sources one receiver gets (JVB: `AudioSubscription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSelection {
    /// All that are not synthetic, but those excluded.
    pub all: bool,
    /// Named ones, synthetic or not; whether or not they are among the loudest.
    pub include: Vec<SourceId>,
    /// Never these.
    pub exclude: Vec<SourceId>,
}

/// How loud one audio packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// Who sent it.
    pub session: SessionId,
    /// Which source, if its SSRC is signalled.
    pub source: Option<SourceId>,
    /// 0 (loudest) to 127 (silence), in -dBov (RFC 6464).
    pub level: u8,
    /// When it arrived.
    pub received: Timestamp,
}

/// What an SSRC of the bridge's choice stands for, for a receiver that rewrites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceMapping {
    /// The source.
    pub source: SourceId,
    /// The SSRC of its media.
    pub ssrc: u32,
    /// The SSRC of its retransmissions.
    pub rtx: u32,
    /// The MID of its packets.
    pub mid: Option<String>,
}

/// Something that the control plane has to know of one session.
#[derive(Debug)]
pub struct SessionEvent {
    /// The conference of the session.
    pub conference: ConferenceId,
    /// The session.
    pub session: SessionId,
    /// What happened.
    pub kind: SessionEventKind,
}

/// What happened to a session.
#[derive(Debug)]
pub enum SessionEventKind {
    /// The session lives on another shard now: send commands there.
    Moved(ShardId),
    /// A candidate pair was nominated.
    IceConnected {
        /// Whether the remote candidate of the pair is relayed.
        relayed: bool,
    },
    /// No pair can work any more.
    IceFailed,
    /// DTLS is done and media can flow.
    DtlsConnected {
        /// The protocol version agreed on.
        version: DtlsVersion,
        /// The SRTP profile agreed on.
        profile: Profile,
    },
    /// DTLS failed for good.
    DtlsFailed,
    /// The peer opened its data channel.
    ChannelOpened,
    /// The data channel or its association went away.
    ChannelClosed,
    /// A text message came in over the bridge channel.
    ChannelMessage(String),
    /// What a video source that the session sends consists of now: when its layers change or begin
    /// to carry something, and every second.
    SourceLayers(SourceId, Box<SourceLayers>),
    /// How loud the shard's members of the conference were, in the order of arrival; the session is
    /// any one of them.
    AudioLevels(AudioLevels),
    /// What the session's downlink takes, when it changed by a few percent; `None` if it is not known.
    Estimate(Option<Bitrate>),
    /// The first video packet was sent to the session.
    FirstVideoSent,
    /// The round-trip time of RTCP, when it changed by much.
    RoundTrip(Duration),
    /// SSRCs of the bridge's choice that stand for something else from now on.
    SourcesMapped(MediaType, Vec<SourceMapping>),
    /// Packets or consent arrived since the last such event (at most one a second).
    Activity,
    /// The session met a bug and was dropped on its shard.
    Crashed,
}
