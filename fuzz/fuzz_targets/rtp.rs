//! See `bridge_fuzz::rtp`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::rtp::run(data));
