//! Telegram chats, through a bot.

mod answer;
mod message;
mod settings;
#[cfg(test)]
mod tests;
mod text;

pub use settings::{Bot, BotError, ChatId, ChatIdError, ParseMode, Settings};

use crate::http::{Call, Exchange};
use crate::kind::{Kind, Sending};
use crate::standing::{Chat, EditError, Posted, Standing, tell};
use crate::{Target, Timeout};
use answer::Said;
use message::Message;
use openclaw_alert::{Notification, Pace, SendOutcome, fnv1a};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Telegram sends the message back.
const ANSWER_BYTES_MAX: usize = 128 << 10;
/// 20 a minute in groups and channels, one a second with a person.
const GROUP_PACE: (Duration, u16) = (Duration::from_secs(3), 5);
const PERSON_PACE: (Duration, u16) = (Duration::from_secs(1), 3);

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn timeout(&self) -> Timeout {
        self.timeout
    }

    fn host(&self) -> &str {
        self.bot.send_url.host()
    }

    fn shows_actions(&self) -> bool {
        true
    }

    fn pace(&self) -> Option<Pace> {
        let chat = self.chat.to_string();
        let channel = fnv1a(&[self.bot.token.expose().as_bytes(), chat.as_bytes()]);
        let (every, burst) = if matches!(self.chat, ChatId::Number(1..)) { PERSON_PACE } else { GROUP_PACE };
        Some(Pace { channel, every, burst })
    }

    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s> {
        Box::pin(async move {
            let message = Message::of(self, notification, &exchange.words);
            tell(&Room { settings: self, exchange, notification, message }, notification).await
        })
    }
}

/// A chat, for one message.
struct Room<'s> {
    settings: &'s Settings,
    exchange: &'s Exchange<'s>,
    notification: &'s Notification,
    message: Message,
}

impl Room<'_> {
    /// With ours in place of the owner's text where Telegram can't read it.
    async fn say(
        &self,
        target: &Target,
        message: &Message,
        around: &Map<String, Value>,
    ) -> Result<Said, SendOutcome> {
        let said = self.call(target, message, around).await?;
        if !matches!(said, Said::Unreadable) || !message.is_own {
            return Ok(said);
        }
        let fault = "Telegram can't read its markup";
        let ours = Message::noted(self.notification, &self.exchange.words, fault);
        self.call(target, &ours, around).await
    }

    async fn call(
        &self,
        target: &Target,
        message: &Message,
        around: &Map<String, Value>,
    ) -> Result<Said, SendOutcome> {
        let mut body = message.body();
        body.extend(around.clone());
        let mut call = Call::post(target, &self.settings.http, Value::Object(body).to_string().into_bytes());
        call.idempotency_key = Some(&self.notification.idempotency_key);
        call.answer_bytes_max = ANSWER_BYTES_MAX;
        let answer = self.exchange.call(call).await?;
        Ok(answer::read(target.host(), &answer))
    }

    /// A new message; a group that has become a supergroup is followed.
    async fn send(
        &self,
        chat: Value,
        message: &Message,
        mut around: Map<String, Value>,
    ) -> Result<Option<Posted>, SendOutcome> {
        around.insert("chat_id".to_owned(), chat);
        if let Some(topic) = self.settings.message_thread_id {
            around.insert("message_thread_id".to_owned(), json!(topic));
        }
        let target = &self.settings.bot.send_url;
        let mut said = self.say(target, message, &around).await?;
        if let Said::Migrated(chat) = said {
            self.note_migration(chat);
            around.insert("chat_id".to_owned(), json!(chat));
            said = self.say(target, message, &around).await?;
        }
        match said {
            Said::Yes(posted) => Ok(posted),
            said => Err(outcome(target, said)),
        }
    }

    fn note_migration(&self, chat: i64) {
        tracing::warn!(
            tenant = self.notification.tenant.as_str(),
            receiver = &*self.notification.receiver,
            "a Telegram group has become a supergroup: set its `chat_id` to `{chat}`"
        );
    }

    fn around(&self, is_quiet: bool) -> Map<String, Value> {
        let mut around = Map::new();
        if is_quiet || self.settings.disable_notifications {
            around.insert("disable_notification".to_owned(), json!(true));
        }
        around
    }
}

/// Of what no more is tried within this send.
fn outcome(target: &Target, said: Said) -> SendOutcome {
    let what = match said {
        Said::Failed(outcome) => return outcome,
        Said::Migrated(_) => "the group has moved again",
        Said::Unreadable => "the message can't be read",
        Said::Gone | Said::Yes(_) => "the message isn't there",
    };
    SendOutcome::Never { detail: format!("`{}`: {what}", target.host()) }
}

impl Chat for Room<'_> {
    async fn post(&self) -> Result<Option<Posted>, SendOutcome> {
        let chat = match &self.settings.chat {
            ChatId::Number(number) => json!(number),
            ChatId::Name(name) => json!(name),
        };
        self.send(chat, &self.message, self.around(false)).await
    }

    async fn edit(&self, standing: &Standing) -> Result<(), EditError> {
        let (chat, message) = numbers(standing).ok_or(EditError::Gone)?;
        let mut around = Map::new();
        around.insert("chat_id".to_owned(), json!(chat));
        around.insert("message_id".to_owned(), json!(message));
        let target = &self.settings.bot.edit_url;
        match self.say(target, &self.message, &around).await.map_err(EditError::Failed)? {
            Said::Yes(_) => Ok(()),
            // In a group that has moved, messages have other numbers.
            Said::Gone | Said::Migrated(_) => Err(EditError::Gone),
            said => Err(EditError::Failed(outcome(target, said))),
        }
    }

    async fn reply(&self, standing: &Standing, is_aloud: bool) -> Result<(), SendOutcome> {
        let Some((chat, message)) = numbers(standing) else { return Ok(()) };
        let mut around = self.around(!is_aloud);
        let to = json!({ "message_id": message, "allow_sending_without_reply": true });
        around.insert("reply_parameters".to_owned(), to);
        self.send(json!(chat), &self.message.reply(self.notification), around).await.map(drop)
    }
}

fn numbers(standing: &Standing) -> Option<(i64, i64)> {
    Some((standing.place.parse().ok()?, standing.message.parse().ok()?))
}
