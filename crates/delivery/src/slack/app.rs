//! An app's messages: posted once, then edited as their group changes.

use super::answer;
use super::message::Message;
use super::settings::{App, Settings};
use crate::Target;
use crate::http::{Answer, Call, Exchange};
use crate::standing::{Chat, EditError, Posted, Standing, tell};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use openclaw_alert::{Notification, SendOutcome};
use serde_json::{Map, Value, json};

/// Slack sends the whole message back.
const ANSWER_BYTES_MAX: usize = 512 << 10;

pub(super) async fn send(
    settings: &Settings,
    app: &App,
    exchange: &Exchange<'_>,
    notification: &Notification,
) -> SendOutcome {
    let (channel, credential) = match (channel(app, exchange, notification), credential(app)) {
        (Ok(channel), Ok(credential)) => (channel, credential),
        (Err(detail), _) | (_, Err(detail)) => return SendOutcome::Never { detail },
    };
    let message = Message::of(settings, notification, &exchange.words);
    tell(&Room { settings, app, exchange, notification, channel, credential, message }, notification).await
}

/// Without a channel nothing can be sent: the alert ends where it can be read
/// and replayed.
fn channel(app: &App, exchange: &Exchange<'_>, notification: &Notification) -> Result<String, String> {
    let rendered = exchange.words.rendering(notification).render(&app.channel);
    let text = rendered.map_err(|error| exchange.words.note(notification, "`channel`", &error))?;
    match text.trim() {
        "" => Err("the template in `channel` gives no channel".to_owned()),
        channel => Ok(channel.to_owned()),
    }
}

fn credential(app: &App) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", app.token.expose()))
        .map_err(|_| "`app_token` can't be sent: it holds line breaks or control characters".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A channel, for one message.
struct Room<'s> {
    settings: &'s Settings,
    app: &'s App,
    exchange: &'s Exchange<'s>,
    notification: &'s Notification,
    channel: String,
    credential: HeaderValue,
    message: Message,
}

impl Room<'_> {
    async fn call(&self, target: &Target, mut body: Map<String, Value>) -> Result<Answer, SendOutcome> {
        body.insert("metadata".to_owned(), self.metadata());
        let body = Value::Object(body).to_string().into_bytes();
        let mut call = Call::post(target, &self.settings.http, body);
        call.headers.insert(AUTHORIZATION, self.credential.clone());
        call.idempotency_key = Some(&self.notification.idempotency_key);
        call.answer_bytes_max = ANSWER_BYTES_MAX;
        self.exchange.call(call).await
    }

    /// For programs that look for a message that came twice.
    fn metadata(&self) -> Value {
        let Notification { idempotency_key, dedup_key, .. } = self.notification;
        let payload = json!({ "idempotency_key": idempotency_key, "dedup_key": dedup_key });
        json!({ "event_type": "openclaw_message", "event_payload": payload })
    }

    async fn post(&self, mut body: Map<String, Value>) -> Result<Option<Posted>, SendOutcome> {
        body.insert("unfurl_links".to_owned(), json!(false));
        body.insert("unfurl_media".to_owned(), json!(false));
        let target = &self.app.post_url;
        let answer = self.call(target, body).await?;
        answer::posted(target.host(), &answer)
    }
}

impl Chat for Room<'_> {
    async fn post(&self) -> Result<Option<Posted>, SendOutcome> {
        let mut body = self.message.posted();
        body.insert("channel".to_owned(), json!(self.channel));
        let posted = Room::post(self, body).await?;
        // Where nothing is edited, each message stands alone.
        Ok(posted.filter(|_| self.app.update_url.is_some()))
    }

    async fn edit(&self, standing: &Standing) -> Result<(), EditError> {
        let target = self.app.update_url.as_ref().ok_or(EditError::Gone)?;
        let mut body = self.message.edited();
        body.insert("channel".to_owned(), json!(standing.place));
        body.insert("ts".to_owned(), json!(standing.message));
        let answer = self.call(target, body).await.map_err(EditError::Failed)?;
        answer::edited(target.host(), &answer)
    }

    async fn reply(&self, standing: &Standing, is_aloud: bool) -> Result<(), SendOutcome> {
        let mut body = self.message.replied();
        body.insert("channel".to_owned(), json!(standing.place));
        body.insert("thread_ts".to_owned(), json!(standing.message));
        if is_aloud {
            body.insert("reply_broadcast".to_owned(), json!(true));
        }
        Room::post(self, body).await.map(drop)
    }
}
