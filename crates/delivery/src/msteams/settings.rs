//! What the owner of a Teams channel may set.

use crate::template::Template;
use crate::{HttpConfig, Target, Timeout};

/// A Workflows webhook of Microsoft Teams.
///
/// Where neither `title` nor `text` is set, the card is ours; where one is, the
/// other comes from `msteamsv2.default.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The webhook's address; all of it is the credential.
    pub webhook_url: Target,
    /// First line of the card.
    pub title: Option<Template>,
    /// Shown where a card can't be, where the flow follows it.
    pub summary: Option<Template>,
    /// The card's text, in Teams' Markdown.
    pub text: Option<Template>,
    /// Headers and the way.
    pub http: HttpConfig,
    /// Also tell when alerts resolve.
    pub send_resolved: bool,
    /// For the whole send.
    pub timeout: Timeout,
}

impl Settings {
    /// The defaults for an address.
    #[must_use]
    pub fn new(webhook_url: Target) -> Self {
        Self {
            webhook_url,
            title: None,
            summary: None,
            text: None,
            http: HttpConfig::default(),
            send_resolved: true,
            timeout: Timeout::default(),
        }
    }
}
