//! Rules for descriptors, beside a re-implementation that reads the list from
//! top to bottom.

use openclaw_admission::{
    Descriptor, DescriptorCode, DomainSettings, LimitSettings, Numbers, PolicySet, PolicySettings,
    RateSettings, RuleLimit, RuleSettings, Unit, UnitRate,
};
use openclaw_limiter::{CoreId, LevelId, Limiter, PolicyId, Seed, Sizes};
use proptest::prelude::*;
use std::sync::Arc;

const CORE: CoreId = CoreId(0);
const NOW: u64 = 1_760_000_000_000_000_000;

#[derive(Default)]
struct Counted(u16);

impl Numbers for Counted {
    fn policy(&mut self, _: &Arc<str>) -> (PolicyId, u64) {
        self.0 += 1;
        (PolicyId(self.0), u64::from(self.0) << 20)
    }

    fn policy_level(&mut self, _: &Arc<str>) -> LevelId {
        LevelId(1)
    }

    fn tenant_level(&mut self) -> LevelId {
        LevelId(0)
    }

    fn backend_level(&mut self) -> LevelId {
        LevelId(2)
    }
}

fn per(requests_per_unit: u32, unit: Unit) -> RuleLimit {
    RuleLimit::Bucket { rate: UnitRate { requests_per_unit, unit }, burst: None }
}

fn rule(key: &str, value: Option<&str>, limit: Option<RuleLimit>, rules: Vec<RuleSettings>) -> RuleSettings {
    RuleSettings { value: value.map(Into::into), limit, rules, ..RuleSettings::new(key) }
}

fn installed(rules: Vec<RuleSettings>) -> (PolicySet, Limiter) {
    let limiter =
        Limiter::new(Sizes { clients: 1 << 14, policies: 4096, levels: 4, cores: 1 }, Seed::new([3; 16]));
    let api =
        PolicySettings { client: RateSettings { rate_per_s: 1.0, burst: 3 }, ..PolicySettings::new("api") };
    let descriptors = vec![DomainSettings { domain: "edge".into(), rules }];
    let settings = LimitSettings { policies: vec![api], descriptors, ..LimitSettings::none() };
    let set = PolicySet::new(&settings, &mut Counted::default());
    set.install(&limiter, NOW);
    (set, limiter)
}

fn named(mut rule: RuleSettings, name: &str) -> RuleSettings {
    rule.name = Some(name.into());
    rule
}

/// Codes and what is left, for each descriptor.
fn ask(world: &(PolicySet, Limiter), descriptors: &[Descriptor<'_>]) -> (bool, Vec<(bool, u32)>) {
    let answers = world.0.decide_descriptors(&world.1, CORE, "edge", descriptors, NOW);
    let each = answers.each.iter().map(|one| (one.code == DescriptorCode::OverLimit, one.remaining));
    (answers.is_over, each.collect())
}

fn one<'r>(entries: &'r [(&'r str, &'r str)]) -> Descriptor<'r> {
    Descriptor { entries, hits: 1, limit: None }
}

#[test]
fn each_value_has_its_bucket_and_nothing_is_taken_of_a_refused_request() {
    let world = installed(vec![
        rule("user", None, Some(per(2, Unit::Hour)), vec![]),
        rule("path", None, Some(per(5, Unit::Hour)), vec![]),
    ]);
    let (ann, bob, path) = ([("user", "ann")], [("user", "bob")], [("path", "/")]);
    assert_eq!(ask(&world, &[one(&ann), one(&path)]), (false, vec![(false, 1), (false, 4)]));
    assert_eq!(ask(&world, &[one(&ann), one(&path)]), (false, vec![(false, 0), (false, 3)]));
    assert_eq!(ask(&world, &[one(&path), one(&ann)]), (true, vec![(false, 3), (true, 0)]));
    assert_eq!(ask(&world, &[one(&path), one(&bob)]), (false, vec![(false, 2), (false, 1)]));
}

#[test]
fn quotas_refuse_together() {
    let quota = |key| RuleSettings { is_quota: true, ..rule(key, None, Some(per(1, Unit::Day)), vec![]) };
    let world = installed(vec![quota("a"), quota("b")]);
    let (a, b) = ([("a", "1")], [("b", "1")]);
    assert!(!ask(&world, &[one(&a)]).0);
    assert_eq!(ask(&world, &[one(&a), one(&b)]), (false, vec![(true, 0), (false, 0)]));
    assert_eq!(ask(&world, &[one(&a), one(&b)]), (true, vec![(true, 0), (true, 0)]));
}

#[test]
fn a_rule_takes_the_place_of_another() {
    let special = RuleSettings {
        replaces: vec!["all".into()],
        ..rule("special", None, Some(per(10, Unit::Day)), vec![])
    };
    let world = installed(vec![named(rule("all", None, Some(per(0, Unit::Day)), vec![]), "all"), special]);
    let (all, special) = ([("all", "1")], [("special", "1")]);
    assert_eq!(ask(&world, &[one(&all)]), (true, vec![(true, 0)]));
    assert_eq!(ask(&world, &[one(&all), one(&special)]), (false, vec![(false, u32::MAX), (false, 9)]));
}

