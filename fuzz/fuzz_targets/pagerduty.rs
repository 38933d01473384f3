//! `cargo +nightly fuzz run pagerduty`
#![no_main]

use libfuzzer_sys::fuzz_target;
use openclaw_sources::Format;

fuzz_target!(|input: &[u8]| openclaw_fuzz::body(Format::PagerDuty, input));
