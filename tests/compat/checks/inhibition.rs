//! Alerts that keep others quiet.

use super::silence_named;
use crate::expect::{ensure, same};
use crate::suite::Outcome;
use crate::support::Alert;
use crate::target::Target;
use serde_json::json;
use std::time::Duration;

/// Sources and targets by `role`; equal in `dc`. All in one group.
const RULE: &str = "\
inhibit_rules: [{ source_matchers: [role=~\"source|both\"], target_matchers: [role=~\"target|both\"], equal: [dc] }]
route: { receiver: ops, group_wait: 100ms, group_interval: 1s, repeat_interval: 1h }
receivers: [{ name: ops, webhook_configs: [{ url: HOOK/ops }] }]
";

fn alert(name: &str, role: &str, dc: &str) -> Alert {
    Alert::new(name).label("role", role).label("dc", dc)
}

fn fingerprint(target: &Target, name: &str) -> Result<String, String> {
    crate::expect::text(&target.alert(name)?, "/fingerprint")
}

pub(crate) fn equal_labels_make_the_pair(target: &mut Target) -> Outcome {
    target.start(RULE)?;
    target.fire(&[alert("s", "source", "1"), alert("same", "target", "1"), alert("other", "target", "2")])?;
    target.wait_state("same", "suppressed")?;
    target.wait_state("other", "active")?;
    target.expect_told("/ops", &["firing other s"])
}

pub(crate) fn an_absent_label_equals_an_absent_one(target: &mut Target) -> Outcome {
    target.start(RULE)?;
    let bare = |name: &str, role: &str| Alert::new(name).label("role", role);
    target.fire(&[bare("s", "source"), bare("none", "target"), alert("some", "target", "1")])?;
    target.wait_state("none", "suppressed")?;
    target.wait_state("some", "active").map(drop)
}

pub(crate) fn it_names_its_sources(target: &mut Target) -> Outcome {
    target.start(RULE)?;
    target.fire(&[alert("s", "source", "1"), alert("t", "target", "1")])?;
    let told = target.wait_state("t", "suppressed")?["status"].clone();
    same("inhibitedBy", told["inhibitedBy"].clone(), json!([fingerprint(target, "s")?]))?;
    same("silencedBy", told["silencedBy"].clone(), json!([]))
}

pub(crate) fn the_last_of_two_sources_frees(target: &mut Target) -> Outcome {
    target.start(RULE)?;
    target.fire(&[alert("s1", "source", "1")])?;
    target.fire(&[alert("s2", "source", "1"), alert("t", "target", "1")])?;
    target.wait_told("/ops", 1)?;
    target.fire(&[alert("s2", "source", "1").resolved()])?;
    target.wait_told("/ops", 2)?;
    target.wait_state("t", "suppressed")?;
    target.fire(&[alert("s1", "source", "1").resolved()])?;
    target.expect_told("/ops", &["firing s1 s2", "firing s1, resolved s2", "firing t, resolved s1"])
}

pub(crate) fn both_sides_do_not_inhibit_themselves(target: &mut Target) -> Outcome {
    target.start(RULE)?;
    target.fire(&[alert("b1", "both", "1"), alert("b2", "both", "1"), alert("b3", "both", "2")])?;
    target.fire(&[alert("s", "source", "2"), alert("t", "target", "1")])?;
    target.wait_state("b1", "active")?;
    target.wait_state("b2", "active")?;
    // A source on its own does inhibit one that matches both, and that one others.
    target.wait_state("b3", "suppressed")?;
    target.wait_state("t", "suppressed").map(drop)
}

pub(crate) fn a_silenced_source_still_inhibits(target: &mut Target) -> Outcome {
    target.start(RULE)?;
    silence_named(target, "s")?;
    target.fire(&[alert("s", "source", "1"), alert("t", "target", "1"), alert("o", "target", "2")])?;
    target.wait_state("s", "suppressed")?;
    target.wait_state("t", "suppressed")?;
    target.expect_told("/ops", &["firing o"])
}

pub(crate) fn a_target_is_told_when_its_source_ends(target: &mut Target) -> Outcome {
    target.start(RULE)?;
    target.fire(&[alert("s", "source", "1"), alert("t", "target", "1")])?;
    let first = target.wait_told("/ops", 1)?[0].at;
    target.fire(&[alert("s", "source", "1").resolved()])?;
    target.expect_told("/ops", &["firing s", "firing t, resolved s"])?;
    let after = target.told("/ops")[1].at - first;
    ensure!(after >= Duration::from_millis(900), "after {after:?}, want at the next tick");
    Ok(())
}

pub(crate) fn pairs_end_together(target: &mut Target) -> Outcome {
    target.start(RULE)?;
    target.fire(&[alert("t", "target", "1")])?;
    target.wait_told("/ops", 1)?;
    target.fire(&[alert("s", "source", "1")])?;
    target.wait_told("/ops", 2)?;
    target.fire(&[alert("s", "source", "1").resolved(), alert("t", "target", "1").resolved()])?;
    let told = target.wait_told("/ops", 3)?;
    same("the last", told[2].summary(), "resolved s t")
}

pub(crate) fn an_empty_rule_does_no_harm(target: &mut Target) -> Outcome {
    let rules = "[{ source_matchers: [], target_matchers: [], equal: [] }]";
    let (_, rest) = RULE.split_once('\n').unwrap();
    target.start(&format!("inhibit_rules: {rules}\n{rest}"))?;
    target.fire(&[alert("a", "source", "1"), alert("b", "target", "1")])?;
    // Each matches both sides, so none is inhibited.
    target.expect_told("/ops", &["firing a b"])
}

pub(crate) fn rules_of_old_still_load(target: &mut Target) -> Outcome {
    let rules = "[{ source_match: { role: source }, target_match_re: { role: \"tar.*\" }, equal: [dc] }, \
        { source_match_re: { role: \"sou.*\" }, target_match: { role: last }, equal: [dc] }]";
    let (_, rest) = RULE.split_once('\n').unwrap();
    target.start(&format!("inhibit_rules: {rules}\n{rest}"))?;
    target.fire(&[alert("s", "source", "1"), alert("t", "target", "1"), alert("l", "last", "1")])?;
    target.wait_state("t", "suppressed")?;
    target.wait_state("l", "suppressed")?;
    target.expect_told("/ops", &["firing s"])
}
