//! See `bridge_fuzz::stun`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::stun::run(data));
