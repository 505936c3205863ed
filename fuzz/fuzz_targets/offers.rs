#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| phonograph_fuzz::offers(bytes));
