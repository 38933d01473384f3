//! `cargo +nightly fuzz run alertmanager`: no body may panic the decoder, and
//! what it keeps must be alerts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openclaw_alert::Content;
use openclaw_sources::alertmanager::decode;

fuzz_target!(|body: &[u8]| {
    let Ok(decoded) = decode(body) else { return };
    let _ = decoded.answer();
    for alert in decoded.batch.iter() {
        let content = Content::decode(alert.content).expect("a kept alert decodes");
        assert!(!content.labels.is_empty());
    }
});
