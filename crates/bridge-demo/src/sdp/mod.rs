//! Session descriptions between the focus and one page (RFC 8829): the focus always offers, the page
//! always answers.
//!
//! Plain values: what the bridge answered goes in, text comes out, and back. Nothing here knows
//! colibri2 or HTTP.

mod answer;
mod offer;
mod source;

pub use answer::{Answer, AnswerError};
pub use offer::{BridgeTransport, Offer};
pub use source::{GroupSemantics, Source, SsrcGroup};

/// The `mid` of the section in which the page sends its sound.
pub(crate) const OWN_AUDIO_MID: usize = 0;
/// The `mid` of the section in which the page sends its picture.
pub(crate) const OWN_VIDEO_MID: usize = 1;
/// The `mid` of the data channel section.
pub(crate) const DATA_MID: usize = 2;
