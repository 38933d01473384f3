//! Named limits.

use super::{Adaptive, BucketSection, Defaults, adaptation, bucket, check_order, clients, rate_and_burst};
use crate::config::problem::Problem;
use crate::config::read::{At, Context, Field, Named, choice, section};
use crate::config::values::{Count, Flag, PerSecond, Text};
use jiff::tz::TimeZone;
use openclaw_admission::{
    Conditions, Holder, PathPattern, Period, PolicySettings, QuotaSettings, RateSettings, TOTAL,
};
use openclaw_alert::TenantName;
use std::sync::Arc;

const POLICIES_MAX: usize = 256;

/// Paths, methods or plans of one policy.
const CONDITIONS_MAX: usize = 64;

const COST_MAX: u64 = 1_000_000;

section! {
    /// A named limit. A request that names no policy meets all whose conditions hold, at most eight.
    PolicySection {
        /// Tokens a second that a client's bucket gets: `100/s`, `600/m`, `1000/h`.
        rate: PerSecond,
        /// Tokens that it holds.
        burst: Count,
        /// Whose the bucket is: `client` (the default), or `tenant` for all clients together.
        per: PerWord,
        /// One bucket for all clients, around theirs.
        total: BucketSection,
        /// Which requests meet it; without, all.
        when: WhenSection,
        /// Tokens for each hour, day, week or month, beside the bucket.
        quotas: Vec<At<QuotaSection>>,
        /// Tokens for each that a request asks for. Default 1.
        cost: Count,
        /// Clients that never meet it.
        exempt: Vec<At<Text>>,
        /// Clients that it always refuses.
        deny: Vec<At<Text>>,
        /// As the tenant's, unless it is said here.
        adaptive: Adaptive,
        /// As the tenant's, unless it is said here.
        floor: BucketSection,
        /// As the tenant's, unless it is said here.
        ceiling: BucketSection,
        /// `true` counts what it would refuse, and refuses nothing. Default `false`.
        dry_run: Flag,
    }
}

section! {
    /// Which requests meet a policy: of each kind that is given, one must fit.
    WhenSection {
        /// `*` stands for any characters of a segment, `/**` at the end for any segments.
        paths: Vec<At<Text>>,
        /// As in `GET`.
        methods: Vec<At<Text>>,
        /// The client's plan.
        plans: Vec<At<Text>>,
    }
}

section! {
    /// Tokens for each period of a calendar.
    QuotaSection {
        /// Tokens of a client.
        limit: Count,
        /// The period.
        per: PeriodWord,
        /// Whose calendar. Default `UTC`.
        timezone: Text,
    }
}

choice! {
    /// Whose a bucket is.
    PerWord {
        Client = "client",
        Tenant = "tenant",
    }
}

choice! {
    /// How often a quota begins anew.
    PeriodWord {
        Hour = "hour",
        Day = "day",
        Week = "week",
        Month = "month",
    }
}

pub(super) fn checked(
    section: At<Named<PolicySection>>,
    defaults: Defaults,
    cx: &mut Context<'_>,
) -> Vec<PolicySettings> {
    let Named(named) = section.value;
    if named.len() > POLICIES_MAX {
        cx.fault(&section.place, Problem::TooMany { what: "policies", most: POLICIES_MAX });
    }
    named.into_iter().filter_map(|(name, section)| policy(&name, section, defaults, cx)).collect()
}

fn policy(
    name: &At<String>,
    section: PolicySection,
    defaults: Defaults,
    cx: &mut Context<'_>,
) -> Option<PolicySettings> {
    check_name(name, cx);
    let client = rate_and_burst(section.rate, section.burst, &name.place, cx);
    let total = section.total.into_set().and_then(|set| bucket(set, cx));
    let when = section.when.into_value().map(|when| conditions(when, cx)).unwrap_or_default();
    let (floor, ceiling) = (section.floor.into_set(), section.ceiling.into_set());
    let floor = floor.and_then(|set| bucket(set, cx));
    let ceiling = ceiling.and_then(|set| bucket(set, cx)).map(|bucket| bucket.settings());
    let mut settings = defaults.applied(PolicySettings {
        client: client.map_or(RateSettings { rate_per_s: 1.0, burst: 1 }, |bucket| bucket.settings()),
        ..PolicySettings::new(&name.value)
    });
    settings.ceiling = ceiling.unwrap_or(settings.ceiling);
    if let Some(floor) = floor {
        check_order(&floor, settings.ceiling.rate_per_s, u64::from(settings.ceiling.burst), cx);
        settings.floor = floor.settings();
    }
    Some(PolicySettings {
        when,
        per: section.per.as_set().map(|set| holder(set.value)).unwrap_or_default(),
        total: total.map(|bucket| bucket.settings()),
        quotas: quotas(section.quotas, cx),
        cost: cost(section.cost, cx),
        exempt: clients(section.exempt, "exempt", cx),
        deny: clients(section.deny, "deny", cx),
        adaptation: adaptation(&section.adaptive).unwrap_or(settings.adaptation),
        dry_run: section.dry_run.as_set().is_some_and(|set| set.value.0),
        ..settings
    })
}