#[test]
fn blocked_unlimited_dry_shared_and_policies() {
    let world = installed(vec![
        rule("blocked", None, Some(per(0, Unit::Second)), vec![]),
        rule("free", None, Some(RuleLimit::Unlimited), vec![]),
        RuleSettings { dry_run: true, ..rule("dry", None, Some(per(1, Unit::Year)), vec![]) },
        RuleSettings { is_shared: true, ..rule("net", Some("10.*"), Some(per(2, Unit::Week)), vec![]) },
        rule("api", None, Some(RuleLimit::Policy("api".into())), vec![]),
    ]);
    let codes = |entries: &[(&str, &str)]| ask(&world, &[one(entries)]);
    assert_eq!(codes(&[("blocked", "x")]), (true, vec![(true, 0)]));
    assert_eq!(codes(&[("free", "x")]), (false, vec![(false, u32::MAX)]));
    assert_eq!(codes(&[("dry", "x")]), (false, vec![(false, 0)]));
    assert_eq!(codes(&[("dry", "x")]), (false, vec![(false, 0)]));
    assert_eq!(codes(&[("net", "10.1")]), (false, vec![(false, 1)]));
    assert_eq!(codes(&[("net", "10.2")]), (false, vec![(false, 0)]));
    assert_eq!(codes(&[("net", "10.3")]), (true, vec![(true, 0)]));
    assert_eq!(codes(&[("api", "ann")]), (false, vec![(false, 2)]));
    let request = openclaw_admission::Request {
        client: b"ann",
        policy: Some("api"),
        path: "",
        method: "",
        plan: "",
        cost: 0,
    };
    let same = world.0.decide(&world.1, CORE, &request, NOW).unwrap();
    assert_eq!(same.state.map(|state| state.remaining), Some(2));
}

#[test]
fn a_request_may_bring_its_limit_into_a_known_domain() {
    let world = installed(vec![rule("user", None, Some(per(100, Unit::Day)), vec![])]);
    let entries = [("user", "ann")];
    let own = |requests_per_unit| Descriptor {
        limit: Some(UnitRate { requests_per_unit, unit: Unit::Hour }),
        ..one(&entries)
    };
    assert_eq!(ask(&world, &[own(2)]), (false, vec![(false, 1)]));
    assert_eq!(ask(&world, &[own(2)]), (false, vec![(false, 0)]));
    assert_eq!(ask(&world, &[own(2)]), (true, vec![(true, 0)]));
    assert_eq!(ask(&world, &[own(3)]), (false, vec![(false, 2)]));
    assert_eq!(ask(&world, &[own(0)]), (true, vec![(true, 0)]));
    assert_eq!(ask(&world, &[one(&entries)]), (false, vec![(false, 99)]));
    let elsewhere = world.0.decide_descriptors(&world.1, CORE, "other", &[own(0)], NOW).each[0];
    assert_eq!((elsewhere.code, elsewhere.remaining), (DescriptorCode::Ok, u32::MAX));
}

#[test]
fn limits_that_requests_bring_are_as_many_as_there_is_room_for() {
    let world = installed(vec![rule("user", None, None, vec![])]);
    for requests_per_unit in 1..200 {
        let limit = Some(UnitRate { requests_per_unit, unit: Unit::Minute });
        let entries = [("user", "ann")];
        let asked = [Descriptor { limit, ..one(&entries) }];
        let answer = world.0.decide_descriptors(&world.1, CORE, "edge", &asked, NOW).each[0];
        if requests_per_unit <= 64 {
            assert_eq!((answer.code, answer.remaining), (DescriptorCode::Ok, requests_per_unit - 1));
        }
    }
}

/// From the top: key and value, then patterns, then the key alone; no way back.
fn naive<'s>(rules: &'s [RuleSettings], entries: &[(&str, &str)]) -> Option<&'s RuleSettings> {
    let ((key, value), rest) = entries.split_first()?;
    let of_key = || rules.iter().filter(|rule| *rule.key == **key);
    let fits =
        |rule: &&RuleSettings| rule.value.as_deref().is_some_and(|of| of.contains('*') && like(of, value));
    let found = of_key()
        .find(|rule| rule.value.as_deref() == Some(value) && !value.contains('*'))
        .or_else(|| of_key().find(fits))
        .or_else(|| of_key().find(|rule| rule.value.is_none()))?;
    if rest.is_empty() { found.limit.as_ref().map(|_| found) } else { naive(&found.rules, rest) }
}

fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| like(after, &rest[at..]))
        }),
    }
}

fn rules() -> impl Strategy<Value = Vec<RuleSettings>> {
    let key = || prop::sample::select(vec!["a", "b"]);
    let value = || prop::option::of("[xy*]{1,3}");
    let limit = || prop::option::weighted(0.7, Just(per(7, Unit::Second)));
    let leaf = (key(), value(), limit())
        .prop_map(|(key, value, limit)| rule(key, value.as_deref(), limit, Vec::new()));
    let tree = leaf.prop_recursive(3, 24, 4, move |below| {
        (key(), value(), limit(), prop::collection::vec(below, 0..4))
            .prop_map(|(key, value, limit, rules)| rule(key, value.as_deref(), limit, unique(rules)))
    });
    prop::collection::vec(tree, 0..6).prop_map(unique)
}

/// As settings are: no two rules of one key and value.
fn unique(rules: Vec<RuleSettings>) -> Vec<RuleSettings> {
    let mut seen = std::collections::HashSet::new();
    rules.into_iter().filter(|rule| seen.insert((rule.key.clone(), rule.value.clone()))).collect()
}

proptest! {
    #[test]
    fn rules_are_found_as_by_reading(
        rules in rules(),
        entries in prop::collection::vec((prop::sample::select(vec!["a", "b", "c"]), "[xy]{0,3}"), 1..4),
    ) {
        let (set, _) = installed(rules.clone());
        let entries: Vec<(&str, &str)> = entries.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let shown = |rule: &RuleSettings| (rule.key.clone(), rule.value.clone());
        let found = set.descriptors().matched("edge", &entries).map(|rule| shown(&rule.settings));
        prop_assert_eq!(found, naive(&rules, &entries).map(shown));
        prop_assert!(set.descriptors().matched("other", &entries).is_none());
    }
}
