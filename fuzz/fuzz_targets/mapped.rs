//! `cargo +nightly fuzz run mapped`
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| openclaw_fuzz::mapped(input));
