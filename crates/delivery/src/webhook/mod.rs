//! Alertmanager's webhook, version 4, with one key more, signed on request.

mod payload;
mod settings;
mod signature;

pub use payload::body;
pub use settings::{Address, Settings};
pub use signature::{SigningKey, SigningKeyError};

use crate::http::{Call, Exchange};
use crate::kind::{Kind, Sending};
use crate::outcome::{of_status, told};
use crate::{Secret, Target, Timeout};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use openclaw_alert::{Notification, SendOutcome};
use std::borrow::Cow;

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
    let target = match target(&settings.url, exchange, notification) {
        Ok(target) => target,
        Err(outcome) => return outcome,
    };
    let body = body(notification, settings.max_alerts, exchange.words.external_url);
    let key = &notification.idempotency_key;
    let mut headers = HeaderMap::new();
    if let Some(secret) = &settings.secret {
        sign(&mut headers, secret, key, exchange, &body);
    }
    let call = Call::post(&target, &settings.http, body);
    match exchange.call(Call { headers, idempotency_key: Some(key), ..call }).await {
        Ok(answer) if answer.status == StatusCode::GONE => gone(target.host(), answer.status),
        Ok(answer) => of_status(target.host(), &answer),
        Err(outcome) => outcome,
    }
}

/// How Standard Webhooks' receivers say that they want no more.
fn gone(host: &str, status: StatusCode) -> SendOutcome {
    SendOutcome::Never {
        detail: format!("{}: it wants no more messages, remove it from the settings", told(host, status)),
    }
}

/// An address that a template can't make is no address: nothing could be sent,
/// so that the alert ends where it can be read and replayed.
fn target<'s>(
    address: &'s Address,
    exchange: &Exchange<'_>,
    notification: &Notification,
) -> Result<Cow<'s, Target>, SendOutcome> {
    let template = match address {
        Address::Fixed(target) => return Ok(Cow::Borrowed(target)),
        Address::Template(template) => template,
    };
    let rendered = exchange.words.rendering(notification).render(template);
    let text = rendered.map_err(|error| {
        let detail = exchange.words.note(notification, "`url`", &error);
        SendOutcome::Never { detail }
    })?;
    let target = Target::parse(&Secret::new(text.trim()));
    target.map(Cow::Owned).map_err(|error| SendOutcome::Never {
        detail: format!("the template in `url` gives no address: {error}"),
    })
}

fn sign(headers: &mut HeaderMap, secret: &SigningKey, id: &str, exchange: &Exchange<'_>, body: &[u8]) {
    let seconds = exchange.words.now.secs();
    let signature = secret.sign(id, exchange.words.now, body);
    for (name, text) in [(ID, id), (TIMESTAMP, &seconds.to_string()), (SIGNATURE, &signature)] {
        // An id that is no header value is refused where the key becomes one.
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
}
