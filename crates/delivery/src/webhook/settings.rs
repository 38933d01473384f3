//! What a webhook's owner may set.

use super::SigningKey;
use crate::{Target, Timeout};

/// One webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to post.
    pub url: Target,
    /// Also tell when alerts resolve. On unless set.
    pub send_resolved: bool,
    /// At most this many alerts in a message, the rest counted in
    /// `truncatedAlerts`; 0 for all.
    pub max_alerts: u32,
    /// For the whole send.
    pub timeout: Timeout,
    /// Signs each message after the Standard Webhooks specification.
    pub secret: Option<SigningKey>,
}

impl Settings {
    /// The defaults for an address.
    #[must_use]
    pub fn new(url: Target) -> Self {
        Self { url, send_resolved: true, max_alerts: 0, timeout: Timeout::default(), secret: None }
    }
}
