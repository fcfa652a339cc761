//! See `bridge_fuzz::rtx`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::rtx::run(data));
