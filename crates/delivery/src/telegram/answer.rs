//! What Telegram's answers mean.

use crate::http::Answer;
use crate::outcome::{of_status, retry, told};
use crate::standing::Posted;
use openclaw_alert::SendOutcome;
use serde_json::Value;
use std::time::Duration;

const RETRY_AFTER_MAX_S: u64 = 24 * 60 * 60;

/// Of an edit: nothing is there to edit.
const GONE: [&str; 3] = ["message to edit not found", "message can't be edited", "message_id_invalid"];

/// What a person has to do something about; only words known here are
/// repeated, since a server may repeat the address.
const PERMANENT: [&str; 22] = [
    "bot can't initiate conversation with a user",
    "bot is not a member",
    "bot was blocked by the user",
    "bot was kicked",
    "bots can't send messages to bots",
    "chat not found",
    "chat_restricted",
    "chat_write_forbidden",
    "group chat was deactivated",
    "group chat was deleted",
    "have no rights to send a message",
    "message is too long",
    "message text is empty",
    "message thread not found",
    "need administrator rights",
    "not enough rights",
    "peer_id_invalid",
    "topic_closed",
    "topic_deleted",
    "unauthorized",
    "user is deactivated",
    "user not found",
];

/// An answer in one word.
#[derive(Debug)]
pub(super) enum Said {
    /// Done; where, as far as it says so.
    Yes(Option<Posted>),
    /// The group has another number now.
    Migrated(i64),
    /// The text's markup can't be read.
    Unreadable,
    /// The message isn't there to be edited.
    Gone,
    /// Anything else.
    Failed(SendOutcome),
}

pub(super) fn read(host: &str, answer: &Answer) -> Said {
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if value["ok"] == true && answer.status.is_success() {
        return Said::Yes(posted(&value["result"]));
    }
    let description = value["description"].as_str().unwrap_or_default().to_lowercase();
    let says = |words: &str| description.contains(words);
    if says("message is not modified") {
        return Said::Yes(None);
    }
    if let Some(chat) = value["parameters"]["migrate_to_chat_id"].as_i64() {
        return Said::Migrated(chat);
    }
    if says("can't parse entities") {
        return Said::Unreadable;
    }
    if GONE.iter().any(|words| says(words)) {
        return Said::Gone;
    }
    Said::Failed(failed(host, answer, &value, &description))
}

fn posted(result: &Value) -> Option<Posted> {
    let (chat, message) = (result["chat"]["id"].as_i64()?, result["message_id"].as_i64()?);
    Some(Posted { place: chat.to_string(), message: message.to_string() })
}

/// Telegram repeats the status in the body; a server in between may have
/// changed the one that came with it.
fn failed(host: &str, answer: &Answer, value: &Value, description: &str) -> SendOutcome {
    let told = told(host, answer.status);
    match value["error_code"].as_u64() {
        Some(429) => limited(answer, value, told),
        Some(500..=599) => retry(answer, true, told),
        Some(_) => SendOutcome::Never { detail: with_known(told, description) },
        None => match of_status(host, answer) {
            SendOutcome::Delivered { .. } if value["ok"] == false => {
                SendOutcome::Never { detail: format!("{told}, but not with Telegram's `ok`") }
            }
            // Something else answers in its place, or the answer broke off: nobody knows what was done.
            SendOutcome::Delivered { .. } => retry(answer, true, format!("{told}, but not as Telegram does")),
            outcome => outcome,
        },
    }
}

fn limited(answer: &Answer, value: &Value, detail: String) -> SendOutcome {
    let asked = value["parameters"]["retry_after"].as_u64();
    let asked = asked.map(|seconds| Duration::from_secs(seconds.min(RETRY_AFTER_MAX_S)));
    SendOutcome::Retry { after: asked.or(answer.retry_after), ambiguous: false, detail }
}

fn with_known(told: String, description: &str) -> String {
    match PERMANENT.iter().find(|known| description.contains(**known)) {
        Some(&"unauthorized") => format!("{told}: no bot has this `bot_token`"),
        Some(known) => format!("{told}: {known}"),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, want: &str) {
        let found = match read("api.telegram.example", &Answer::sample(status, body)) {
            Said::Yes(posted) => {
                posted.map_or("yes".to_owned(), |p| format!("yes {} {}", p.place, p.message))
            }
            Said::Migrated(chat) => format!("migrated {chat}"),
            Said::Unreadable => "unreadable".to_owned(),
            Said::Gone => "gone".to_owned(),
            Said::Failed(SendOutcome::Never { detail }) => format!("never {detail}"),
            Said::Failed(SendOutcome::Retry { after, ambiguous, .. }) => {
                format!("{} {after:?}", if ambiguous { "ambiguous" } else { "retry" })
            }
            Said::Failed(other) => panic!("{other:?}"),
        };
        assert_eq!(found.replace("`api.telegram.example` answered ", ""), want, "{status} {body}");
    }

    #[test]
    fn every_answer_has_its_meaning() {
        let error = |code: u16, description: &str, parameters: &str| {
            let body = format!(
                r#"{{"ok":false,"error_code":{code},"description":"{description}","parameters":{{{parameters}}}}}"#
            );
            (code, body)
        };
        let sent =
            r#"{"ok":true,"result":{"message_id":17,"chat":{"id":-1001234567890,"type":"supergroup"}}}"#;
        check(200, sent, "yes -1001234567890 17");
        check(200, r#"{"ok":true,"result":true}"#, "yes");
        for (description, parameters, want) in [
            ("Bad Request: message is not modified: specified new message content…", "", "yes"),
            (
                "Bad Request: group chat was upgraded to a supergroup chat",
                r#""migrate_to_chat_id":-100500"#,
                "migrated -100500",
            ),
            ("Bad Request: can't parse entities: Unsupported start tag", "", "unreadable"),
            ("Bad Request: message to edit not found", "", "gone"),
            ("Bad Request: MESSAGE_ID_INVALID", "", "gone"),
            ("Bad Request: chat not found", "", "never 400 Bad Request: chat not found"),
            ("Bad Request: /bot12:hunter2 is odd", "", "never 400 Bad Request"),
        ] {
            let (code, body) = error(400, description, parameters);
            check(code, &body, want);
        }
        let (code, body) = error(429, "Too Many Requests: retry after 35", r#""retry_after":35"#);
        check(code, &body, "retry Some(35s)");
        check(200, &body, "retry Some(35s)");
        check(401, &error(401, "Unauthorized", "").1, "never 401 Unauthorized: no bot has this `bot_token`");
        check(
            403,
            &error(403, "Forbidden: bot was blocked by the user", "").1,
            "never 403 Forbidden: bot was blocked by the user",
        );
        check(500, &error(500, "Internal Server Error", "").1, "ambiguous None");
        check(502, "<html>", "ambiguous None");
        check(429, "", "retry None");
        check(200, r#"{"ok":false}"#, "never 200 OK, but not with Telegram's `ok`");
        for lie in ["<html>hunter2", "", r#"{"ok":tr"#, "{}"] {
            check(200, lie, "ambiguous None");
        }
    }
}
