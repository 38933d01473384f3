//! ServiceNow: what a business rule of the instance posts to us.

use super::{ActionError, KEY_BYTES_MAX, NAME_CHARS_MAX, NOTE_CHARS_MAX};
use crate::Fault;
use crate::draft::clipped;
use crate::tree::{Node, parse};
use openclaw_alert::Feedback;

/// What a person did with an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceNowAction {
    /// The key that we gave the incident.
    pub correlation_id: String,
    /// What was done; absent for a state that says nothing to us.
    pub action: Option<Feedback>,
    /// Who; may be empty.
    pub by: String,
    /// In their words; may be empty.
    pub note: String,
    /// `INC…`; may be empty.
    pub number: String,
    /// The record's id; may be empty.
    pub sys_id: String,
}

/// Reads `{correlation_id, state | action, by, note, number, sys_id}`. A state
/// is a number of the incident table: 2 In Progress, 6 Resolved, 7 Closed, 8
/// Canceled; an action is a word of ours.
///
/// # Errors
/// [`ActionError`] with the field and what it should be.
pub fn parse_call(body: &[u8]) -> Result<ServiceNowAction, ActionError> {
    let call = parse(body)?;
    let text = |name: &str| call.get(name).and_then(Node::scalar).unwrap_or_default();
    let correlation_id = text("correlation_id");
    if correlation_id.is_empty() || correlation_id.len() > KEY_BYTES_MAX {
        let detail = format!("should be the incident's, 1 to {KEY_BYTES_MAX} bytes: send it as it is");
        return Err(Fault::new("/correlation_id", detail).into());
    }
    Ok(ServiceNowAction {
        action: action_of(&text("action"), &text("state"))?,
        by: clipped(&text("by"), NAME_CHARS_MAX).into_owned(),
        note: clipped(&text("note"), NOTE_CHARS_MAX).into_owned(),
        number: clipped(&text("number"), NAME_CHARS_MAX).into_owned(),
        sys_id: clipped(&text("sys_id"), NAME_CHARS_MAX).into_owned(),
        correlation_id: correlation_id.into_owned(),
    })
}

fn action_of(action: &str, state: &str) -> Result<Option<Feedback>, Fault> {
    if !action.is_empty() {
        let known = Feedback::from_name(action).or((action == "acknowledge").then_some(Feedback::Ack));
        let wanted = "should be `ack`, `resolve`, `dismiss` or `escalate`";
        return known.map(Some).ok_or_else(|| Fault::new("/action", wanted));
    }
    match state {
        "" => Err(Fault::new("/state", "is missing: send the incident's state, or an `action`")),
        "2" => Ok(Some(Feedback::Ack)),
        "6" | "7" => Ok(Some(Feedback::Resolve)),
        "8" => Ok(Some(Feedback::Dismiss)),
        _ if state.len() <= 3 && state.parse::<u8>().is_ok() => Ok(None),
        _ => Err(Fault::new("/state", "should be the state's number, such as `6` for Resolved")),
    }
}
