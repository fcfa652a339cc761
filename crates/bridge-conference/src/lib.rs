//! Conference and Endpoint: what a colibri2 request changes and who receives what. Sans-I/O.
//!
//! Owns the control plane's state: which conferences there are ([`ConferenceIndex`]), and in each
//! ([`Conference`]) the endpoints, their negotiated media, sources and wishes. Turns requests and
//! the data plane's events into answers, commands and bridge channel messages. Owns no packet, no
//! socket, no queue and no clock.
//!
//! A driver runs one task a conference: it looks the conference up when a request arrives, calls
//! `handle_*` one at a time, and drains [`Conference::poll_command`] after each.
//!
//! Where to start: [`Conference`], then `requests` (colibri2), `channel` (bridge channel),
//! `sources` (SSRCs), `candidate` and `description` (transport), `allocation` (who gets which
//! video), `speakers` and `audio_selection` (who is heard), `sender_constraints` (what senders are
//! told).

#![forbid(unsafe_code)]

mod allocation;
mod audio_selection;
mod candidate;
mod channel;
mod conference;
mod connectivity;
mod counters;
mod debug;
mod description;
mod endpoint;
mod environment;
mod error;
mod index;
pub mod limits;
mod load;
mod media;
mod progress;
mod random;
mod receiver;
mod requests;
mod sender_constraints;
mod shutdown;
mod source_maps;
mod sources;
mod speakers;
mod timers;
mod video_sources;

/// The settings of the engines that a conference drives.
pub use bridge_media::{
    AllocationConfig, ConferenceSizeLimits, ConnectivityConfig, LastN, LoudestConfig, MaxHeight,
    SpeechActivityConfig,
};
pub use candidate::{
    AddressMapping, LocalAddresses, LocalCandidate, MAX_HOST_CANDIDATES, MAX_MAPPED_CANDIDATES,
    MappedPorts, is_private,
};
pub use conference::{Conference, FeedbackSsrcs, Target};
pub use counters::{ConferenceCounters, EntryCounts};
pub use environment::{
    ConferenceEnvironment, ConferenceSettings, CurrentCertificate, Placement, SessionIds,
};
pub use error::{ConnectError, RequestError};
pub use index::{ConferenceIndex, NewConference};
pub use load::{BridgeLoad, LastNReduction, LoadConfig};
pub use random::Random;
pub use shutdown::{Shutdown, ShutdownState, ShutdownTimes};
