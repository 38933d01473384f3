//! Refusals in Alertmanager's own words and shapes.

use super::{
    ALERTS_MAX, BODY_BYTES_MAX, GENERATOR_URL_BYTES_MAX, NAME_BYTES_MAX, PAIRS_MAX, VALUE_BYTES_MAX,
};
use openclaw_alert::json::write_json_string;
use std::fmt;
use thiserror::Error;

/// A request that is refused whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Longer than [`BODY_BYTES_MAX`].
    #[error("body of {bytes} bytes is longer than {BODY_BYTES_MAX}: send fewer alerts a request")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// More alerts than [`ALERTS_MAX`].
    #[error("body has more than {ALERTS_MAX} alerts: send fewer a request")]
    TooManyAlerts,
    /// No body at all.
    #[error("alerts in body is required")]
    Empty,
    /// Not JSON, not an array of alerts, or a value of the wrong type.
    #[error("parsing alerts body from \"\" failed, because {detail}")]
    Parse {
        /// The fault, with its line and column.
        detail: String,
    },
    /// An alert without `labels`.
    #[error("{index}.labels in body is required")]
    LabelsMissing {
        /// Which alert, counted from 0.
        index: usize,
    },
}

impl DecodeError {
    /// The number in the answer's `code`; go-openapi counts on from 600 for
    /// faults of validation.
    fn code(&self) -> u16 {
        match self {
            DecodeError::TooLarge { .. } | DecodeError::TooManyAlerts => 413,
            DecodeError::Parse { .. } => 400,
            DecodeError::Empty | DecodeError::LabelsMissing { .. } => 602,
        }
    }

    /// HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.code() {
            code @ ..600 => code,
            _ => 422,
        }
    }

    /// JSON body of the answer.
    #[must_use]
    pub fn body(&self) -> String {
        format!("{{\"code\":{},\"message\":{}}}", self.code(), json_text(&self.to_string()))
    }
}

/// `text` as a JSON string.
pub(super) fn json_text(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_json_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// One alert that is refused alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Which alert of the request, counted from 0.
    pub index: usize,
    /// Why.
    pub reason: RejectReason,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            // Ours, not Alertmanager's: free to say which alert it is.
            RejectReason::Bound(bound) => write!(f, "alert {}: {bound}", self.index),
            reason => reason.fmt(f),
        }
    }
}

/// Why an alert is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RejectReason {
    /// No label with a value.
    #[error("at least one label pair required")]
    NoLabels,
    /// `endsAt` is before `startsAt`.
    #[error("start time must be before end time")]
    EndsBeforeStart,
    /// A label has the empty name.
    #[error("invalid label set: invalid name \"\"")]
    EmptyLabelName,
    /// An annotation has the empty name.
    #[error("invalid annotations: invalid name \"\"")]
    EmptyAnnotationName,
    /// Longer than what is taken.
    #[error("{0}")]
    Bound(Bound),
}

/// A bound that an alert exceeds. `field` is `labels` or `annotations`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Bound {
    /// Beyond [`PAIRS_MAX`].
    #[error("`{field}` has more than {PAIRS_MAX} names: leave some out")]
    Pairs {
        /// Where.
        field: &'static str,
    },
    /// Beyond [`NAME_BYTES_MAX`].
    #[error("`{field}` has a name of {bytes} bytes, at most {NAME_BYTES_MAX} are taken: shorten it")]
    Name {
        /// Where.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// Beyond [`VALUE_BYTES_MAX`].
    #[error("`{field}.{name}` has {bytes} bytes, at most {VALUE_BYTES_MAX} are taken: shorten it")]
    Value {
        /// Where.
        field: &'static str,
        /// The pair's name, cut to 80 characters.
        name: String,
        /// Length of the value.
        bytes: usize,
    },
    /// Beyond [`GENERATOR_URL_BYTES_MAX`].
    #[error("`generatorURL` has {bytes} bytes, at most {GENERATOR_URL_BYTES_MAX} are taken: shorten it")]
    GeneratorUrl {
        /// Its length.
        bytes: usize,
    },
}
