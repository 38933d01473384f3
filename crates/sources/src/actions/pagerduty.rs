//! PagerDuty: webhooks version 3.

use super::{ActionError, KEY_BYTES_MAX, NAME_CHARS_MAX};
use crate::draft::clipped;
use crate::signature::{SignatureError, from_hex, is_any_signed};
use crate::tree::{Node, parse};
use crate::{Fault, Post};
use openclaw_alert::{Feedback, Timestamp, Zoned};

/// What happened to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PagerDutyCall {
    /// A person did something that we know a word for.
    Acted(PagerDutyAction),
    /// Anything else; answer 202 and forget it.
    Other {
        /// PagerDuty's name for it.
        event_type: String,
    },
}

/// What a person did with an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagerDutyAction {
    /// The event's id, the same on each repeat.
    pub event_id: String,
    /// What was done.
    pub action: Feedback,
    /// The key that we gave the alert; absent where the incident has none.
    pub incident_key: String,
    /// The incident's page; may be empty.
    pub html_url: String,
    /// Who; empty where it was done by no person.
    pub by: String,
    /// When.
    pub at: Option<Timestamp>,
}

/// Checks `x-pagerduty-signature` over the body as received: any of its list,
/// so that a secret can be changed.
///
/// # Errors
/// [`SignatureError`] where it isn't known to be PagerDuty's.
pub fn verify(secret: &str, post: &Post<'_>) -> Result<(), SignatureError> {
    const HEADER: &str = "x-pagerduty-signature";
    let list = post.header(HEADER).ok_or(SignatureError::Missing { header: HEADER })?;
    let given = list.split(',').filter_map(|one| from_hex(one.trim().strip_prefix("v1=")?));
    if secret.is_empty() || !is_any_signed(secret.as_bytes(), &[post.body], given) {
        return Err(SignatureError::Mismatch);
    }
    Ok(())
}

/// Reads a body whose signature has been checked.
///
/// # Errors
/// [`ActionError`] for anything that PagerDuty doesn't send.
pub fn parse_call(body: &[u8]) -> Result<PagerDutyCall, ActionError> {
    let call = parse(body)?;
    let event =
        call.get("event").ok_or_else(|| Fault::new("/event", "is missing: send a version 3 webhook"))?;
    let text = |path: &[&str]| {
        let found = path.iter().try_fold(event, |node, name| node.get(name));
        found.and_then(Node::as_text).unwrap_or_default()
    };
    let event_type = text(&["event_type"]);
    if event_type.is_empty() {
        return Err(Fault::new("/event/event_type", "is missing: send a version 3 webhook").into());
    }
    let incident_key = text(&["data", "incident_key"]);
    let Some(action) = action_of(event_type).filter(|_| !incident_key.is_empty()) else {
        return Ok(PagerDutyCall::Other { event_type: clipped(event_type, NAME_CHARS_MAX).into_owned() });
    };
    if incident_key.len() > KEY_BYTES_MAX {
        let detail = format!("is longer than {KEY_BYTES_MAX} bytes: no alert of ours has such a key");
        return Err(Fault::new("/event/data/incident_key", detail).into());
    }
    let agent = if text(&["agent", "summary"]).is_empty() { &["agent", "id"] } else { &["agent", "summary"] };
    Ok(PagerDutyCall::Acted(PagerDutyAction {
        event_id: clipped(text(&["id"]), NAME_CHARS_MAX).into_owned(),
        action,
        incident_key: incident_key.to_owned(),
        html_url: clipped(text(&["data", "html_url"]), 3000).into_owned(),
        by: clipped(text(agent), NAME_CHARS_MAX).into_owned(),
        at: Zoned::parse(text(&["occurred_at"])).ok().map(|time| time.at),
    }))
}

fn action_of(event_type: &str) -> Option<Feedback> {
    match event_type {
        "incident.acknowledged" => Some(Feedback::Ack),
        "incident.resolved" => Some(Feedback::Resolve),
        "incident.escalated" => Some(Feedback::Escalate),
        _ => None,
    }
}
