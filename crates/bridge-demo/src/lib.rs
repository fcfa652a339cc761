//! The embedded focus and page behind `videobridge --demo`.
//!
//! [`Demo`] is a small Jicofo: it turns each page's join, answer and leave into colibri2 requests to
//! a [`ColibriHandler`], which is the very handler that XMPP and REST requests reach in the bridge.
//! The pages talk to it over HTTP below `/demo`: requests by POST, and one long poll that brings the
//! newest [`View`] of the room. Media goes over the bridge only.
//!
//! Tests run the same focus against a bridge in another process, with a `ColibriHandler` that sends
//! the requests over XMPP or REST.
//!
//! Where to start: `focus.rs` has what happens when somebody joins; `sdp` writes the offers.

#![forbid(unsafe_code)]

mod colibri;
mod focus;
mod handler;
mod http;
mod limits;
mod media;
mod name;
mod random;
mod room;
mod sdp;
mod seat;

pub use focus::{Demo, DemoError, Joined};
pub use handler::{ColibriAnswer, ColibriHandler};
pub use limits::Limits;
pub use media::{
    AUDIO_CODECS, AUDIO_EXTENSIONS, OfferedCodec, OfferedExtension, VIDEO_CODECS, VIDEO_EXTENSIONS,
};
pub use sdp::{Answer, AnswerError, BridgeTransport, GroupSemantics, Offer, Source, SsrcGroup};
pub use seat::{Person, View};
