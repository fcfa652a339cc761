//! See `bridge_fuzz::bridge_channel`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::bridge_channel::run(data));
