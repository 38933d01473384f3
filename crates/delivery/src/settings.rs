//! What a receiver's owner may set.

use crate::{email, msteams, opsgenie, pagerduty, servicenow, servicenow_em, slack, telegram, webhook};
use std::sync::Arc;
use std::time::Duration;

/// A receiver: a name for routes, and everyone who is told under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverSettings {
    /// The name that routes use.
    pub name: Arc<str>,
    /// In the order of the file; a notification names one by its index.
    pub integrations: Vec<Integration>,
}

/// Every kind of integration there is. A new kind is a folder beside
/// `webhook/`, a variant here and a line in `Integration::kind`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integration {
    /// Alertmanager's webhook, version 4.
    Webhook(webhook::Settings),
    /// A Slack channel.
    Slack(slack::Settings),
    /// A PagerDuty service.
    PagerDuty(pagerduty::Settings),
    /// Opsgenie or Jira Service Management.
    Opsgenie(opsgenie::Settings),
    /// Incidents at ServiceNow.
    ServiceNow(servicenow::Settings),
    /// Events at ServiceNow.
    ServiceNowEm(servicenow_em::Settings),
    /// A Telegram chat.
    Telegram(telegram::Settings),
    /// A Microsoft Teams channel.
    Msteams(msteams::Settings),
    /// Mail, boxed since it is larger than the others.
    Email(Box<email::Settings>),
}

/// How long one send may take, connecting and reading the answer included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(Duration);

/// A time-out that no send could keep, or that would hold a connection too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time-out of `{given:?}` can't be used: `timeout` must be from `1ms` to `5m`")]
pub struct TimeoutError {
    /// As given.
    pub given: Duration,
}

impl Timeout {
    /// The shortest.
    pub const MIN: Duration = Duration::from_millis(1);
    /// The longest: a hanging receiver holds one of its tenant's connections that long.
    pub const MAX: Duration = Duration::from_secs(300);

    /// Checks the bounds.
    ///
    /// # Errors
    /// When `span` is outside of [`Timeout::MIN`] to [`Timeout::MAX`].
    pub fn new(span: Duration) -> Result<Self, TimeoutError> {
        if (Self::MIN..=Self::MAX).contains(&span) {
            Ok(Self(span))
        } else {
            Err(TimeoutError { given: span })
        }
    }

    /// As a span.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

/// 10 s.
impl Default for Timeout {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_bounds() {
        assert!(Timeout::new(Duration::ZERO).is_err());
        assert!(Timeout::new(Timeout::MIN).is_ok());
        assert!(Timeout::new(Timeout::MAX).is_ok());
        let error = Timeout::new(Timeout::MAX + Duration::from_nanos(1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a time-out of `300.000000001s` can't be used: `timeout` must be from `1ms` to `5m`"
        );
    }
}
