//! See `bridge_fuzz::ice_candidate`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::ice_candidate::run(data));
