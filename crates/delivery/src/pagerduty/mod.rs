//! PagerDuty's Events API v2, and servers that take the same.
//!
//! The group's dedup key names the incident, so an event may come twice: a
//! trigger adds to the open incident, and an acknowledgement or a resolve of
//! none is dropped there.

mod answer;
mod payload;
mod settings;

pub use settings::{Detail, Image, Link, Settings};

use crate::Timeout;
use crate::http::{Call, Exchange};
use crate::kind::{Kind, Sending};
use crate::outcome::told_in_part;
use openclaw_alert::{Notification, SendOutcome};
pub(crate) use payload::events;

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "pagerduty"
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn timeout(&self) -> Timeout {
        self.timeout
    }

    fn host(&self) -> &str {
        self.url.host()
    }

    fn shows_actions(&self) -> bool {
        true
    }

    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s> {
        Box::pin(send(self, exchange, notification))
    }
}

/// All events or, from the first that isn't taken, all of them again.
async fn send(settings: &Settings, exchange: &Exchange<'_>, notification: &Notification) -> SendOutcome {
    for (nth, event) in events(settings, notification, &exchange.words).into_iter().enumerate() {
        let key = Some(notification.idempotency_key.as_str());
        let call =
            Call { idempotency_key: key, ..Call::post(&settings.url, &settings.http, event.into_bytes()) };
        let outcome = match exchange.call(call).await {
            Ok(answer) => answer::judge(settings.url.host(), &answer),
            Err(outcome) => outcome,
        };
        if !matches!(outcome, SendOutcome::Delivered { .. }) {
            return if nth == 0 { outcome } else { told_in_part(outcome) };
        }
    }
    SendOutcome::Delivered { receipt: Some(notification.dedup_key.as_str().into()) }
}
