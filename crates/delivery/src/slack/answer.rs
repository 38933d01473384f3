//! What Slack's answers mean: a 200 is a yes only with `ok` in it.

use crate::http::Answer;
use crate::outcome::{of_status, retry, told};
use crate::standing::{EditError, Posted};
use openclaw_alert::SendOutcome;

/// Words that a later attempt may not meet again, and whether the message may
/// have been posted all the same.
const TRANSIENT: [(&str, bool); 9] = [
    ("message_limit_exceeded", false),
    ("ratelimited", false),
    ("rate_limited", false),
    ("request_timeout", false),
    ("team_added_to_org", false),
    ("org_login_required", false),
    ("service_unavailable", true),
    ("internal_error", true),
    ("fatal_error", true),
];

/// Words that a person has to do something about.
const PERMANENT: [&str; 55] = [
    "access_denied",
    "accesslimited",
    "account_inactive",
    "action_prohibited",
    "cannot_reply_to_message",
    "cant_broadcast_message",
    "cant_update_message",
    "channel_is_archived",
    "channel_not_found",
    "channel_type_not_supported",
    "edit_window_closed",
    "ekm_access_denied",
    "invalid_arguments",
    "invalid_attachments",
    "invalid_attachments_format",
    "invalid_auth",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_channel",
    "invalid_metadata_format",
    "invalid_payload",
    "invalid_token",
    "is_archived",
    "message_not_found",
    "messages_tab_disabled",
    "metadata_must_be_sent_from_app",
    "metadata_too_large",
    "missing_scope",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_active_hooks",
    "no_permission",
    "no_service",
    "no_service_id",
    "no_team",
    "no_text",
    "not_allowed_token_type",
    "not_authed",
    "not_in_channel",
    "posting_to_general_channel_denied",
    "restricted_action",
    "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "restricted_action_thread_only_channel",
    "team_access_not_granted",
    "team_disabled",
    "team_not_found",
    "thread_not_found",
    "token_expired",
    "token_revoked",
    "too_many_attachments",
    "two_factor_setup_required",
    "update_failed",
    "user_not_found",
];

/// Words of an edit after which a new message may still be posted.
const GONE: [&str; 6] = [
    "cant_update_message",
    "channel_not_found",
    "edit_window_closed",
    "is_archived",
    "message_not_found",
    "not_in_channel",
];

/// Where a message was posted, as far as the answer says so.
pub(super) fn posted(host: &str, answer: &Answer) -> Result<Option<Posted>, SendOutcome> {
    match judge(host, answer) {
        SendOutcome::Delivered { .. } => Ok(Said::named(&answer.body)),
        outcome => Err(outcome),
    }
}

/// Whether a message was edited.
pub(super) fn edited(host: &str, answer: &Answer) -> Result<(), EditError> {
    match (judge(host, answer), Said::read(&answer.body)) {
        (SendOutcome::Delivered { .. }, _) => Ok(()),
        (SendOutcome::Never { .. }, Said::Error(word)) if GONE.contains(&word.as_str()) => {
            Err(EditError::Gone)
        }
        (outcome, _) => Err(EditError::Failed(outcome)),
    }
}

/// The verdict of a send.
pub(super) fn judge(host: &str, answer: &Answer) -> SendOutcome {
    let said = Said::read(&answer.body);
    match (of_status(host, answer), said) {
        (SendOutcome::Delivered { .. }, Said::Ok) => SendOutcome::DELIVERED,
        (SendOutcome::Delivered { .. }, Said::Error(word)) => judge_word(host, answer, &word),
        (SendOutcome::Never { .. }, Said::Error(word)) => judge_word(host, answer, &word),
        // Something else answers in its place, or the answer broke off: nobody knows what was done.
        (SendOutcome::Delivered { .. }, Said::Other) => {
            retry(answer, true, format!("{}, but not as Slack does", told(host, answer.status)))
        }
        (by_status, _) => by_status,
    }
}

