//! Alertmanager's webhook, version 4, with one key more, signed on request.

mod payload;
mod settings;
mod signature;

pub(crate) use payload::body;
pub use settings::Settings;
pub use signature::{SigningKey, SigningKeyError};

use crate::Timeout;
use crate::http::Exchange;
use crate::kind::{Kind, Sending};
use crate::outcome::of_status;
use http::{HeaderMap, HeaderName, HeaderValue};
use openclaw_alert::{Notification, SendOutcome};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "webhook"
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

    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s> {
        Box::pin(send(self, exchange, notification))
    }
}

async fn send(settings: &Settings, exchange: &Exchange<'_>, notification: &Notification) -> SendOutcome {
    let body = body(notification, settings.max_alerts, exchange.external_url);
    let key = &notification.idempotency_key;
    let headers = match &settings.secret {
        Some(secret) => signed(secret, key, exchange, &body),
        None => HeaderMap::new(),
    };
    match exchange.post(&settings.url, key, headers, body).await {
        Ok(answer) => of_status(settings.url.host(), &answer),
        Err(outcome) => outcome,
    }
}

fn signed(secret: &SigningKey, id: &str, exchange: &Exchange<'_>, body: &[u8]) -> HeaderMap {
    let seconds = exchange.now.secs();
    let signature = secret.sign(id, exchange.now, body);
    let values = [(ID, id), (TIMESTAMP, &seconds.to_string()), (SIGNATURE, &signature)];
    // An id that is no header value is refused where the key becomes one.
    values.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::from_str(text).ok()?))).collect()
}
