//! jvb.conf in, one typed and fully checked [`Config`] out.
//!
//! Owns every key: its name, type, default and whether it has an effect yet. [`Config::load`] reads
//! the files named by [`Sources`] (its only I/O) and answers with a configuration in which every
//! value was checked, or with one [`ConfigError`] that names file, key and value. The defaults are
//! in `config/reference.conf`, which is compiled in.
//!
//! Sources, strongest first (JVB class `JitsiConfig`): the legacy `sip-communicator.properties`
//! and Java system properties with legacy names, jvb.conf, Java system properties with the new
//! names, the reference.
//!
//! Differs from JVB: a value of the wrong type is refused instead of skipped, so that a typing
//! error does not silently run a bridge on defaults.

#![forbid(unsafe_code)]

#[macro_use]
mod section;

mod config;
mod document;
mod error;
mod keys;
mod layers;
mod legacy;
mod loader;
mod notice;
mod properties;
mod reader;
mod secret;
mod sources;
mod value;

pub use config::{Config, Loaded};
pub use error::{ConfigError, EXIT_CODE};
pub use keys::{Effect, KEYS, Key};
pub use loader::REFERENCE;
pub use notice::{Notice, NoticeKind};
pub use secret::Secret;
pub use section::audio::*;
pub use section::bwe::*;
pub use section::cc::*;
pub use section::debug::*;
pub use section::dtls::*;
pub use section::http::*;
pub use section::ice::*;
pub use section::lifecycle::*;
pub use section::load::*;
pub use section::relay::*;
pub use section::xmpp::*;
pub use sources::{DEFAULT_CONFIG_FILE, Sources};
