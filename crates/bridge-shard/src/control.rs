//! What the control plane tells a shard, and what a shard tells back.
//!
//! Commands and events travel through bounded queues in batches. Nothing here is per packet.

use bridge_dtls::{Certificate, DtlsVersion};
use bridge_srtp::Profile;
use bridge_transport::{LocalIce, RemoteTransport};
use bridge_units::{ConferenceId, EndpointId, MediaType, SessionId, ShardId};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// An order of the control plane for one shard.
pub enum ShardCommand {
    /// Replaces what the shard knows of a conference; sent to every shard whenever it changes.
    SetConference(Arc<ConferenceSnapshot>),
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
    /// Every signalled SSRC.
    pub streams: FxHashMap<u32, StreamDescription>,
}

/// One signalled SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamDescription {
    /// The session that sends it.
    pub owner: SessionId,
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
    /// Packets or consent arrived since the last such event (at most one a second).
    Activity,
    /// The session met a bug and was dropped on its shard.
    Crashed,
}
