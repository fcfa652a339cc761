//! See `bridge_fuzz::transport`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::transport::run(data));
