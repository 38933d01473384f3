//! Limits for what Envoy says about requests.

use crate::config::fault::Place;
use crate::config::problem::Problem;
use crate::config::read::{At, Context, Field, Scalar, scalar_schema, section};
use crate::config::values::{Count, Flag, LabelValue, Text, not_a};
use openclaw_admission::{DomainSettings, PolicySettings, RuleLimit, RuleSettings, Unit, UnitRate};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;

/// Rules of a tenant, in all domains.
const RULES_MAX: usize = 4096;

const DEPTH_MAX: usize = 16;

section! {
    /// The rules for one domain, as Envoy's filter names it.
    DomainSection {
        /// The filter's `domain`.
        domain: Text,
        /// Rules for a descriptor's first entry.
        descriptors: Vec<At<RuleSection>>,
    }
}

section! {
    /// A rule for descriptors with such an entry. It holds those that end with that entry; rules below it hold those that go on.
    RuleSection {
        /// The entry's key.
        key: Text,
        /// The entry's value; `*` stands for any characters. Without it, all values, each with a bucket of its own.
        value: LabelValue,
        /// How fast the bucket refills: whole requests a unit, `10/s`, or `/m`, `/h`, `/d`, `/w`, `/month` (30 days), `/year`. `0/s` refuses all.
        rate: UnitRateText,
        /// Requests at once. Default: those of one unit.
        burst: Count,
        /// `true`: no limit.
        unlimited: Flag,
        /// A policy's limits in place of a rate; the last entry's value is the client.
        policy: Text,
        /// `true` counts what it would refuse, and refuses nothing. Default `false`.
        dry_run: Flag,
        /// `true`: refuses a request only if all such rules that it meets refuse. Default `false`.
        quota_mode: Flag,
        /// `true`: all values that `value` takes in share one bucket. Default `false`.
        shared: Flag,
        /// As answers call the limit.
        name: Text,
        /// Names of rules that don't count where this one is met by another descriptor of the same request.
        replaces: Vec<At<Text>>,
        /// Rules for the next entry.
        descriptors: Vec<At<RuleSection>>,
    }
}

/// Requests in a unit of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnitRateText(pub(crate) UnitRate);

/// How units are written.
pub(crate) const UNITS: [(&str, Unit); 7] = [
    ("s", Unit::Second),
    ("m", Unit::Minute),
    ("h", Unit::Hour),
    ("d", Unit::Day),
    ("w", Unit::Week),
    ("month", Unit::Month),
    ("year", Unit::Year),
];

impl Scalar for UnitRateText {
    const EXPECTED: &'static str =
        "a rate in whole requests such as `10/s`, `600/m`, `1000/h`, `5000/d`, `1/w`, `1/month` or `1/year`";

    fn parse(text: &str) -> Result<Self, Problem> {
        let read = || {
            let (number, word) = text.split_once('/')?;
            let (_, unit) = UNITS.into_iter().find(|(known, _)| *known == word)?;
            let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
            let requests_per_unit = number.parse().ok().filter(|_| is_plain)?;
            Some(Self(UnitRate { requests_per_unit, unit }))
        };
        read().ok_or_else(|| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^\\d+/(s|m|h|d|w|month|year)$", "examples": ["10/s"] })
    }
}

scalar_schema!(UnitRateText);

/// What rules need to know of the rest.
struct Checker<'c, 'x> {
    policies: &'c [PolicySettings],
    rules: usize,
    cx: &'c mut Context<'x>,
}

pub(super) fn checked(
    field: Field<Vec<At<DomainSection>>>,
    policies: &[PolicySettings],
    cx: &mut Context<'_>,
) -> Vec<DomainSettings> {
    let Some(At { value: sections, place }) = field.into_set() else { return Vec::new() };
    let mut checker = Checker { policies, rules: 0, cx };
    let mut domains: Vec<DomainSettings> = Vec::new();
    for section in sections {
        let Some(domain) = checker.domain(section, &domains) else { continue };
        domains.push(domain);
    }
    if checker.rules > RULES_MAX {
        cx.fault(&place, Problem::TooMany { what: "descriptors", most: RULES_MAX });
    }
    domains
}

impl Checker<'_, '_> {
    fn domain(&mut self, section: At<DomainSection>, known: &[DomainSettings]) -> Option<DomainSettings> {
        let At { value, place } = section;
        let domain = value.domain.required("domain", &place, self.cx);
        let rules = self.rules(value.descriptors, 0);
        let domain = domain?;
        let name: Arc<str> = domain.value.0.into();
        if known.iter().any(|known| known.domain == name) {
            self.cx
                .fault(&domain.place, Problem::Twice { what: format!("domain `{}`", name.escape_debug()) });
        }
        Some(DomainSettings { domain: name, rules })
    }