/// Only words known here are repeated: anything else could hold the address.
fn judge_word(host: &str, answer: &Answer, word: &str) -> SendOutcome {
    let told = told(host, answer.status);
    if let Some((known, ambiguous)) = TRANSIENT.iter().find(|(known, _)| *known == word) {
        return retry(answer, *ambiguous, format!("{told}: {known}"));
    }
    let detail = match PERMANENT.iter().find(|known| **known == word) {
        Some(known) => format!("{told}: {known}"),
        None if answer.status.is_success() => format!("{told}, but not with Slack's `ok`"),
        None => told,
    };
    SendOutcome::Never { detail }
}

/// What a body says, in either of the forms that Slack's addresses answer in.
enum Said {
    Ok,
    Error(String),
    /// Nothing that Slack would say.
    Other,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        match text.trim() {
            "ok" => Self::Ok,
            json if json.starts_with('{') => Self::read_json(json),
            word if is_known(word) => Self::Error(word.to_owned()),
            _ => Self::Other,
        }
    }

    /// The message, in an app's answer.
    fn named(body: &[u8]) -> Option<Posted> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        let word = |name: &str| value[name].as_str().map(str::to_owned);
        Some(Posted { place: word("channel")?, message: word("ts")? })
    }

    fn read_json(text: &str) -> Self {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        match value["ok"].as_bool() {
            Some(true) => Self::Ok,
            Some(false) => Self::Error(value["error"].as_str().unwrap_or_default().to_owned()),
            None => Self::Other,
        }
    }
}

fn is_known(word: &str) -> bool {
    PERMANENT.contains(&word) || TRANSIENT.iter().any(|(known, _)| *known == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, want: &str) {
        let answer = Answer::sample(status, body);
        let found = match judge("hooks.slack.example", &answer) {
            SendOutcome::Untried { .. } => unreachable!(),
            SendOutcome::Delivered { .. } => "delivered".to_owned(),
            SendOutcome::Retry { ambiguous: true, detail, .. } => format!("ambiguous {detail}"),
            SendOutcome::Retry { detail, .. } => format!("retry {detail}"),
            SendOutcome::Never { detail } => format!("never {detail}"),
        };
        assert_eq!(found.replace("`hooks.slack.example` answered ", ""), want, "{status} {body}");
    }

    #[test]
    fn only_ok_is_a_yes() {
        check(200, "ok", "delivered");
        check(200, "ok\n", "delivered");
        check(200, r#"{"ok":true,"ts":"1.2"}"#, "delivered");
        check(200, r#"{"ok":false}"#, "never 200 OK, but not with Slack's `ok`");
        check(200, r#"{"ok":false,"error":"hunter2"}"#, "never 200 OK, but not with Slack's `ok`");
        for lie in ["", "<html>sign in at https://x/secret</html>", "{", r#"{"ok":tr"#, "{}", "[]"] {
            check(200, lie, "ambiguous 200 OK, but not as Slack does");
        }
        check(302, "ok", "never 302 Found: redirects are not followed, set the final address");
    }

    #[test]
    fn words_say_whether_to_come_again() {
        check(200, "invalid_token", "never 200 OK: invalid_token");
        check(200, r#"{"ok":false,"error":"channel_not_found"}"#, "never 200 OK: channel_not_found");
        check(200, r#"{"ok":false,"error":"fatal_error"}"#, "ambiguous 200 OK: fatal_error");
        check(200, r#"{"ok":false,"error":"ratelimited"}"#, "retry 200 OK: ratelimited");
        check(400, "invalid_payload", "never 400 Bad Request: invalid_payload");
        check(404, "no_service", "never 404 Not Found: no_service");
        check(410, "channel_is_archived", "never 410 Gone: channel_is_archived");
        check(403, "Cannot POST /services/T0/secret", "never 403 Forbidden");
        check(500, "rollup_error", "ambiguous 500 Internal Server Error");
        check(429, "invalid_payload", "retry 429 Too Many Requests");
    }

    #[test]
    fn a_word_has_one_meaning() {
        let words: Vec<_> = TRANSIENT.iter().map(|(word, _)| *word).chain(PERMANENT).collect();
        let distinct: std::collections::BTreeSet<_> = words.iter().collect();
        assert_eq!(distinct.len(), words.len());
    }
}