/// It becomes a metric's label, and text in header fields.
fn check_name(name: &At<String>, cx: &mut Context<'_>) {
    if TenantName::new(&name.value).is_err() || name.value == TOTAL {
        let text = name.value.chars().take(80).flat_map(char::escape_debug).collect();
        let expected = "a policy's name: use 1 to 63 of `a-z`, `0-9`, `-`, `_`, and not `total`";
        cx.fault(&name.place, Problem::NotA { text, expected });
    }
}

fn holder(word: PerWord) -> Holder {
    match word {
        PerWord::Client => Holder::Client,
        PerWord::Tenant => Holder::Tenant,
    }
}

fn cost(field: Field<Count>, cx: &mut Context<'_>) -> u32 {
    let Some(At { value: Count(cost), place }) = field.into_set() else { return 1 };
    if !(1..=COST_MAX).contains(&cost) {
        let (least, most) = ("1".to_owned(), COST_MAX.to_string());
        cx.fault(&place, Problem::OutOfRange { key: "cost", least, most });
    }
    u32::try_from(cost).unwrap_or(1)
}

fn conditions(section: WhenSection, cx: &mut Context<'_>) -> Conditions {
    let paths = words(section.paths, "paths", cx);
    let texts = |words: Vec<At<Text>>| words.into_iter().map(|word| Arc::from(word.value.0)).collect();
    Conditions {
        paths: paths
            .into_iter()
            .filter_map(|text| cx.keep(&text.place, PathPattern::new(&text.value.0)))
            .collect(),
        methods: texts(words(section.methods, "methods", cx)),
        plans: texts(words(section.plans, "plans", cx)),
    }
}

fn words(field: Field<Vec<At<Text>>>, what: &'static str, cx: &mut Context<'_>) -> Vec<At<Text>> {
    let Some(At { value, place }) = field.into_set() else { return Vec::new() };
    if value.len() > CONDITIONS_MAX {
        cx.fault(&place, Problem::TooMany { what, most: CONDITIONS_MAX });
    }
    value
}

fn quotas(field: Field<Vec<At<QuotaSection>>>, cx: &mut Context<'_>) -> Vec<QuotaSettings> {
    let mut quotas: Vec<QuotaSettings> = Vec::new();
    for section in field.into_value().unwrap_or_default() {
        let place = section.place.clone();
        let Some(quota) = quota(section, cx) else { continue };
        if quotas.iter().any(|known| known.per == quota.per) {
            let what = format!("a quota per {}", quota.per.word());
            cx.fault(&place, Problem::Twice { what });
        }
        quotas.push(quota);
    }
    quotas
}

fn quota(section: At<QuotaSection>, cx: &mut Context<'_>) -> Option<QuotaSettings> {
    let At { value, place } = section;
    let limit = value.limit.required("limit", &place, cx);
    let per = value.per.required("per", &place, cx);
    let zone = match value.timezone.into_set() {
        Some(set) => cx.keep(
            &set.place,
            TimeZone::get(&set.value.0).map_err(|_| Problem::NotA {
                text: set.value.0.chars().take(80).flat_map(char::escape_debug).collect(),
                expected: "a time zone such as `Europe/Berlin`",
            }),
        ),
        None => Some(TimeZone::UTC),
    };
    let limit = limit?;
    let in_range = u32::try_from(limit.value.0).ok().filter(|limit| *limit > 0);
    if in_range.is_none() {
        let (least, most) = ("1".to_owned(), u32::MAX.to_string());
        cx.fault(&limit.place, Problem::OutOfRange { key: "limit", least, most });
    }
    let per = match per?.value {
        PeriodWord::Hour => Period::Hour,
        PeriodWord::Day => Period::Day,
        PeriodWord::Week => Period::Week,
        PeriodWord::Month => Period::Month,
    };
    Some(QuotaSettings { limit: in_range?, per, zone: zone? })
}
