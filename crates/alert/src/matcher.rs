//! Alertmanager's matchers: `name op value` with `=`, `!=`, `=~`, `!~`.

use crate::Labels;
use regex::Regex;
use std::fmt;

/// How a label's value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// One condition on one label; an absent label has the empty value.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    regex: Option<Regex>,
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
    /// Builds from parts; a regex is compiled with a size limit.
    ///
    /// # Errors
    /// When the regex doesn't compile.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        let regex = match op {
            MatchOp::Regex | MatchOp::NotRegex => Some(
                anchored(value)
                    .map_err(|error| MatcherError { text: value.to_owned(), detail: error.to_string() })?,
            ),
            MatchOp::Equal | MatchOp::NotEqual => None,
        };
        Ok(Self { name: name.to_owned(), op, value: value.to_owned(), regex })
    }

    /// Reads `severity="critical"`, `"utf-8 name"!~"a|b"`, `foo=bar`.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let fail = |detail: &str| MatcherError { text: text.to_owned(), detail: detail.to_owned() };
        let trimmed = text.trim();
        let (name, rest) = if trimmed.starts_with('"') {
            let end = end_of_quoted(trimmed).ok_or_else(|| fail("a quote is not closed"))?;
            (unquote(&trimmed[..end]).ok_or_else(|| fail("bad escape in the name"))?, &trimmed[end..])
        } else {
            let end =
                trimmed.find(['=', '!', '~']).ok_or_else(|| fail("expected one of `=`, `!=`, `=~`, `!~`"))?;
            (trimmed[..end].trim_end().to_owned(), &trimmed[end..])
        };
        if name.is_empty() || name.contains(['{', '}', ',', '\'', '`']) {
            return Err(fail("expected a label name before the operator"));
        }
        let (op, value) =
            split_op(rest.trim_start()).ok_or_else(|| fail("expected one of `=`, `!=`, `=~`, `!~`"))?;
        let value = value.trim();
        let value = if value.starts_with('"') {
            let end = end_of_quoted(value).ok_or_else(|| fail("a quote is not closed"))?;
            if end != value.len() {
                return Err(fail("text after the closing quote"));
            }
            unquote(value).ok_or_else(|| fail("bad escape in the value"))?
        } else if value.contains(['{', '}', ',', '"', '\'']) {
            return Err(fail("a value with `{`, `}`, `,` or quotes must be quoted"));
        } else {
            value.to_owned()
        };
        Self::new(&name, op, &value).map_err(|error| MatcherError { text: text.to_owned(), ..error })
    }

    /// True where the label set meets the condition.
    #[must_use]
    pub fn matches(&self, labels: Labels<'_>) -> bool {
        let found = labels.get(&self.name);
        match (self.op, &self.regex) {
            (MatchOp::Equal, _) => found == self.value,
            (MatchOp::NotEqual, _) => found != self.value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(found),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(found),
            (MatchOp::Regex | MatchOp::NotRegex, None) => false,
        }
    }

    /// The label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        };
        write!(f, "{}{op}{:?}", self.name, self.value)
    }
}

/// RE2 semantics as Alertmanager has them: anchored at both ends, bounded size.
///
/// # Errors
/// When the pattern doesn't compile, or only to something huge.
pub fn anchored(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build()
}

fn split_op(text: &str) -> Option<(MatchOp, &str)> {
    [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)]
        .into_iter()
        .find_map(|(symbol, op)| text.strip_prefix(symbol).map(|rest| (op, rest)))
}

/// Index just after the closing quote of text that starts with one.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index + 1),
            _ => {}
        }
    }
    None
}

fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next()? {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            other @ ('"' | '\\') => out.push(other),
            // A regex such as "a\.b" keeps its backslash, as the classic parser does.
            other => out.extend(['\\', other]),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LabelsBuilder;

    fn check(matcher: &str, want: bool) {
        let bytes = LabelsBuilder::encode([("foo", "bar"), ("über", "x")]);
        assert_eq!(Matcher::parse(matcher).unwrap().matches(Labels::from_encoded(&bytes)), want, "{matcher}");
    }

    #[test]
    fn absent_is_empty_and_regexes_are_anchored() {
        check(r#"foo="bar""#, true);
        check("foo=bar", true);
        check(r#"foo=~"ba""#, false);
        check(r#"foo=~"ba.|qux""#, true);
        check(r#"foo!~"ba""#, true);
        check(r#"absent="""#, true);
        check(r#"absent!="""#, false);
        check(r#""über" = "x""#, true);
        check(r#"foo != baz"#, true);
    }

    #[test]
    fn nonsense_is_refused_with_its_text() {
        for bad in ["", "bad{", "=x", "foo", "foo=\"x", "foo=~\"(\"", "{foo=\"x\"}", "foo=\"x\"y"] {
            let error = Matcher::parse(bad).unwrap_err();
            assert_eq!(error.text, bad);
        }
    }
}
