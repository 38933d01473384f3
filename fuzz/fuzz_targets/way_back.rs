//! `cargo +nightly fuzz run way_back`: nothing that other tools send back may
//! panic a decoder, and what it reads keeps its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openclaw_sources::way_back::{Deed, pagerduty, servicenow, slack};

fn check(deed: &Deed) {
    assert!(!deed.key.is_empty() && deed.key.len() <= 255);
    assert!(deed.by.len() <= 200 && deed.note.len() <= 4096);
    assert!(!deed.by.chars().any(char::is_control));
}

fuzz_target!(|body: &[u8]| {
    for content_type in [None, Some("application/json")] {
        if let Ok(slack::Interaction::Click(click)) = slack::decode(content_type, body) {
            check(&click.deed);
        }
    }
    if let Ok(Some(event)) = pagerduty::decode(body) {
        check(&event.deed);
    }
    if let Ok(Some(deed)) = servicenow::decode(body) {
        check(&deed);
    }
});
