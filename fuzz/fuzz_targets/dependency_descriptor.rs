//! See `bridge_fuzz::dependency_descriptor`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::dependency_descriptor::run(data));
