//! What fuzzing runs: for every parser and every engine behind one, a function that takes arbitrary
//! bytes, and inputs to start from.
//!
//! Each function asserts what is promised: that what was read can be written, that a rewritten
//! packet differs only where it should, that no number leaves twice. `cargo xtask fuzz` runs them
//! under libFuzzer; the tests of this package run them on their seeds, on what once failed, and on
//! simple mutations of both.

#![forbid(unsafe_code)]

pub mod allocation;
pub mod bridge_channel;
mod bytes;
pub mod colibri_json;
pub mod colibri_xml;
pub mod config;
pub mod dependency_descriptor;
pub mod dtls;
pub mod estimation;
pub mod ice_candidate;
pub mod key_frames;
pub mod reception;
pub mod red;
pub mod rtcp;
pub mod rtp;
pub mod rtx;
pub mod srtp;
pub mod stun;
pub mod transport;
pub mod video_layers_allocation;
pub mod vp8;
pub mod vp9;

/// One thing to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also that of its program.
    pub name: &'static str,
    /// Takes any bytes and panics only if a promise is broken.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident)*) => {
        [$(Target { name: stringify!($name), run: $name::run, seeds: $name::seeds }),*]
    };
}

/// All of them.
pub const TARGETS: [Target; 21] = targets! {
    rtp rtcp vp8 vp9 key_frames dependency_descriptor video_layers_allocation rtx red srtp stun
    transport dtls colibri_xml colibri_json ice_candidate bridge_channel config reception
    allocation estimation
};
