//! `cargo +nightly fuzz run detected`
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| openclaw_fuzz::detected(input));
