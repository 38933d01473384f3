//! Alertmanager's API v2: alerts and silences, as they are posted and as they
//! are shown.
//!
//! What a stranger can send is bounded: the constants below. An alert beyond
//! a bound is refused alone and by name; its valid neighbours are kept, as
//! Alertmanager keeps them. A body that does not parse is refused whole.

mod decode;
mod errors;
mod gettable;
mod silence;
#[cfg(test)]
mod silence_tests;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub(crate) use decode::parse_time;
pub use errors::{Bound, DecodeError, RejectReason, Rejected};
pub use gettable::{GettableAlert, GettableStatus, write_gettable, write_receiver};
pub use silence::{
    GettableSilence, MATCHERS_MAX, Notes, PostableSilence, SILENCE_BODY_BYTES_MAX, SilenceError,
    decode_silence, write_silence,
};

use openclaw_alert::Batch;

/// Largest body: what is kept of it is addressed with 32 bits.
pub const BODY_BYTES_MAX: usize = 64 << 20;
/// Most alerts in one request.
pub const ALERTS_MAX: usize = 100_000;
/// Most labels of an alert; as many annotations.
pub const PAIRS_MAX: usize = 128;
/// Longest name of a label or annotation.
pub const NAME_BYTES_MAX: usize = 1 << 10;
/// Longest value of a label or annotation.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Longest `generatorURL`.
pub const GENERATOR_URL_BYTES_MAX: usize = 8 << 10;

/// Messages in one answer; the rest is counted. Keeps the answer to a request
/// of nothing but bad alerts smaller than the request.
const MESSAGES_MAX: usize = 100;

/// What a request held.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Its valid alerts, in the order they were sent.
    pub batch: Batch,
    /// The others.
    pub rejected: Vec<Rejected>,
}

impl Decoded {
    /// Status and body to answer with once the valid alerts are kept.
    #[must_use]
    pub fn answer(&self) -> (u16, String) {
        if self.rejected.is_empty() {
            return (200, String::new());
        }
        let mut messages: Vec<String> =
            self.rejected.iter().take(MESSAGES_MAX).map(ToString::to_string).collect();
        if let Some(more @ 1..) = self.rejected.len().checked_sub(MESSAGES_MAX) {
            messages.push(format!("and {more} more alerts refused"));
        }
        (400, errors::json_text(&messages.join("; ")))
    }
}
