//! See `bridge_fuzz::reception`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::reception::run(data));
