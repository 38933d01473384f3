//! `cargo +nightly fuzz run cloudevents`
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| openclaw_fuzz::cloudevents(input));
