//! Colibri2 (`jitsi:colibri2`): how a focus drives a bridge. JVB's `xmpp-extensions` package
//! `org.jitsi.xmpp.extensions.colibri2`.
//!
//! One request, [`ConferenceModify`], and one answer, [`ConferenceModified`]; the elements below
//! them are shared by both. Reading is tolerant: unknown attributes, members and elements are
//! skipped, of several children where one is expected the first counts.

mod conference;
mod connect;
mod endpoint;
mod error_reason;
mod media;
mod relay;
mod source;
mod traceparent;
mod transport;

pub use conference::{ConferenceModified, ConferenceModify};
pub use connect::{Connect, ConnectProtocol, ConnectType, HttpHeader, Ping};
pub use endpoint::{Capability, Endpoint, ForceMute, InitialLastN, MucRole};
pub use error_reason::ErrorReason;
pub use media::{Media, MediaKind, Parameter, PayloadType, RtcpFb, RtpHeaderExtension};
pub use relay::Relay;
pub use source::{MediaSource, Source, Sources, SsrcGroup, SsrcGroupSemantics};
pub use traceparent::Traceparent;
pub use transport::{Sctp, SctpRole, Transport};
