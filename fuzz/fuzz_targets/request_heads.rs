//! `cargo +nightly fuzz run request_heads`
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| openclaw_fuzz::request_heads(input));
