//! ServiceNow's Event Management: an event for each alert, which the instance
//! makes alerts and incidents of by its own rules.
//!
//! An event carries the key of its alert, so it may come twice: that counts
//! the same alert up. Many alerts go in several calls, ends first.

mod answer;
mod payload;
mod settings;

pub use settings::{Settings, Severity, Step};

use crate::Timeout;
use crate::http::{Call, Exchange};
use crate::kind::{Kind, Sending};
use crate::outcome::told_in_part;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use openclaw_alert::{Notification, SendOutcome};
use payload::receipt;
pub(crate) use payload::{body, calls};

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "servicenow_em"
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn timeout(&self) -> Timeout {
        self.timeout
    }

    fn host(&self) -> &str {
        self.instance_url.host()
    }

    fn shows_actions(&self) -> bool {
        true
    }

    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s> {
        Box::pin(send(self, exchange, notification))
    }
}

/// All events or, from the first call that isn't taken, all of them again:
/// an event that comes twice does no harm.
async fn send(settings: &Settings, exchange: &Exchange<'_>, notification: &Notification) -> SendOutcome {
    let target = match settings.instance_url.join(&["api", "global", "em", "jsonv2"], &[]) {
        Ok(target) => target,
        Err(error) => {
            return SendOutcome::Never { detail: format!("`instance_url` gives no address: {error}") };
        }
    };
    for (nth, views) in calls(notification).into_iter().enumerate() {
        let body = body(settings, notification, &views);
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let idempotency_key = Some(notification.idempotency_key.as_str());
        let call = Call { headers, idempotency_key, ..Call::post(&target, &settings.http, body) };
        let outcome = match exchange.call(call).await {
            Ok(answer) => answer::judge(settings.instance_url.host(), &answer),
            Err(outcome) => outcome,
        };
        if !matches!(outcome, SendOutcome::Delivered { .. }) {
            return if nth == 0 { outcome } else { told_in_part(outcome) };
        }
    }
    SendOutcome::Delivered { receipt: receipt(notification) }
}
