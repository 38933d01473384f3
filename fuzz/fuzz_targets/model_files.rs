//! `cargo +nightly fuzz run model_files`
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| openclaw_fuzz::model_files(input));
