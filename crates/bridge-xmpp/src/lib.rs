//! The bridge's XMPP side: connections to the servers, presence in the brewery rooms, requests in
//! and answers out. JVB classes `XmppConnection`, `MucPublisher` and jicoco's `MucClient`.
//!
//! Owns one task a connection, which reconnects for ever. Owns no meaning: requests go to a
//! [`RequestHandler`], the statistics in the presence come from a watch channel.
//!
//! - [`XmppConnections`]: the set of connections, changed at run time;
//! - [`ConnectionSettings`]: one connection, as configured;
//! - [`RequestHandler`], [`ReplySender`]: who processes requests, and how the answers come back;
//! - [`ConnectionStatus`]: what a connection does at the moment, for metrics and statistics.
//!
//! The XML streams are those of `tokio-xmpp`'s lowest layer, read as plain elements: a stanza that
//! no type fits is answered or skipped and never ends the stream. Its higher layers are not used:
//! they end the resumption of a stream in a loop when the server has forgotten it, keep
//! unacknowledged stanzas without bound and do not say why a connection was lost.

#![forbid(unsafe_code)]

mod backoff;
mod connection;
mod connections;
mod disco;
mod dispatch;
mod handler;
mod iq;
mod login;
mod received;
mod reply;
mod room;
mod rooms;
mod running_connection;
mod session;
mod settings;
mod socket;
mod status;
mod stream_management;
mod tls;
mod xml;

pub use connections::{AddOutcome, PresenceSource, Statistics, XmppConnections};
pub use handler::{HealthResult, RequestHandler, Version};
pub use reply::{Reply, ReplySender};
pub use settings::{ConnectionSettings, SecurityMode, SettingsError};
pub use status::{ConnectionStatus, IqCounts};
