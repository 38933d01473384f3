//! What a Slack channel's owner may set.

use crate::{Target, Timeout};

/// One Slack incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The webhook's address; all of it is the credential.
    pub api_url: Target,
    /// Asks for another channel or person than the webhook's own, which only
    /// Slack's older webhooks and compatible servers follow.
    pub channel: Option<String>,
    /// Also tell when alerts resolve. Off unless set, as in Alertmanager;
    /// turning it on is advised.
    pub send_resolved: bool,
    /// For the whole send.
    pub timeout: Timeout,
}

impl Settings {
    /// The defaults for an address.
    #[must_use]
    pub fn new(api_url: Target) -> Self {
        Self { api_url, channel: None, send_resolved: false, timeout: Timeout::default() }
    }
}
