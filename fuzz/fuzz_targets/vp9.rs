//! See `bridge_fuzz::vp9`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::vp9::run(data));
