//! What a webhook's owner may set.

use super::SigningKey;
use crate::template::Template;
use crate::{HttpConfig, Target, Timeout};
use std::fmt;

/// Where messages go.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// Always there.
    Fixed(Target),
    /// Where the template says for each message.
    Template(Template),
}

impl Address {
    /// Host and port where they are known, for people.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Fixed(target) => target.host(),
            Self::Template(_) => "the address of a template",
        }
    }
}

impl From<Target> for Address {
    fn from(target: Target) -> Self {
        Self::Fixed(target)
    }
}

/// Addresses often hold a credential.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// One webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to post.
    pub url: Address,
    /// Credentials and headers.
    pub http: HttpConfig,
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
    pub fn new(url: impl Into<Address>) -> Self {
        let (url, http) = (url.into(), HttpConfig::default());
        Self { url, http, send_resolved: true, max_alerts: 0, timeout: Timeout::default(), secret: None }
    }
}
