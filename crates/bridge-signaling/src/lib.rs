//! Colibri2, ICE-UDP and bridge-channel messages with their XML and JSON forms.
//!
//! Owns the typed values of the control plane and their wire forms, both ways: the bridge reads
//! requests and writes answers, a focus writes requests and reads answers. Owns no meaning: what a
//! request changes is `bridge-conference`'s.
//!
//! - [`colibri2`]: `jitsi:colibri2`, as XML (in IQs) and as JSON (in REST);
//! - [`ice_udp`]: XEP-0176 and XEP-0320 as Jitsi uses them;
//! - [`stanza_error`]: error answers, as XML and as HTTP status with body;
//! - [`healthcheck`], [`shutdown`]: the two small IQs beside colibri2;
//! - [`presence`]: the statistics extension of the brewery presence;
//! - [`bridge_channel`]: the JSON messages between clients and bridges.
//!
//! The XML side is written against `minidom`, not derived: the reader that Jicofo is used to takes
//! the first of several children, knows booleans in any case, skips what it cannot use and defers
//! some errors to processing, and none of that can be told to a derive.

#![forbid(unsafe_code)]

pub mod bridge_channel;
pub mod colibri2;
pub mod healthcheck;
pub mod ice_udp;
pub mod limits;
pub mod ns;
pub mod presence;
pub mod shutdown;
pub mod stanza_error;

mod attributes;
mod json;
mod parse_error;
mod video_type;
mod xml;

pub use parse_error::ParseError;
pub use stanza_error::{ErrorAnswer, StanzaErrorCondition};
pub use video_type::VideoType;
pub use xml::{from_str as element_from_str, to_string as element_to_string};
