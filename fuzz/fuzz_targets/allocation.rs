//! See `bridge_fuzz::allocation`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::allocation::run(data));
