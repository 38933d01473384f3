//! Slack: clicks on buttons, and its check of our address.

use super::{Action, ActionError, KEY_BYTES_MAX, NAME_CHARS_MAX};
use crate::draft::clipped;
use crate::signature::{SignatureError, check_time, from_hex, is_any_signed};
use crate::tree::{Node, parse, parse_text};
use crate::{Fault, Post};
use openclaw_alert::Timestamp;
use std::borrow::Cow;

/// Clicks in one payload that are looked at; Slack sends one.
const ACTIONS_MAX: usize = 25;

/// What Slack posts to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlackCall {
    /// Somebody clicked a button of ours.
    Clicked(SlackAction),
    /// Slack checks our address: answer 200 with this, as plain text.
    UrlVerification {
        /// The text to answer.
        challenge: String,
    },
    /// Nothing of ours, such as a click on a link; answer 200 and forget it.
    Other,
}

/// A click on a button of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackAction {
    /// Which button.
    pub action: Action,
    /// The dedup key that we gave the button as its value.
    pub value: String,
    /// Who clicked.
    pub user: SlackUser,
    /// Where replies go to; not yet known to be Slack's.
    pub response_url: Option<String>,
    /// Channel of the message.
    pub channel: String,
    /// Time of the message, which is its name in its channel.
    pub message_ts: String,
    /// When it was clicked, in Slack's words; with user and value it names the
    /// click.
    pub action_ts: String,
}

/// A person in Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackUser {
    /// `U…`.
    pub id: String,
    /// The name, where Slack says it.
    pub name: String,
}

/// Checks `x-slack-signature` and `x-slack-request-timestamp` of a request
/// over its body as received.
///
/// # Errors
/// [`SignatureError`] where it isn't known to be Slack's.
pub fn verify(signing_secret: &str, post: &Post<'_>, now: Timestamp) -> Result<(), SignatureError> {
    const TIMESTAMP: &str = "x-slack-request-timestamp";
    const SIGNATURE: &str = "x-slack-signature";
    let header = |header| post.header(header).ok_or(SignatureError::Missing { header });
    let (time, signature) = (header(TIMESTAMP)?, header(SIGNATURE)?);
    check_time(TIMESTAMP, time, now)?;
    let wanted = "`v0=` and hexadecimal digits";
    let signature = signature
        .strip_prefix("v0=")
        .and_then(from_hex)
        .ok_or(SignatureError::Malformed { header: SIGNATURE, wanted })?;
    let parts: [&[u8]; 4] = [b"v0:", time.as_bytes(), b":", post.body];
    let is_signed = is_any_signed(signing_secret.as_bytes(), &parts, std::iter::once(signature));
    if signing_secret.is_empty() || !is_signed {
        return Err(SignatureError::Mismatch);
    }
    Ok(())
}

/// Reads a body whose signature has been checked: a form with a `payload`, or
/// JSON.
///
/// # Errors
/// [`ActionError`] for anything that Slack doesn't send.
pub fn parse_call(body: &[u8]) -> Result<SlackCall, ActionError> {
    if body.trim_ascii_start().starts_with(b"{") {
        return Ok(from_json(&parse(body)?));
    }
    let mut pairs = form_urlencoded::parse(body);
    let payload = pairs.find(|(name, _)| name == "payload").map(|(_, payload)| payload);
    let payload = payload.ok_or_else(|| Fault::new("/payload", "is missing: Slack sends a form with it"))?;
    let call = parse_text(&payload)
        .map_err(|error| Fault::new("/payload", format!("is not JSON that can be read: {error}")))?;
    from_interaction(&call)
}

fn from_json(call: &Node<'_>) -> SlackCall {
    let text = |name| call.get(name).and_then(Node::as_text).unwrap_or_default();
    if text("type") != "url_verification" {
        return SlackCall::Other;
    }
    SlackCall::UrlVerification { challenge: clipped(text("challenge"), 1000).into_owned() }
}

fn from_interaction(call: &Node<'_>) -> Result<SlackCall, ActionError> {
    if call.get("type").and_then(Node::as_text) != Some("block_actions") {
        return Ok(SlackCall::Other);
    }
    let actions = call.get("actions").and_then(Node::as_array).unwrap_or_default();
    let known = actions.iter().take(ACTIONS_MAX).find_map(|action| {
        let id = action.get("action_id")?.as_text()?;
        Some((action, Action::from_name(name_of(id))?))
    });
    let Some((button, action)) = known else { return Ok(SlackCall::Other) };
    let value = texts(button, &["value"]);
    if value.is_empty() || value.len() > KEY_BYTES_MAX {
        let detail = format!("should be the alert's key, 1 to {KEY_BYTES_MAX} bytes");
        return Err(Fault::new("/payload/actions/0/value", detail).into());
    }
    let user = SlackUser { id: named(call, "id"), name: named(call, "username") };
    if user.id.is_empty() {
        return Err(Fault::new("/payload/user/id", "is missing: Slack says who clicked").into());
    }
    Ok(SlackCall::Clicked(SlackAction {
        action,
        value: value.into_owned(),
        user,
        response_url: call.get("response_url").and_then(Node::as_text).map(str::to_owned),
        channel: texts(call, &["channel", "id"]).into_owned(),
        message_ts: texts(call, &["message", "ts"]).into_owned(),
        action_ts: texts(button, &["action_ts"]).into_owned(),
    }))
}

/// `ack` of `ack` and of `openclaw:ack`.
fn name_of(action_id: &str) -> &str {
    action_id.strip_prefix("openclaw:").unwrap_or(action_id)
}

/// A text below; empty where it is none.
fn texts<'n>(node: &'n Node<'_>, path: &[&str]) -> Cow<'n, str> {
    let found = path.iter().try_fold(node, |node, name| node.get(name));
    found.and_then(Node::as_text).map_or(Cow::Borrowed(""), Cow::Borrowed)
}

fn named(call: &Node<'_>, field: &str) -> String {
    let text = texts(call, &["user", field]);
    let text = if field == "username" && text.is_empty() { texts(call, &["user", "name"]) } else { text };
    clipped(&text, NAME_CHARS_MAX).into_owned()
}
