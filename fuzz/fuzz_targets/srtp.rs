//! See `bridge_fuzz::srtp`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::srtp::run(data));
