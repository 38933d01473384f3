//! Silences: `POST /api/v2/silences` in, `GET /api/v2/silences` out.

use super::decode::parse_time;
use super::errors::json_text;
use openclaw_alert::json::write_json_string;
use openclaw_alert::{MatchOp, Matcher, Timestamp, Zoned};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use std::collections::BTreeMap;
use thiserror::Error;

/// Largest body of a silence.
pub const SILENCE_BODY_BYTES_MAX: usize = 256 << 10;
/// Most matchers of a silence.
pub const MATCHERS_MAX: usize = 256;

/// Notes by name, sorted.
pub type Notes = Vec<(Box<str>, Box<str>)>;

/// A silence as it was posted, well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostableSilence {
    /// Names the silence to be changed; empty for a new one.
    pub id: String,
    /// What is silenced.
    pub matchers: Vec<Matcher>,
    /// From when; `None` for Go's zero time.
    pub starts_at: Option<Timestamp>,
    /// Until when; `None` for Go's zero time.
    pub ends_at: Option<Timestamp>,
    /// By whom.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Notes for people and programs.
    pub annotations: Notes,
}

/// Why a silence is refused, in Alertmanager's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SilenceError {
    /// No body at all.
    #[error("silence in body is required")]
    Empty,
    /// Longer than [`SILENCE_BODY_BYTES_MAX`].
    #[error("body of {bytes} bytes is longer than {SILENCE_BODY_BYTES_MAX}: silence less at a time")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, or a value of the wrong type.
    #[error("parsing silence body from \"\" failed, because {detail}")]
    Parse {
        /// The fault, with its line and column.
        detail: String,
    },
    /// A member that must be there isn't.
    #[error("{field} in body is required")]
    Missing {
        /// Which.
        field: String,
    },
    /// An empty list of matchers.
    #[error("matchers in body should have at least 1 items")]
    NoMatcher,
    /// More than [`MATCHERS_MAX`] matchers.
    #[error("invalid silence: more than {MATCHERS_MAX} matchers: use a regular expression")]
    TooManyMatchers,
    /// A matcher without a label name.
    #[error("invalid silence: invalid label matcher {index}: invalid label name \"\"")]
    NoName {
        /// Which matcher, counted from 0.
        index: usize,
    },
    /// A pattern that doesn't compile.
    #[error(
        "invalid silence: invalid label matcher {index}: invalid regular expression {pattern:?}: {detail}"
    )]
    Regex {
        /// Which matcher, counted from 0.
        index: usize,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl SilenceError {
    /// Number in the answer's `code`; `None` where the body is a bare string.
    fn code(&self) -> Option<u16> {
        match self {
            Self::Empty | Self::Missing { .. } => Some(602),
            Self::NoMatcher => Some(612),
            Self::Parse { .. } => Some(400),
            Self::TooLarge { .. } => Some(413),
            Self::TooManyMatchers | Self::NoName { .. } | Self::Regex { .. } => None,
        }
    }

    /// HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.code() {
            None => 400,
            Some(code @ ..600) => code,
            Some(_) => 422,
        }
    }

    /// JSON body of the answer.
    #[must_use]
    pub fn body(&self) -> String {
        let text = json_text(&self.to_string());
        match self.code() {
            Some(code) => format!("{{\"code\":{code},\"message\":{text}}}"),
            None => text,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Body {
    id: Option<String>,
    matchers: Option<Vec<Option<MatcherBody>>>,
    starts_at: Option<Time>,
    ends_at: Option<Time>,
    created_by: Option<String>,
    comment: Option<String>,
    annotations: Option<BTreeMap<Box<str>, Box<str>>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct MatcherBody {
    is_equal: Option<bool>,
    is_regex: Option<bool>,
    name: Option<String>,
    value: Option<String>,
}

/// The empty text and Go's zero time are no time.
struct Time(Option<Timestamp>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let text = String::deserialize(json)?;
        if text.is_empty() {
            return Ok(Self(None));
        }
        let time = parse_time(&text).map_err(|error| {
            let shown: String = text.chars().take(80).collect();
            de::Error::custom(format_args!("`{}` is {error}", shown.escape_debug()))
        })?;
        Ok(Self((time.at != Timestamp::MIN).then_some(time.at)))
    }
}

/// Reads the body of `POST /api/v2/silences`.
///
/// # Errors
/// The first fault, in the order in which Alertmanager looks.
pub fn decode_silence(body: &[u8]) -> Result<PostableSilence, SilenceError> {
    if body.len() > SILENCE_BODY_BYTES_MAX {
        return Err(SilenceError::TooLarge { bytes: body.len() });
    }
    if body.is_empty() {
        return Err(SilenceError::Empty);
    }
    let body: Option<Body> =
        serde_json::from_slice(body).map_err(|error| SilenceError::Parse { detail: error.to_string() })?;
    let body = body.unwrap_or_default();
    let comment = required(body.comment, "comment")?;
    let created_by = required(body.created_by, "createdBy")?;
    let ends_at = required(body.ends_at, "endsAt")?.0;
    let matchers = matchers(required(body.matchers, "matchers")?)?;
    let starts_at = required(body.starts_at, "startsAt")?.0;
    let annotations = body.annotations.unwrap_or_default().into_iter().collect();
    let id = body.id.unwrap_or_default();
    Ok(PostableSilence { id, matchers, starts_at, ends_at, created_by, comment, annotations })
}

fn required<T>(value: Option<T>, field: impl Into<String>) -> Result<T, SilenceError> {
    value.ok_or_else(|| SilenceError::Missing { field: field.into() })
}

fn matchers(given: Vec<Option<MatcherBody>>) -> Result<Vec<Matcher>, SilenceError> {
    match given.len() {
        0 => return Err(SilenceError::NoMatcher),
        1..=MATCHERS_MAX => {}
        _ => return Err(SilenceError::TooManyMatchers),
    }
    let given = given.into_iter().map(Option::unwrap_or_default).enumerate();
    given.map(|(index, given)| matcher(index, given)).collect()
}

fn matcher(index: usize, given: MatcherBody) -> Result<Matcher, SilenceError> {
    let field = |name: &str| format!("matchers.{index}.{name}");
    let is_regex = required(given.is_regex, field("isRegex"))?;
    let name = required(given.name, field("name"))?;
    let value = required(given.value, field("value"))?;
    if name.is_empty() {
        return Err(SilenceError::NoName { index });
    }
    let op = match (given.is_equal.unwrap_or(true), is_regex) {
        (true, false) => MatchOp::Equal,
        (false, false) => MatchOp::NotEqual,
        (true, true) => MatchOp::Regex,
        (false, true) => MatchOp::NotRegex,
    };
    Matcher::new(&name, op, &value).map_err(|error| SilenceError::Regex {
        index,
        pattern: value,
        detail: error.detail,
    })
}

/// What an answer says about one silence.
#[derive(Debug, Clone, Copy)]
pub struct GettableSilence<'a> {
    /// Its name.
    pub id: &'a str,
    /// `expired`, `active` or `pending`.
    pub state: &'a str,
    /// Last change.
    pub updated_at: Timestamp,
    /// Notes.
    pub annotations: &'a [(Box<str>, Box<str>)],
    /// Why.
    pub comment: &'a str,
    /// By whom.
    pub created_by: &'a str,
    /// Until when.
    pub ends_at: Timestamp,
    /// What is silenced.
    pub matchers: &'a [Matcher],
    /// From when.
    pub starts_at: Timestamp,
}

/// Appends the JSON object of one silence, members in Alertmanager's order.
pub fn write_silence(out: &mut Vec<u8>, silence: &GettableSilence<'_>) {
    out.extend_from_slice(b"{\"id\":");
    write_json_string(out, silence.id);
    out.extend_from_slice(b",\"status\":{\"state\":");
    write_json_string(out, silence.state);
    write_time(out, b"},\"updatedAt\":\"", silence.updated_at);
    if !silence.annotations.is_empty() {
        write_notes(out, silence.annotations);
    }
    out.extend_from_slice(b",\"comment\":");
    write_json_string(out, silence.comment);
    out.extend_from_slice(b",\"createdBy\":");
    write_json_string(out, silence.created_by);
    write_time(out, b",\"endsAt\":\"", silence.ends_at);
    out.extend_from_slice(b",\"matchers\":[");
    for (index, matcher) in silence.matchers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_matcher(out, matcher);
    }
    write_time(out, b"],\"startsAt\":\"", silence.starts_at);
    out.push(b'}');
}

fn write_notes(out: &mut Vec<u8>, notes: &[(Box<str>, Box<str>)]) {
    out.extend_from_slice(b",\"annotations\":{");
    for (index, (name, value)) in notes.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_string(out, name);
        out.push(b':');
        write_json_string(out, value);
    }
    out.push(b'}');
}

fn write_matcher(out: &mut Vec<u8>, matcher: &Matcher) {
    let kind: &[u8] = match matcher.op() {
        MatchOp::Equal => b"{\"isEqual\":true,\"isRegex\":false,\"name\":",
        MatchOp::NotEqual => b"{\"isEqual\":false,\"isRegex\":false,\"name\":",
        MatchOp::Regex => b"{\"isEqual\":true,\"isRegex\":true,\"name\":",
        MatchOp::NotRegex => b"{\"isEqual\":false,\"isRegex\":true,\"name\":",
    };
    out.extend_from_slice(kind);
    write_json_string(out, matcher.name());
    out.extend_from_slice(b",\"value\":");
    write_json_string(out, matcher.value());
    out.push(b'}');
}

fn write_time(out: &mut Vec<u8>, before: &[u8], at: Timestamp) {
    super::gettable::write_time(out, before, Zoned::utc(at));
}
