#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sansocket_fuzz::targets::http_response::run(data));
