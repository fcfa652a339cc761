//! See `bridge_fuzz::estimation`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::estimation::run(data));
