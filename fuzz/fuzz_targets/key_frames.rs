//! See `bridge_fuzz::key_frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::key_frames::run(data));
