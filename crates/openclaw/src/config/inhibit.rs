//! The inhibition rules of a tenant's file, in Alertmanager's words.

use super::matchers::{self, OldMatch};
use super::problem::Problem;
use super::read::{At, Context, Field, section};
use super::values::{Conditions, Text};
use openclaw_routing::InhibitRule;

const RULES_MAX: usize = 1000;
const EQUAL_MAX: usize = 64;

section! {
    /// While a source fires, targets with equal values of the `equal` labels are not told.
    InhibitSection {
        /// For people.
        name: Text,
        /// What a source has to meet, all of it; nothing means any alert.
        source_matchers: Vec<At<Conditions>>,
        /// Labels of a source with these values; `source_matchers` say the same.
        source_match: OldMatch,
        /// Labels of a source whose values these patterns match; `source_matchers` say the same.
        source_match_re: OldMatch,
        /// What a target has to meet, all of it; nothing means any alert.
        target_matchers: Vec<At<Conditions>>,
        /// Labels of a target with these values; `target_matchers` say the same.
        target_match: OldMatch,
        /// Labels of a target whose values these patterns match; `target_matchers` say the same.
        target_match_re: OldMatch,
        /// Labels that both must have the same; one left out counts as empty.
        equal: Vec<At<Text>>,
    }
}

pub(super) fn checked(field: Field<Vec<At<InhibitSection>>>, cx: &mut Context<'_>) -> Vec<InhibitRule> {
    let sections = field.into_value().unwrap_or_default();
    if let Some(beyond) = sections.get(RULES_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what: "inhibition rules", most: RULES_MAX });
    }
    sections.into_iter().take(RULES_MAX).map(|section| rule(section.value, cx)).collect()
}

fn rule(section: InhibitSection, cx: &mut Context<'_>) -> InhibitRule {
    let equal = section.equal.into_value().unwrap_or_default();
    if let Some(beyond) = equal.get(EQUAL_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what: "equal labels", most: EQUAL_MAX });
    }
    InhibitRule {
        sources: matchers::all(section.source_matchers, section.source_match, section.source_match_re, cx),
        targets: matchers::all(section.target_matchers, section.target_match, section.target_match_re, cx),
        equal: equal.into_iter().take(EQUAL_MAX).map(|label| label.value.0.into()).collect(),
    }
}