    fn rules(&mut self, field: Field<Vec<At<RuleSection>>>, depth: usize) -> Vec<RuleSettings> {
        let Some(At { value: sections, place }) = field.into_set() else { return Vec::new() };
        if depth >= DEPTH_MAX {
            self.cx.fault(&place, Problem::TooMany { what: "levels of descriptors", most: DEPTH_MAX });
            return Vec::new();
        }
        self.rules += sections.len();
        let mut seen = HashSet::new();
        let mut rules = Vec::new();
        for section in sections {
            let place = section.place.clone();
            let Some(rule) = self.rule(section, depth) else { continue };
            if !seen.insert((rule.key.clone(), rule.value.clone())) {
                let value = rule.value.as_deref().map_or(String::new(), |value| format!("={value}"));
                let what = format!("`{}{}`", rule.key.escape_debug(), value.escape_debug());
                self.cx.fault(&place, Problem::Twice { what });
            }
            rules.push(rule);
        }
        rules
    }

    fn rule(&mut self, section: At<RuleSection>, depth: usize) -> Option<RuleSettings> {
        let At { mut value, place } = section;
        let key = std::mem::take(&mut value.key).required("key", &place, self.cx);
        let below = self.rules(std::mem::take(&mut value.descriptors), depth + 1);
        let limit = self.limit(&mut value, &place);
        let is_set = |field: &Field<Flag>| field.as_set().is_some_and(|set| set.value.0);
        let pattern = value.value.into_value().map(|value| value.0).filter(|value| !value.is_empty());
        let has_star = pattern.as_ref().is_some_and(|value| value.contains('*'));
        if let Some(set) = value.shared.as_set().filter(|set| set.value.0 && !has_star) {
            self.cx.fault(&set.place, Problem::SharedWithoutStar);
        }
        let name = value.name.into_value().map(|name| Arc::from(name.0));
        Some(RuleSettings {
            value: pattern.map(Into::into),
            limit,
            replaces: self.replaces(value.replaces, name.as_deref()),
            name,
            dry_run: is_set(&value.dry_run),
            is_quota: is_set(&value.quota_mode),
            is_shared: is_set(&value.shared),
            rules: below,
            ..RuleSettings::new(&key?.value.0)
        })
    }

    fn limit(&mut self, section: &mut RuleSection, place: &Place) -> Option<RuleLimit> {
        let rate = std::mem::take(&mut section.rate).into_value();
        let policy = std::mem::take(&mut section.policy).into_set();
        let unlimited = section.unlimited.as_set().filter(|set| set.value.0).is_some();
        if usize::from(rate.is_some()) + usize::from(policy.is_some()) + usize::from(unlimited) > 1 {
            self.cx.fault(place, Problem::Exclusive { keys: vec!["rate", "unlimited", "policy"] });
        }
        let burst = self.burst(std::mem::take(&mut section.burst), rate.is_some());
        if let Some(UnitRateText(rate)) = rate {
            return Some(RuleLimit::Bucket { rate, burst });
        }
        if unlimited {
            return Some(RuleLimit::Unlimited);
        }
        let At { value: Text(name), place } = policy?;
        let known = self.policies.iter().find(|policy| *policy.name == *name);
        if known.is_none() {
            let known = self.policies.iter().take(20).map(|policy| policy.name.to_string()).collect();
            self.cx.fault(&place, Problem::UnknownPolicy { name: name.escape_debug().to_string(), known });
        }
        Some(RuleLimit::Policy(Arc::clone(&known?.name)))
    }

    fn burst(&mut self, field: Field<Count>, has_rate: bool) -> Option<u32> {
        let At { value: Count(burst), place } = field.into_set()?;
        if !has_rate {
            self.cx.fault(&place, Problem::Missing { key: "rate" });
        }
        let in_range = u32::try_from(burst).ok().filter(|burst| (1..=1_000_000_000).contains(burst));
        if in_range.is_none() {
            let (least, most) = ("1".to_owned(), "1000000000".to_owned());
            self.cx.fault(&place, Problem::OutOfRange { key: "burst", least, most });
        }
        in_range
    }

    fn replaces(&mut self, field: Field<Vec<At<Text>>>, own: Option<&str>) -> Vec<Arc<str>> {
        let names = field.into_value().unwrap_or_default();
        for name in names.iter().filter(|name| own == Some(&*name.value.0)) {
            self.cx.fault(&name.place, Problem::ReplacesItself);
        }
        names.into_iter().map(|name| name.value.0.into()).collect()
    }
}
