//! See `bridge_fuzz::video_layers_allocation`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::video_layers_allocation::run(data));
