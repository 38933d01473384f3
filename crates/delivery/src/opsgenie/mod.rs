//! Opsgenie's Alert API, which Jira Service Management has too.
//!
//! The group's dedup key is the alert's alias, so a request may come twice: a
//! create counts up the open alert, an acknowledgement or a close of one that
//! isn't there comes to nothing. What is answered 202 is only queued.

mod answer;
mod payload;
mod settings;

pub use settings::{Responder, Settings};

use crate::http::{Call, Exchange};
use crate::kind::{Kind, Sending};
use crate::outcome::told_in_part;
use crate::{Target, Timeout};
use http::Method;
use openclaw_alert::{Notification, SendOutcome};
pub(crate) use payload::{Request, requests};

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "opsgenie"
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn timeout(&self) -> Timeout {
        self.timeout
    }

    fn host(&self) -> &str {
        self.api_url.host()
    }

    fn shows_actions(&self) -> bool {
        true
    }

    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s> {
        Box::pin(send(self, exchange, notification))
    }
}

/// All requests or, from the first that isn't taken, all of them again.
async fn send(settings: &Settings, exchange: &Exchange<'_>, notification: &Notification) -> SendOutcome {
    for (nth, request) in requests(settings, notification, &exchange.words).into_iter().enumerate() {
        let outcome = make(settings, exchange, notification, request).await;
        if !matches!(outcome, SendOutcome::Delivered { .. }) {
            return if nth == 0 { outcome } else { told_in_part(outcome) };
        }
    }
    SendOutcome::Delivered { receipt: Some(notification.dedup_key.as_str().into()) }
}

async fn make(
    settings: &Settings,
    exchange: &Exchange<'_>,
    notification: &Notification,
    request: Request,
) -> SendOutcome {
    let target = match address(settings, notification, &request) {
        Ok(target) => target,
        Err(error) => return SendOutcome::Never { detail: format!("`api_url` gives no address: {error}") },
    };
    let key = Some(notification.idempotency_key.as_str());
    let call =
        Call { idempotency_key: key, ..Call::post(&target, &settings.http, request.body.into_bytes()) };
    match exchange.call(Call { method: request.method, ..call }).await {
        Ok(answer) => answer::judge(settings.api_url.host(), &answer),
        Err(outcome) => outcome,
    }
}

fn address(
    settings: &Settings,
    notification: &Notification,
    request: &Request,
) -> Result<Target, crate::TargetError> {
    match request.part {
        None => settings.api_url.join(&["v2", "alerts"], &[]),
        Some(part) => {
            let segments = ["v2", "alerts", &notification.dedup_key, part];
            settings.api_url.join(&segments, &[("identifierType", "alias")])
        }
    }
}

impl Request {
    fn new(method: Method, part: Option<&'static str>, body: &serde_json::Value) -> Self {
        Self { method, part, body: body.to_string() }
    }
}
