//! What the end-to-end tests are made of: real programs, started and stopped, and a focus that
//! drives them.
//!
//! - [`BridgeProcess`]: the `videobridge` binary on free ports, its metrics and its use of CPU;
//! - [`Chromium`] and [`Page`]: real browsers, driven over WebDriver;
//! - [`ScriptedFocus`]: seats browsers in a conference of a bridge that is reached over XMPP
//!   ([`XmppBridge`]) or REST ([`RestBridge`]), with requests of Jicofo's form;
//! - [`UdpRelay`]: an impaired path to the bridge, in real time, and [`RelayedBridge`] which sends
//!   participants over it;
//! - [`prosody::Prosody`]: a real XMPP server with the accounts and rooms of a deployment;
//! - [`capture`]: what a real browser sent, recorded to be replayed;
//! - [`http`]: as much of HTTP as these need;
//! - [`simulation`]: whole conferences in simulated time, with the bridge's engines and nothing else.
//!
//! Errors end a test: they are one enum with a sentence, not a hierarchy.

#![forbid(unsafe_code)]

pub mod capture;
pub mod http;
pub mod prosody;
pub mod simulation;

mod bridge_process;
mod chromium;
mod error;
mod focus;
mod ports;
mod process;
mod rest;
mod udp_relay;
mod webdriver;
mod xmpp;

pub use bridge_process::{BridgeProcess, BridgeSettings};
pub use chromium::{Chromium, Page};
pub use error::TestkitError;
pub use focus::{ObservedBridge, ScriptedFocus};
pub use ports::{free_tcp_port, free_udp_port};
pub use process::ChildProcess;
pub use rest::RestBridge;
pub use udp_relay::{RelayedBridge, UdpRelay};
pub use xmpp::{XmppAccount, XmppBridge};
