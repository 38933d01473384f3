//! Slack's incoming webhooks, and servers that take the same.

mod answer;
mod attachment;
#[cfg(test)]
mod own_tests;
mod payload;
mod settings;

pub(crate) use payload::body;
pub use settings::{Action, Confirm, Field, Settings};

use crate::Timeout;
use crate::http::{Call, Exchange};
use crate::kind::{Kind, Sending};
use openclaw_alert::{Notification, SendOutcome};

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "slack"
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

    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s> {
        Box::pin(send(self, exchange, notification))
    }
}

async fn send(settings: &Settings, exchange: &Exchange<'_>, notification: &Notification) -> SendOutcome {
    let body = body(settings, notification, &exchange.words);
    let mut call = Call::post(&settings.api_url, &settings.http, body);
    call.idempotency_key = Some(&notification.idempotency_key);
    match exchange.call(call).await {
        Ok(answer) => answer::judge(settings.api_url.host(), &answer),
        Err(outcome) => outcome,
    }
}
