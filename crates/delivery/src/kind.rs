//! What every kind of integration can do.

use crate::http::Exchange;
use crate::{Integration, Timeout};
use openclaw_alert::{Notification, Pace, SendOutcome};
use std::pin::Pin;

/// The verdict of a send, some time later.
pub(crate) type Sending<'s> = Pin<Box<dyn Future<Output = SendOutcome> + Send + 's>>;

/// A kind of integration, implemented by its settings.
pub(crate) trait Kind: Sync {
    /// As written in metrics and trails.
    fn name(&self) -> &'static str;
    fn send_resolved(&self) -> bool;
    fn timeout(&self) -> Timeout;
    /// Where messages go, without what must not be shown.
    fn host(&self) -> &str;
    /// Whether it is told what people do with alerts ([`Reason::Acted`]): for
    /// kinds that edit what they have told, or hand it on.
    ///
    /// [`Reason::Acted`]: openclaw_alert::Reason::Acted
    fn shows_actions(&self) -> bool {
        false
    }
    /// How fast its channel may be written to, where the service sets a pace.
    fn pace(&self) -> Option<Pace> {
        None
    }
    /// One attempt, over within the exchange's deadline.
    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s>;
}

impl Integration {
    pub(crate) fn kind(&self) -> &dyn Kind {
        match self {
            Self::Webhook(settings) => settings,
            Self::Slack(settings) => settings,
            Self::PagerDuty(settings) => settings,
            Self::Opsgenie(settings) => settings,
            Self::ServiceNow(settings) => settings,
            Self::ServiceNowEm(settings) => settings,
            Self::Telegram(settings) => settings,
            Self::Msteams(settings) => settings,
            Self::Email(settings) => &**settings,
        }
    }

    /// Its kind as written in metrics and trails: `webhook`, `slack`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Where its messages go, for people: host and port, without secrets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.kind().host()
    }

    /// Whether it is told of resolved alerts too.
    #[must_use]
    pub fn send_resolved(&self) -> bool {
        self.kind().send_resolved()
    }

    /// Whether it is told what people do with alerts.
    #[must_use]
    pub fn shows_actions(&self) -> bool {
        self.kind().shows_actions()
    }

    /// How fast its channel may be written to.
    #[must_use]
    pub fn pace(&self) -> Option<Pace> {
        self.kind().pace()
    }

    /// How long one send may take.
    #[must_use]
    pub fn timeout(&self) -> Timeout {
        self.kind().timeout()
    }
}
