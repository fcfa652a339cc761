//! The forwarding engine of one shard: sessions, demultiplexing and routing, without sockets or
//! clocks.
//!
//! A shard owns its sessions outright. A driver feeds it datagrams in batches and the time, and it
//! answers with sealed datagrams in per-destination runs. Shards of one process share a
//! [`Directory`] and reach each other through their [`Inbox`]es; the control plane sends
//! [`ShardCommand`]s and gets [`SessionEvent`]s.
//!
//! Where to start: [`Shard`], then `demultiplexing` (which session is it for), `forwarding` (RTP),
//! `feedback` (RTCP), `commands` (sessions come, move and go).

#![forbid(unsafe_code)]

mod audio_levels;
mod commands;
mod conference;
pub mod control;
mod demultiplexing;
mod directory;
mod distribution;
mod downlink;
mod early_media;
mod egress;
mod feedback;
mod forwarding;
mod inbox;
mod keyframe_requests;
mod overload;
mod packet_batch;
mod payload_types;
mod plain_header;
mod publication;
mod session;
mod shard;
mod shard_group;
mod stored_packets;
mod timers;
mod transactions;

pub use audio_levels::AudioLevels;
pub use control::{
    AudioLevel, AudioSelection, ConferenceSnapshot, EncodingSsrcs, ForwardingProgram,
    MediaDescription, PayloadType, SessionAction, SessionCommand, SessionEvent, SessionEventKind,
    SessionSetup, ShardCommand, SourceDescription, SourceMapping, StreamDescription, StreamRole,
};
pub use directory::{Directory, MAX_SHARDS, Presence};
pub use egress::{Egress, EgressSink, LocalIndex, MAX_DATAGRAM_BYTES, Run, SendOutcome};
pub use inbox::{Inbox, ShardWaker};
pub use keyframe_requests::{KeyframeLimits, RequestLimit};
pub use shard::Shard;
pub use shard_group::{EventSink, MediaSettings, ShardGroup, ShardSettings, SsrcLimits};
