//! See `bridge_fuzz::dtls`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::dtls::run(data));
