//! What people did with our messages in other tools: bytes in, deeds out.
//!
//! A decoder is given a request whose sender has been verified. What is none
//! of ours (other buttons, other events) is no fault: tools send it all.

pub mod pagerduty;
pub mod servicenow;
pub mod slack;

use openclaw_alert::Feedback;
use thiserror::Error;

/// Bytes of a key that is looked up; ours have 32.
const KEY_BYTES_MAX: usize = 255;

/// Bytes of a name with its tool.
const BY_BYTES_MAX: usize = 200;

/// Bytes of a note.
const NOTE_BYTES_MAX: usize = 4096;

/// Bytes of a sender's own name of a request.
const ID_BYTES_MAX: usize = 512;

/// What somebody did with a group of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The name under which that tool knows the group: our dedup key.
    pub key: String,
    /// What was done.
    pub what: What,
    /// By whom, and in which tool: `ann in Slack`.
    pub by: String,
    /// In their words; may be empty.
    pub note: String,
}

/// Everything that can be done with a group from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Said something about its alerts.
    Judged(Feedback),
    /// Asked for quiet.
    Silenced,
}

/// A verified request that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Fault {
    /// JSON pointer to where it lies.
    pub pointer: &'static str,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl Fault {
    fn at(pointer: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer, detail: detail.into() }
    }
}

/// A name with its tool, as everybody will read it.
fn by(name: &str, tool: &str) -> String {
    let name = line(name, BY_BYTES_MAX - tool.len() - " in ".len());
    let name = if name.is_empty() { "somebody" } else { &name };
    format!("{name} in {tool}")
}

/// A sender's text as one line of at most `bytes_max`, so that it can't pass
/// for more than it is.
fn line(text: &str, bytes_max: usize) -> String {
    let text = text.trim();
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A key as it may be looked up.
fn key(pointer: &'static str, text: &str) -> Result<String, Fault> {
    if text.is_empty() || text.len() > KEY_BYTES_MAX {
        return Err(Fault::at(pointer, format!("must have 1 to {KEY_BYTES_MAX} bytes")));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_say_where_they_are_from() {
        assert_eq!(by("ann", "Slack"), "ann in Slack");
        assert_eq!(by(" \n", "Slack"), "somebody in Slack");
        assert_eq!(by("a\nb\u{7}", "PagerDuty"), "a b  in PagerDuty");
    }

    proptest! {
        #[test]
        fn names_have_a_bound_and_one_line(name: String, times in 1_usize..50) {
            let by = by(&name.repeat(times), "ServiceNow");
            prop_assert!(by.len() <= BY_BYTES_MAX);
            prop_assert!(by.ends_with(" in ServiceNow"));
            prop_assert!(!by.chars().any(char::is_control));
        }

        #[test]
        fn garbage_never_panics(body: Vec<u8>) {
            let _ = slack::decode(Some("application/json"), &body);
            let _ = slack::decode(None, &body);
            let _ = pagerduty::decode(&body);
            let _ = servicenow::decode(&body);
        }
    }
}
