//! Text to matchers. Alertmanager knows two syntaxes and by default reads
//! each text in both: the newer one counts, unless only the older one
//! understands it or the two disagree; then the older one does.

use super::{Matcher, MatcherError, Parts, PatternError, classic, utf8};

/// The longest text of one matcher, or of a list, that is read.
pub const MATCHER_BYTES_MAX: usize = 128 << 10;

/// One of the two readings; every list of matchers or what is wrong.
type Reading = Result<Vec<Parts>, &'static str>;

impl Matcher {
    /// Reads one matcher: `severity="critical"`, `"utf-8 name"!~"a|b"`,
    /// `foo=bar`.
    ///
    /// # Errors
    /// Says what was expected; also for braces and empty text.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        if text.starts_with('{') || text.ends_with('}') {
            return Err(refuse(text, "one matcher without `{` and `}` is expected"));
        }
        let newer = |text: &str| match utf8::parse(text)? {
            parts if parts.len() == 1 => Ok(parts),
            parts if parts.is_empty() => Err("a matcher is expected, such as `severity=\"critical\"`"),
            _ => Err("one matcher is expected"),
        };
        let older = |text: &str| classic::parse(text).map(|parts| vec![parts]);
        let mut found = read(text, newer, older)?;
        found.pop().ok_or_else(|| refuse(text, "a matcher is expected"))
    }

    /// Reads matchers as a configuration has them: `{a="b",c=~"d"}` or
    /// `a=b,c!=d`; empty text is no matchers.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, MatcherError> {
        read(text, utf8::parse, classic::parse_list)
    }
}

fn read(
    text: &str,
    newer: impl Fn(&str) -> Reading,
    older: impl Fn(&str) -> Reading,
) -> Result<Vec<Matcher>, MatcherError> {
    if text.len() > MATCHER_BYTES_MAX {
        let head: String = text.chars().take(80).collect();
        return Err(refuse(&head, &format!("longer than {MATCHER_BYTES_MAX} bytes; split it")));
    }
    let found = match (newer(text), older(text)) {
        (Ok(newer), Ok(older)) if newer != older => settle(&newer, &older),
        (Ok(parts), _) | (Err(_), Ok(parts)) => compile(&parts),
        (Err(fault), Err(_)) => return Err(refuse(text, fault)),
    };
    found.map_err(|error| refuse(text, &error.to_string()))
}

/// The older reading where it stands. A pattern in it that RE2 takes and we
/// don't must not make the newer reading count.
fn settle(newer: &[Parts], older: &[Parts]) -> Result<Vec<Matcher>, PatternError> {
    match compile(older) {
        Err(error) if !error.is_ours_alone() => compile(newer),
        found => found,
    }
}

fn compile(parts: &[Parts]) -> Result<Vec<Matcher>, PatternError> {
    parts.iter().map(|parts| Matcher::compile(&parts.name, parts.op, &parts.value)).collect()
}

fn refuse(text: &str, detail: &str) -> MatcherError {
    MatcherError { text: text.to_owned(), detail: detail.to_owned() }
}
