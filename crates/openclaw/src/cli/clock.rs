//! The time of day, for commands.

use openclaw_alert::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, to the nanosecond.
#[expect(clippy::disallowed_methods, reason = "commands run on the host's clock, read here alone")]
pub(crate) fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(0).plus(since_1970)
}

/// RFC 3339 to the second.
pub(crate) fn to_second(at: Timestamp) -> String {
    let mut text = Vec::with_capacity(20);
    at.write_rfc3339(&mut text, 0);
    String::from_utf8(text).unwrap_or_default()
}
