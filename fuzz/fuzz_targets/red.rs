//! See `bridge_fuzz::red`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::red::run(data));
