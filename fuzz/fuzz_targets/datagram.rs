#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| exitdir::fuzzing::datagram::target(data));
