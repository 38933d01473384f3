//! Finds, among many lists of matchers, those that a label set may meet.

use openclaw_alert::{Labels, MatchOp, Matcher};
use std::collections::HashMap;

/// Lists of matchers under numbers. A list with a `name="value"` is looked at
/// only for label sets that have this pair, so that thousands of silences or
/// rules cost an alert little more than those that concern it.
#[derive(Debug, Clone, Default)]
pub(crate) struct MatcherIndex {
    by_pair: HashMap<Box<str>, HashMap<Box<str>, Vec<u32>>>,
    others: Vec<u32>,
}

impl MatcherIndex {
    /// Under the pair that fewest others have: what all share tells nothing
    /// apart.
    pub(crate) fn insert(&mut self, number: u32, matchers: &[Matcher]) {
        let pairs =
            matchers.iter().filter(|matcher| matcher.op() == MatchOp::Equal && !matcher.value().is_empty());
        match pairs.min_by_key(|matcher| self.bucket(matcher.name(), matcher.value()).map_or(0, Vec::len)) {
            Some(matcher) => {
                let values = self.by_pair.entry(matcher.name().into()).or_default();
                values.entry(matcher.value().into()).or_default().push(number);
            }
            None => self.others.push(number),
        }
    }

    fn bucket(&self, name: &str, value: &str) -> Option<&Vec<u32>> {
        self.by_pair.get(name)?.get(value)
    }

    /// Numbers of all lists that may match; some may not.
    pub(crate) fn candidates<'a>(&'a self, labels: Labels<'a>) -> impl Iterator<Item = u32> + 'a {
        let pairs = if self.by_pair.is_empty() { Labels::EMPTY } else { labels };
        let found = pairs.iter().filter_map(|(name, value)| self.bucket(name, value));
        found.flatten().chain(&self.others).copied()
    }
}
