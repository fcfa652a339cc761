//! See `bridge_fuzz::colibri_xml`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bridge_fuzz::colibri_xml::run(data));
