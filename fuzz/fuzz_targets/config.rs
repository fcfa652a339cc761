//! See `bridge_fuzz::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::config::run(data));
