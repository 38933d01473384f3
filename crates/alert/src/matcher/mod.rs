//! Alertmanager's matchers: `name op value` with `=`, `!=`, `=~`, `!~`.

mod classic;
mod pattern;
mod quote;
mod read;
#[cfg(test)]
mod tests;
mod utf8;

use crate::Labels;
use pattern::Pattern;
use std::cmp::Ordering;
use std::fmt;

pub use pattern::{PATTERN_BYTES_MAX, PatternError, anchored};
pub use read::MATCHER_BYTES_MAX;

/// How a label's value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends
    Regex,
    /// `!~`, anchored at both ends
    NotRegex,
}

impl MatchOp {
    /// As it is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    /// The operator that `text` starts with; `=~` goes before `=`.
    fn starting(text: &str) -> Option<(Self, &'static str)> {
        let all = [Self::Regex, Self::NotRegex, Self::NotEqual, Self::Equal];
        all.into_iter().map(|op| (op, op.symbol())).find(|(_, symbol)| text.starts_with(symbol))
    }
}

/// One condition on one label; an absent label has the empty value.
///
/// Equal and ordered by what is written: name, then value, then operator, as
/// Alertmanager sorts.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: Box<str>,
    value: Box<str>,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Equal,
    NotEqual,
    Regex(Pattern),
    NotRegex(Pattern),
}

/// The three parts as text, the pattern not yet compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    name: String,
    op: MatchOp,
    value: String,
}

/// Text that is not a matcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatcherError {
    /// The text, as given.
    pub text: String,
    /// What is wrong with it.
    pub detail: String,
}

impl fmt::Display for MatcherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad matcher `{}`: {}", self.text.escape_debug(), self.detail)
    }
}

impl std::error::Error for MatcherError {}

impl Matcher {
    /// Builds from parts; a pattern is bounded in length and compiled size.
    ///
    /// # Errors
    /// When the pattern is none, or one that can't be held to RE2's meaning.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        Self::compile(name, op, value)
            .map_err(|error| MatcherError { text: value.to_owned(), detail: error.to_string() })
    }

    fn compile(name: &str, op: MatchOp, value: &str) -> Result<Self, PatternError> {
        let test = match op {
            MatchOp::Equal => Test::Equal,
            MatchOp::NotEqual => Test::NotEqual,
            MatchOp::Regex => Test::Regex(Pattern::new(value)?),
            MatchOp::NotRegex => Test::NotRegex(Pattern::new(value)?),
        };
        Ok(Self { name: name.into(), value: value.into(), test })
    }

    /// True where the label set meets the condition.
    #[must_use]
    pub fn matches(&self, labels: Labels<'_>) -> bool {
        self.matches_value(labels.get(&self.name))
    }

    /// True where this value of the label meets the condition.
    #[must_use]
    pub fn matches_value(&self, found: &str) -> bool {
        match &self.test {
            Test::Equal => found == &*self.value,
            Test::NotEqual => found != &*self.value,
            Test::Regex(pattern) => pattern.is_match(found),
            Test::NotRegex(pattern) => !pattern.is_match(found),
        }
    }

    /// Whether a silence made of this alone would hold for alerts without the
    /// label. As in Alertmanager only `=` and `=~` count.
    #[must_use]
    pub fn matches_empty_for_silence(&self) -> bool {
        matches!(self.op(), MatchOp::Equal | MatchOp::Regex) && self.matches_value("")
    }

    /// The label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the value is compared.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        match self.test {
            Test::Equal => MatchOp::Equal,
            Test::NotEqual => MatchOp::NotEqual,
            Test::Regex(_) => MatchOp::Regex,
            Test::NotRegex(_) => MatchOp::NotRegex,
        }
    }

    /// The value or pattern, as written.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    fn order(&self) -> (&str, &str, MatchOp) {
        (&self.name, &self.value, self.op())
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Matcher {}

impl PartialOrd for Matcher {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Matcher {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

/// As Alertmanager writes it: `name="value"`; with a name that the older
/// syntax can't hold, both are quoted as Go text.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(utf8::is_reserved) {
            quote::write_quoted(f, &self.name)?;
            f.write_str(self.op().symbol())?;
            return quote::write_quoted(f, &self.value);
        }
        f.write_str(&self.name)?;
        f.write_str(self.op().symbol())?;
        quote::write_open_metrics(f, &self.value)
    }
}

/// Matchers as Alertmanager writes them: `{a="b",c=~"d"}`.
#[must_use]
pub fn display_list(matchers: &[Matcher]) -> String {
    let parts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", parts.join(","))
}
