//! Who a caller is, for what people are told.

use openclaw_state::KeyId;
use std::fmt;
use std::sync::Arc;

/// Characters of a token's subject that are repeated to people.
const SUBJECT_CHARS_MAX: usize = 80;

/// Who a caller is, by the credential that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// By its public part.
    Key(KeyId),
    /// A token's subject, where it names one.
    Token(Option<Arc<str>>),
    /// The start of a client certificate's SHA-256, in hex.
    Certificate(Arc<str>),
}

impl Who {
    /// A token's, its subject made fit to be shown.
    pub(super) fn token(subject: Option<&str>) -> Self {
        let shown = |subject: &str| -> String {
            subject.chars().filter(|char| !char.is_control()).take(SUBJECT_CHARS_MAX).collect()
        };
        Self::Token(subject.map(|subject| shown(subject).into()))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "key {id}"),
            Self::Token(Some(subject)) => write!(f, "token of {subject}"),
            Self::Token(None) => f.write_str("a token"),
            Self::Certificate(start) => write!(f, "certificate {start}"),
        }
    }
}
