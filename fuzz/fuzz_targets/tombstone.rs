#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| exitdir::fuzzing::tombstone::target(data));
