//! `cargo +nightly fuzz run way_back`
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| openclaw_fuzz::way_back(input));
