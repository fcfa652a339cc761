//! Shared pieces of the end-to-end tests: a [`Call`] of browsers, a [`Broadcast`]
//! of one over impaired links, and what to look at in them.
//!
//! The tests need the release binary (`VIDEOBRIDGE_BIN`, or `target/release/videobridge`),
//! Chromium and partly Prosody. `cargo xtask test` builds and installs these and runs them.

#![forbid(unsafe_code)]

mod broadcast;
mod call;
mod figures;
mod report;
mod settings;
mod timeline;

pub use broadcast::{Broadcast, SENDER, Sending};
pub use call::{Call, ROOM};
pub use figures::Figures;
pub use report::{artifact, report, say};
pub use settings::{allocate, bridge_settings, focus_account, start_prosody};
pub use timeline::Timeline;
