//! One peer's session: ICE, DTLS, SRTP contexts, SCTP and the data channel, without sockets or
//! clocks.
//!
//! [`PeerTransport`] takes the datagrams that a shard's demultiplexer found to be for it and gives
//! back datagrams, timers and events. After each `handle_*`, `set_remote` or `send_message` the
//! owner polls `poll_event` and `poll_transmit` until they are empty, then `poll_timeout`.
//!
//! Which session a datagram is for: a Binding request's is found by [`stun::binding_request_ufrag`],
//! whatever its address; a response's by [`stun::transaction_id`], noted when `poll_transmit` gave the
//! request out; all else by the remote address of an earlier STUN message.
//!
//! Not here: sockets, the ufrag directory, what SRTP packets contain, ICE restart.
//!
//! Answers to `jvb: IceTransport`, `DtlsTransport`, `ice4j: Agent`.

#![forbid(unsafe_code)]

mod channel;
mod clock;
mod event;
mod ice;
mod security;
mod settings;
mod setup;
pub mod stun;
mod transport;

pub use channel::{ChannelCounters, MAX_MESSAGE_LEN};
pub use event::{DtlsDropCause, StunDropCause, TransportEvent};
pub use ice::MAX_LOCAL_ADDRESSES;
pub use security::SrtpContexts;
pub use settings::{IceSettings, IceTimers, KeepAlive, TransportContext, TransportSettings};
pub use setup::{CandidateKind, LocalIce, RemoteCandidate, RemoteTransport};
pub use transport::{MIN_BUFFER_LEN, PeerTransport, SetRemoteReport, Transmit};
