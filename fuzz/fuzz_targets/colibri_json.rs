//! See `bridge_fuzz::colibri_json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::colibri_json::run(data));
