//! What the owner of a Telegram chat may set.

use crate::template::Template;
use crate::{HttpConfig, Secret, Target, TargetError, Timeout};
use std::fmt;
use std::str::FromStr;

/// A Telegram chat.
///
/// Without `message` the text is ours, in which no text of a stranger is
/// markup; with it, `parse_mode` says how the owner's is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who speaks.
    pub bot: Bot,
    /// To whom.
    pub chat: ChatId,
    /// A topic of a group that has topics.
    pub message_thread_id: Option<i64>,
    /// The owner's text.
    pub message: Option<Template>,
    /// How the owner's text is read.
    pub parse_mode: ParseMode,
    /// Messages arrive without a sound.
    pub disable_notifications: bool,
    /// Headers and the way, for servers of one's own.
    pub http: HttpConfig,
    /// Also tell when alerts resolve.
    pub send_resolved: bool,
    /// For the whole send.
    pub timeout: Timeout,
}

impl Settings {
    /// The defaults for a chat.
    #[must_use]
    pub fn new(bot: Bot, chat: ChatId) -> Self {
        Self {
            bot,
            chat,
            message_thread_id: None,
            message: None,
            parse_mode: ParseMode::Html,
            disable_notifications: false,
            http: HttpConfig::default(),
            send_resolved: true,
            timeout: Timeout::default(),
        }
    }
}

/// A bot: its addresses hold its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    pub(super) send_url: Target,
    pub(super) edit_url: Target,
    pub(super) token: Secret,
}

/// A bot that can't be spoken through. Says nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BotError {
    /// Not what BotFather gives.
    #[error("not a bot's token: it is digits, a `:` and letters, as BotFather gives it")]
    Token,
    /// The API's address can't be gone below.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl Bot {
    /// Telegram's own API.
    pub const API_URL: &'static str = "https://api.telegram.org";

    /// The bot of a token at an API.
    ///
    /// # Errors
    /// For text that is no token, and addresses that get too long.
    pub fn new(api_url: &Target, token: Secret) -> Result<Self, BotError> {
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let (number, key) = token.expose().split_once(':').ok_or(BotError::Token)?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BotError::Token);
        }
        if key.is_empty() || !key.bytes().all(is_key) {
            return Err(BotError::Token);
        }
        let below = |method: &str| api_url.join(&[&format!("bot{}", token.expose()), method], &[]);
        Ok(Self { send_url: below("sendMessage")?, edit_url: below("editMessageText")?, token })
    }
}

/// A chat by its number, or a public channel or group by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatId {
    /// Groups and channels are below zero.
    Number(i64),
    /// With its `@`.
    Name(String),
}

/// Text that names no chat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no chat: use its number, such as `-1001234567890`, or a public channel's `@name`")]
pub struct ChatIdError {
    /// As given, not too much of it.
    pub text: String,
}

impl FromStr for ChatId {
    type Err = ChatIdError;

    fn from_str(text: &str) -> Result<Self, ChatIdError> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let name = text.strip_prefix('@').filter(|name| (1..=64).contains(&name.len()));
        if name.is_some_and(|name| name.bytes().all(is_letter)) {
            return Ok(Self::Name(text.to_owned()));
        }
        let number = text.parse().ok().filter(|number| *number != 0).map(Self::Number);
        let shown = || text.chars().take(80).flat_map(char::escape_debug).collect();
        number.ok_or_else(|| ChatIdError { text: shown() })
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// How Telegram reads a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseMode {
    /// A few of HTML's tags; values in the template are escaped.
    Html,
    /// Telegram's older Markdown.
    Markdown,
    /// Telegram's Markdown.
    MarkdownV2,
    /// As it is.
    Plain,
}

impl ParseMode {
    /// Every mode by its name in settings.
    pub const ALL: [(&'static str, Self); 4] = [
        ("HTML", Self::Html),
        ("Markdown", Self::Markdown),
        ("MarkdownV2", Self::MarkdownV2),
        ("", Self::Plain),
    ];

    /// From its name in settings.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode)
    }

    /// Its name for Telegram; `None` for plain text.
    pub(super) fn name(self) -> Option<&'static str> {
        let name = Self::ALL.iter().find(|(_, mode)| *mode == self).map(|(name, _)| *name);
        name.filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bot(api_url: &str, token: &str) -> Result<Bot, BotError> {
        Bot::new(&Target::parse(&Secret::new(api_url)).unwrap(), Secret::new(token))
    }

    #[test]
    fn a_token_is_a_part_of_the_address() {
        let bot = bot("https://api.telegram.org/", "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11").unwrap();
        let url = "https://api.telegram.org/bot123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11/sendMessage";
        assert_eq!(bot.send_url.uri().to_string(), url);
        assert!(!format!("{bot:?}").contains("ABC"));
    }

    #[test]
    fn what_is_no_token_is_refused_without_showing_it() {
        for bad in
            ["", "hunter2", ":hunter2", "12:", "12a:hunter2", "12:hunter2/../x", "12:hunter2\n", "12:a:b"]
        {
            let error = bot("https://x.example", bad).unwrap_err();
            assert_eq!(error, BotError::Token, "{bad}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn chats_have_numbers_or_names() {
        assert_eq!("-1001234567890".parse(), Ok(ChatId::Number(-1_001_234_567_890)));
        assert_eq!("@ops_alerts".parse(), Ok(ChatId::Name("@ops_alerts".to_owned())));
        for bad in
            ["", "0", "ops", "@", "@a b", "1.5", "99999999999999999999", &format!("@{}", "a".repeat(65))]
        {
            assert!(bad.parse::<ChatId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn modes_have_names() {
        for (name, mode) in ParseMode::ALL {
            assert_eq!(ParseMode::from_name(name), Some(mode));
            assert_eq!(mode.name().unwrap_or_default(), name);
        }
        assert_eq!(ParseMode::from_name("html"), None);
    }
}
