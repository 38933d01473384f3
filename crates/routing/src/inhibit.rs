//! Inhibition: while one alert fires, another is not told.

use crate::index::MatcherIndex;
use openclaw_alert::{Labels, Matcher, fnv1a};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// While a source fires, targets with equal values of the `equal` labels are
/// held.
#[derive(Debug, Clone, Default)]
pub struct InhibitRule {
    /// What a source has to meet.
    pub sources: Vec<Matcher>,
    /// What a target has to meet.
    pub targets: Vec<Matcher>,
    /// Labels that both must have the same; absent counts as empty.
    pub equal: Vec<Box<str>>,
}

impl InhibitRule {
    fn is_source(&self, labels: Labels<'_>) -> bool {
        self.sources.iter().all(|matcher| matcher.matches(labels))
    }

    fn is_target(&self, labels: Labels<'_>) -> bool {
        self.targets.iter().all(|matcher| matcher.matches(labels))
    }

    fn equal_hash(&self, labels: Labels<'_>) -> u64 {
        self.equal
            .iter()
            .fold(0, |hash: u64, name| fnv1a(&[&hash.to_le_bytes(), labels.get(name).as_bytes()]))
    }

    fn agree(&self, a: Labels<'_>, b: Labels<'_>) -> bool {
        self.equal.iter().all(|name| a.get(name) == b.get(name))
    }
}

/// The sources that fire now, by rule and by the hash of their `equal` labels.
/// Follows the alerts; not kept over a restart.
#[derive(Debug, Default)]
pub struct Inhibitor {
    rules: Arc<[InhibitRule]>,
    by_source: MatcherIndex,
    by_target: MatcherIndex,
    firing: Vec<HashMap<u64, Sources>>,
}

/// Alerts with the same `equal` labels. The lowest number is named first, so
/// that the same steps give the same answer.
#[derive(Debug, Default)]
struct Sources {
    plain: BTreeSet<u32>,
    /// Those that are targets of their rule as well; they hold no other that
    /// is both.
    also_targets: BTreeSet<u32>,
}

impl Inhibitor {
    /// No source fires yet.
    #[must_use]
    pub fn new(rules: Arc<[InhibitRule]>) -> Self {
        let (mut by_source, mut by_target) = (MatcherIndex::default(), MatcherIndex::default());
        for (number, rule) in rules.iter().enumerate() {
            by_source.insert(number as u32, &rule.sources);
            by_target.insert(number as u32, &rule.targets);
        }
        let firing = rules.iter().map(|_| HashMap::new()).collect();
        Self { rules, by_source, by_target, firing }
    }

    /// True without rules: nothing has to be followed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.rules.is_empty()
    }

    /// An alert begins to fire.
    pub fn fired(&mut self, alert: u32, labels: Labels<'_>) {
        let Self { rules, by_source, firing, .. } = self;
        for number in by_source.candidates(labels) {
            let rule = &rules[number as usize];
            if !rule.is_source(labels) {
                continue;
            }
            let sources = firing[number as usize].entry(rule.equal_hash(labels)).or_default();
            let set = if rule.is_target(labels) { &mut sources.also_targets } else { &mut sources.plain };
            set.insert(alert);
        }
    }

    /// It fires no more.
    pub fn ended(&mut self, alert: u32, labels: Labels<'_>) {
        let Self { rules, by_source, firing, .. } = self;
        for number in by_source.candidates(labels) {
            let hash = rules[number as usize].equal_hash(labels);
            if let Some(sources) = firing[number as usize].get_mut(&hash) {
                sources.plain.remove(&alert);
                sources.also_targets.remove(&alert);
                if sources.plain.is_empty() && sources.also_targets.is_empty() {
                    firing[number as usize].remove(&hash);
                }
            }
        }
    }

    /// A firing alert that holds this one, other than itself. `labels_of`
    /// gives the labels of an alert that fires.
    #[must_use]
    pub fn inhibited_by<'a>(
        &self,
        alert: u32,
        labels: Labels<'_>,
        labels_of: impl Fn(u32) -> Option<Labels<'a>>,
    ) -> Option<u32> {
        self.by_target.candidates(labels).find_map(|number| {
            let rule = &self.rules[number as usize];
            if !rule.is_target(labels) {
                return None;
            }
            let sources = self.firing[number as usize].get(&rule.equal_hash(labels))?;
            // None that is both holds another that is.
            let also = (!rule.is_source(labels)).then_some(&sources.also_targets);
            let also = also.into_iter().flatten();
            // The hash may lie, so the labels decide.
            sources.plain.iter().chain(also).copied().find(|&source| {
                source != alert && labels_of(source).is_some_and(|found| rule.agree(found, labels))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_alert::LabelsBuilder;
    use proptest::prelude::*;

    fn rules() -> Arc<[InhibitRule]> {
        let rule = |sources: &str, targets: &str, equal: &[&str]| InhibitRule {
            sources: Matcher::parse_list(sources).unwrap(),
            targets: Matcher::parse_list(targets).unwrap(),
            equal: equal.iter().map(|&name| name.into()).collect(),
        };
        [
            rule(r#"a="1""#, r#"b="1""#, &["c"]),
            rule(r#"a=~"1|2""#, r#"a=~"2|3""#, &[]),
            rule("", r#"b="2""#, &["a", "b"]),
        ]
        .into()
    }

    fn encoded([a, b, c]: [u8; 3]) -> Vec<u8> {
        let text = |value: u8| if value == 0 { String::new() } else { value.to_string() };
        let pairs = [("a", text(a)), ("b", text(b)), ("c", text(c))];
        LabelsBuilder::encode(pairs.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// As plainly as the rule can be said.
    fn is_held(rules: &[InhibitRule], firing: &[Option<Vec<u8>>], target: usize) -> bool {
        let labels = |index: usize| firing[index].as_deref().map(Labels::from_encoded);
        let Some(wanted) = labels(target) else { return false };
        rules.iter().filter(|rule| rule.is_target(wanted)).any(|rule| {
            (0..firing.len()).filter(|&index| index != target).filter_map(labels).any(|source| {
                let both_both = rule.is_source(wanted) && rule.is_target(source);
                rule.is_source(source) && !both_both && rule.agree(source, wanted)
            })
        })
    }

    proptest! {
        #[test]
        fn equals_the_rule_said_plainly(steps in prop::collection::vec((0_usize..6, prop::array::uniform3(0_u8..4)), 1..40)) {
            let rules = rules();
            let mut inhibitor = Inhibitor::new(Arc::clone(&rules));
            let mut firing: Vec<Option<Vec<u8>>> = vec![None; 6];
            for (slot, values) in steps {
                match firing[slot].take() {
                    Some(old) => inhibitor.ended(slot as u32, Labels::from_encoded(&old)),
                    None => {
                        let labels = encoded(values);
                        inhibitor.fired(slot as u32, Labels::from_encoded(&labels));
                        firing[slot] = Some(labels);
                    }
                }
                for target in 0..6 {
                    let Some(labels) = &firing[target] else { continue };
                    let labels_of = |slot: u32| firing[slot as usize].as_deref().map(Labels::from_encoded);
                    let by = inhibitor.inhibited_by(target as u32, Labels::from_encoded(labels), labels_of);
                    prop_assert_eq!(by.is_some(), is_held(&rules, &firing, target));
                }
            }
        }
    }
}
