//! Microsoft Teams channels, through a Workflows webhook.
//!
//! Nothing of a message comes back, so none is edited and what people press is
//! not heard: a card leads to our own page.

mod answer;
mod card;
mod settings;
#[cfg(test)]
mod tests;

pub use settings::Settings;

use crate::Timeout;
use crate::http::{Call, Exchange};
use crate::kind::{Kind, Sending};
use openclaw_alert::{Notification, Pace, SendOutcome, fnv1a};
use std::time::Duration;

/// Above four requests a second Teams refuses.
const PACE: (Duration, u16) = (Duration::from_secs(1), 4);

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "msteamsv2"
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn timeout(&self) -> Timeout {
        self.timeout
    }

    fn host(&self) -> &str {
        self.webhook_url.host()
    }

    fn pace(&self) -> Option<Pace> {
        let channel = fnv1a(&[self.webhook_url.uri().to_string().as_bytes()]);
        let (every, burst) = PACE;
        Some(Pace { channel, every, burst })
    }

    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s> {
        Box::pin(send(self, exchange, notification))
    }
}

async fn send(settings: &Settings, exchange: &Exchange<'_>, notification: &Notification) -> SendOutcome {
    let body = card::body(settings, notification, &exchange.words);
    let mut call = Call::post(&settings.webhook_url, &settings.http, body);
    call.idempotency_key = Some(&notification.idempotency_key);
    match exchange.call(call).await {
        Ok(answer) => answer::judge(settings.webhook_url.host(), &answer),
        Err(outcome) => outcome,
    }
}
