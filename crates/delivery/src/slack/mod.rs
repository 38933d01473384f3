//! Slack channels, by an incoming webhook (and servers that take the same) or
//! by an app.

mod answer;
mod app;
#[cfg(test)]
mod app_tests;
mod attachment;
mod buttons;
mod lines;
mod message;
#[cfg(test)]
mod own_tests;
mod payload;
mod settings;

pub(crate) use payload::body;
pub use settings::{Action, App, Confirm, Field, Settings, Way, Webhook};

use crate::Timeout;
use crate::http::{Call, Exchange};
use crate::kind::{Kind, Sending};
use openclaw_alert::{Notification, Pace, SendOutcome, fnv1a};
use std::time::Duration;

/// What Slack takes for a channel in the long run.
const MESSAGE_EVERY: Duration = Duration::from_secs(1);
/// "Short bursts" are allowed without a number.
const BURST: u16 = 3;

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
        match &self.way {
            Way::Webhook(webhook) => webhook.api_url.host(),
            Way::App(app) => app.post_url.host(),
        }
    }

    fn shows_actions(&self) -> bool {
        matches!(&self.way, Way::App(app) if app.update_url.is_some())
    }

    fn pace(&self) -> Option<Pace> {
        let Way::App(app) = &self.way else { return None };
        let channel = fnv1a(&[app.token.expose().as_bytes(), app.channel.source().as_bytes()]);
        Some(Pace { channel, every: MESSAGE_EVERY, burst: BURST })
    }

    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s> {
        match &self.way {
            Way::Webhook(webhook) => Box::pin(send(self, webhook, exchange, notification)),
            Way::App(app) => Box::pin(app::send(self, app, exchange, notification)),
        }
    }
}

async fn send(
    settings: &Settings,
    webhook: &Webhook,
    exchange: &Exchange<'_>,
    notification: &Notification,
) -> SendOutcome {
    let body = body(settings, notification, &exchange.words);
    let mut call = Call::post(&webhook.api_url, &settings.http, body);
    call.idempotency_key = Some(&notification.idempotency_key);
    match exchange.call(call).await {
        Ok(answer) => answer::judge(webhook.api_url.host(), &answer),
        Err(outcome) => outcome,
    }
}
