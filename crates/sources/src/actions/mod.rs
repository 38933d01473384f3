//! The way back: what people do in other tools, as those tools tell it.
//!
//! Each module checks that tool's signature as a pure function of the body as
//! received, and reads the body.

pub mod pagerduty;
pub mod servicenow;
pub mod slack;
#[cfg(test)]
mod tests;

use crate::Fault;
use openclaw_alert::Feedback;
use thiserror::Error;

/// Longest key of ours that comes back.
pub const KEY_BYTES_MAX: usize = 2000;
/// Longest name of a person; cut beyond.
pub const NAME_CHARS_MAX: usize = 128;
/// Longest note; cut beyond.
pub const NOTE_CHARS_MAX: usize = 4000;

/// What a person did with a message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Said what is to become of the alert.
    Feedback(Feedback),
    /// Wants no more of these for a while.
    Silence,
}

impl Action {
    /// From the name that buttons and callbacks have for it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "silence" => Some(Action::Silence),
            "acknowledge" => Some(Action::Feedback(Feedback::Ack)),
            _ => Feedback::from_name(name).map(Action::Feedback),
        }
    }
}

/// A body that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{fault}")]
pub struct ActionError {
    /// What is wrong, and where.
    pub fault: Fault,
}

impl From<Fault> for ActionError {
    fn from(fault: Fault) -> Self {
        Self { fault }
    }
}
