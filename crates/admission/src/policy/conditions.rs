//! Which requests a policy is for.

use super::glob;
use std::sync::Arc;

/// What a request must be like; a kind without any takes in all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conditions {
    /// Its path is like one of these.
    pub paths: Vec<PathPattern>,
    /// Its method is one of these.
    pub methods: Vec<Arc<str>>,
    /// Its client has one of these plans.
    pub plans: Vec<Arc<str>>,
}

/// A path in which `*` stands for any characters of a segment, and `/**` at the
/// end for any segments, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    /// Without `/**`.
    text: Box<str>,
    goes_on: bool,
}

/// Why a pattern can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathPatternError {
    /// Paths have one at their beginning.
    #[error("a path begins with `/`")]
    NoSlash,
    /// That is too long.
    #[error("a path's pattern is at most 256 bytes long")]
    TooLong,
    /// Two stars elsewhere.
    #[error("`**` stands at the end alone, after a `/`; use `*` within a segment")]
    Stars,
    /// Conditions never see it.
    #[error("what follows `?` or `#` is not part of the path")]
    Query,
}

impl Conditions {
    /// Whether all requests are taken in.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.paths.is_empty() && self.methods.is_empty() && self.plans.is_empty()
    }

    pub(super) fn hold(&self, path: &str, method: &str, plan: &str) -> bool {
        let any_or_none = |words: &[Arc<str>], met: &dyn Fn(&str) -> bool| {
            words.is_empty() || words.iter().any(|word| met(word))
        };
        any_or_none(&self.methods, &|word| word.eq_ignore_ascii_case(method))
            && any_or_none(&self.plans, &|word| word == plan)
            && (self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.matches(path)))
    }
}

impl PathPattern {
    /// As settings write it.
    ///
    /// # Errors
    /// Where it could never match, or means something else elsewhere.
    pub fn new(text: &str) -> Result<Self, PathPatternError> {
        if !text.starts_with('/') {
            return Err(PathPatternError::NoSlash);
        }
        let before = text.strip_suffix("/**");
        let (text, goes_on) = (before.unwrap_or(text), before.is_some());
        match () {
            () if text.len() > 256 => Err(PathPatternError::TooLong),
            () if text.contains("**") => Err(PathPatternError::Stars),
            () if text.contains(['?', '#']) => Err(PathPatternError::Query),
            () => Ok(Self { text: text.into(), goes_on }),
        }
    }

    /// Whether a path is like it; what follows `?` is no part of it.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let mut segments = path.split('/');
        let mut wanted = self.text.split('/');
        let is_like = wanted.all(|pattern| {
            segments.next().is_some_and(|segment| glob::matches(pattern.as_bytes(), segment.as_bytes()))
        });
        is_like && (self.goes_on || segments.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let matches = |pattern: &str, path: &str| PathPattern::new(pattern).unwrap().matches(path);
        for (pattern, path) in [
            ("/v1/items", "/v1/items"),
            ("/v1/items", "/v1/items?page=2"),
            ("/v1/*", "/v1/items"),
            ("/v1/*/x", "/v1/items/x"),
            ("/v1/it*s", "/v1/items"),
            ("/v*/a*b*c", "/v12/aXbYbc"),
            ("/v1/**", "/v1"),
            ("/v1/**", "/v1/"),
            ("/v1/**", "/v1/a/b/c#top"),
            ("/**", "/"),
            ("/**", "/any/thing"),
            ("/*/x/**", "/a/x/b"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/v1/items", "/v1/items/"),
            ("/v1/items", "/V1/items"),
            ("/v1/*", "/v1/items/x"),
            ("/v1/*", "/v1"),
            ("/v1/**", "/v10/x"),
            ("/v1/it*s", "/v1/item"),
            ("/v1/**", ""),
            ("/", ""),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_that_cannot_be() {
        let error = |text: &str| PathPattern::new(text).unwrap_err();
        assert_eq!(error("v1"), PathPatternError::NoSlash);
        assert_eq!(error(""), PathPatternError::NoSlash);
        assert_eq!(error("**"), PathPatternError::NoSlash);
        assert_eq!(error("/a/**/b"), PathPatternError::Stars);
        assert_eq!(error("/a**"), PathPatternError::Stars);
        assert_eq!(error("/a?b"), PathPatternError::Query);
        assert_eq!(error(&format!("/{}", "a".repeat(256))), PathPatternError::TooLong);
    }
}
