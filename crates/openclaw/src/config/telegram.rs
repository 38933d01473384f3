//! Telegram receivers of a tenant's file, in Alertmanager's words.

use super::http_config::{self, HttpSection};
use super::problem::Problem;
use super::read::{At, Context, Field, Scalar, Secrets, scalar_schema, section};
use super::receivers::timeout;
use super::secret::{ASSUMED, SecretText, either};
use super::templates::Templates;
use super::values::{Flag, Span, TemplateText, Text, not_a};
use openclaw_delivery::telegram::{Bot, ChatId, ParseMode, Settings};
use openclaw_delivery::{Secret, Target};
use serde_json::json;

section! {
    /// A Telegram chat, through a bot. Without `message` the text is OpenClaw's own.
    TelegramSection {
        /// The bot's token; kept as a secret.
        bot_token: SecretText,
        /// The file of the bot's token.
        bot_token_file: Text,
        /// The chat's number, or a public channel's `@name`.
        chat_id: ChatText,
        /// The file of the chat's number.
        chat_id_file: Text,
        /// A topic of a group that has topics.
        message_thread_id: Topic,
        /// The text, a Jinja template.
        message: TemplateText,
        /// How `message` is read: `HTML` (default; values are escaped), `Markdown`, `MarkdownV2`, or empty for plain text.
        parse_mode: Mode,
        /// Messages arrive without a sound. Default `false`.
        disable_notifications: Flag,
        /// The Bot API. Default Telegram's own.
        api_url: Text,
        /// How the API is spoken to.
        http_config: HttpSection,
        /// Also told of resolved alerts. Default `true`.
        send_resolved: Flag,
        /// For the whole send, `1ms` to `5m`. Default `10s`.
        timeout: Span,
    }
}

/// A chat.
#[derive(Debug, Clone)]
pub(crate) struct ChatText(ChatId);

/// A topic's number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Topic(i64);

/// How text is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode(ParseMode);

impl Scalar for ChatText {
    const EXPECTED: &'static str = "a chat's number or `@name`";
    const NUMBER: bool = true;

    fn parse(text: &str) -> Result<Self, Problem> {
        Ok(Self(text.parse::<ChatId>()?))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["integer", "string"], "examples": [-1_001_234_567_890_i64] })
    }
}

impl Scalar for Topic {
    const EXPECTED: &'static str = "a whole number";
    const NUMBER: bool = true;
    const TEXT: bool = false;

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map(Self).map_err(|_| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "integer" })
    }
}

impl Scalar for Mode {
    const EXPECTED: &'static str = "one of `HTML`, `Markdown`, `MarkdownV2` and nothing";

    fn parse(text: &str) -> Result<Self, Problem> {
        ParseMode::from_name(text).map(Self).ok_or_else(|| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "enum": ParseMode::ALL.map(|(name, _)| name) })
    }
}

scalar_schema!(ChatText, Topic, Mode);

pub(super) fn checked(
    section: At<TelegramSection>,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<Settings> {
    let At { mut value, place } = section;
    let (has_token, has_chat) = (
        !value.bot_token.is_absent() || !value.bot_token_file.is_absent(),
        !value.chat_id.is_absent() || !value.chat_id_file.is_absent(),
    );
    if !has_token {
        cx.fault(&place, Problem::OneNeeded { keys: vec!["bot_token", "bot_token_file"] });
    }
    if !has_chat {
        cx.fault(&place, Problem::OneNeeded { keys: vec!["chat_id", "chat_id_file"] });
    }
    let (bot, chat) = (bot(&mut value, cx), chat(&mut value, cx));
    let http = http_config::checked(value.http_config, cx);
    let message = templates.optional(value.message, cx);
    let timeout = timeout(value.timeout, cx);
    let defaults = Settings::new(bot?, chat?);
    Some(Settings {
        message_thread_id: value.message_thread_id.into_value().map(|topic| topic.0),
        message,
        parse_mode: value.parse_mode.into_value().map_or(defaults.parse_mode, |mode| mode.0),
        disable_notifications: value.disable_notifications.into_value().is_some_and(|flag| flag.0),
        http,
        send_resolved: value.send_resolved.into_value().map_or(defaults.send_resolved, |flag| flag.0),
        timeout,
        ..defaults
    })
}

fn bot(section: &mut TelegramSection, cx: &mut Context<'_>) -> Option<Bot> {
    let (token, file) = (std::mem::take(&mut section.bot_token), std::mem::take(&mut section.bot_token_file));
    let token = either(["bot_token", "bot_token_file"], token, file, cx)?;
    let api_url = std::mem::take(&mut section.api_url).into_set();
    let place = api_url.as_ref().map_or(&token.place, |url| &url.place).clone();
    let api_url = api_url.map_or_else(|| Bot::API_URL.to_owned(), |url| url.value.0);
    let api_url = cx.keep(&place, Target::parse(&Secret::new(api_url)))?;
    let is_assumed = cx.secrets == Secrets::Assumed && token.value.0.expose() == ASSUMED;
    let secret = if is_assumed { Secret::new("1:assumed") } else { token.value.0 };
    cx.keep(&token.place, Bot::new(&api_url, secret))
}

fn chat(section: &mut TelegramSection, cx: &mut Context<'_>) -> Option<ChatId> {
    let (chat, file) = (std::mem::take(&mut section.chat_id), std::mem::take(&mut section.chat_id_file));
    if let (Field::Set(_), Field::Set(file)) = (&chat, &file) {
        cx.fault(&file.place, Problem::Exclusive { keys: vec!["chat_id", "chat_id_file"] });
    }
    if let Some(set) = chat.into_set() {
        return Some(set.value.0);
    }
    let fetched = either(["chat_id", "chat_id_file"], Field::Absent, file, cx)?;
    let text = fetched.value.0.expose();
    if cx.secrets == Secrets::Assumed && text == ASSUMED {
        return Some(ChatId::Number(1));
    }
    cx.keep(&fetched.place, text.trim().parse::<ChatId>())
}
