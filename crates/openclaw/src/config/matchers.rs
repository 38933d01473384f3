//! Conditions on labels, in Alertmanager's new words and its old ones.

use super::problem::Problem;
use super::read::{At, Context, Field, Named, Read};
use super::values::{Conditions, LabelValue};
use super::yaml::Node;
use openclaw_alert::{MatchOp, Matcher, MatcherError};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;

const MATCHERS_MAX: usize = 256;

/// `match` and its like: values by label name.
#[derive(Debug, Clone)]
pub(crate) struct OldMatch(pub(super) Vec<(At<String>, LabelValue)>);

impl Read for OldMatch {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        Named::read(node, cx).map(|named| Self(named.0))
    }
}

impl JsonSchema for OldMatch {
    fn schema_name() -> Cow<'static, str> {
        "OldMatch".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Named::<LabelValue>::json_schema(generator)
    }
}

/// All conditions of a route or of one side of a rule.
pub(super) fn all(
    new: Field<Vec<At<Conditions>>>,
    equal: Field<OldMatch>,
    regex: Field<OldMatch>,
    cx: &mut Context<'_>,
) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    for At { value: Conditions(found), place } in new.into_value().unwrap_or_default() {
        if matchers.len() + found.len() > MATCHERS_MAX {
            cx.fault(&place, Problem::TooMany { what: "matchers in one place", most: MATCHERS_MAX });
            break;
        }
        matchers.extend(found);
    }
    old(equal, MatchOp::Equal, &mut matchers, cx);
    old(regex, MatchOp::Regex, &mut matchers, cx);
    matchers
}

fn old(field: Field<OldMatch>, op: MatchOp, matchers: &mut Vec<Matcher>, cx: &mut Context<'_>) {
    for (name, LabelValue(value)) in field.into_value().map(|old| old.0).unwrap_or_default() {
        if !is_classic(&name.value) {
            let shown = name.value.chars().take(80).flat_map(char::escape_debug).collect();
            cx.fault(&name.place, Problem::LabelName { name: shown });
        } else if matchers.len() == MATCHERS_MAX {
            cx.fault(&name.place, Problem::TooMany { what: "matchers in one place", most: MATCHERS_MAX });
            return;
        } else {
            matchers.extend(cx.keep(&name.place, old_matcher(&name.value, op, &value)));
        }
    }
}

/// Alertmanager anchors old patterns twice, and group keys show it.
fn old_matcher(name: &str, op: MatchOp, value: &str) -> Result<Matcher, MatcherError> {
    let matcher = Matcher::new(name, op, value)?;
    match op {
        MatchOp::Regex => Matcher::new(name, op, &format!("^(?:{value})$")),
        _ => Ok(matcher),
    }
}

/// The old words were for names such as `alert_name` alone.
pub(crate) fn is_classic(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
