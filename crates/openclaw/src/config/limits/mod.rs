//! How much a tenant's senders and its own clients may do.

mod descriptors;
mod policies;

use super::problem::Problem;
use super::read::{At, Context, Field, Named, choice, section};
use super::units::format_duration;
use super::values::{Count, Flag, Fraction, PerSecond, Size, Span, Text, Times};
use descriptors::DomainSection;
use openclaw_admission::{Adaptation, ClientList, LimitSettings, Limits, PolicySettings, RateSettings};
use policies::PolicySection;
use std::sync::Arc;
use std::time::Duration;

/// Clients in one list.
const CLIENTS_MAX: usize = 10_000;

const PLANS_MAX: usize = 64;

section! {
    /// How many new alerts may come in, and what the tenant's own clients may do.
    LimitsSection {
        /// Learned limits never go below this.
        floor: BucketSection,
        /// Learned limits never go above this. New alerts beyond it are kept for later; for these the default is rate `20000/s`, burst 200000.
        ceiling: BucketSection,
        /// `advise` (the default) learns limits and shows them; `on` enforces them, between floor and ceiling; `off` doesn't learn.
        adaptive: Adaptive,
        /// Learned limits are so many times what is usual: more refuses fewer, and lets more abuse through. 0.5 to 10, default 1.
        headroom: Times,
        /// Share of a client's windows that its learned limit is to let through whole. Default 0.99.
        coverage: Fraction,
        /// Time in which what stands behind these limits is to answer. Default `200ms`.
        slo: Span,
        /// Bytes of alerts kept for later; past that new alerts are refused. Default `64MiB`.
        backlog_bytes: Size,
        /// One bucket for all clients.
        total: BucketSection,
        /// Limits by name. Default: one, `default`, of rate `100/s` and burst 1000.
        policies: Named<PolicySection>,
        /// Clients without limits: a name, a beginning (`bot-*`), an address, a network (`10.0.0.0/8`).
        exempt: Vec<At<Text>>,
        /// Clients that are always refused.
        deny: Vec<At<Text>>,
        /// Clients by plan, for requests that don't say it.
        plans: Named<Vec<At<Text>>>,
        /// Limits for what Envoy's rate-limit filter asks.
        descriptors: Vec<At<DomainSection>>,
        /// Answers also carry the older `X-RateLimit-Limit`, `-Remaining` and `-Reset`. Default `false`.
        x_ratelimit_headers: Flag,
    }
}

section! {
    /// A token bucket.
    BucketSection {
        /// Tokens a second, in the long run.
        rate: PerSecond,
        /// Tokens at once.
        burst: Count,
    }
}

choice! {
    /// What becomes of learned limits.
    Adaptive {
        Off = "off",
        Advise = "advise",
        On = "on",
    }
}

/// A bucket that was checked, and where its parts stand.
struct Bucket {
    rate: At<PerSecond>,
    burst: At<Count>,
}

/// What policies have that say nothing else.
#[derive(Clone, Copy)]
struct Defaults {
    adaptation: Adaptation,
    floor: Option<RateSettings>,
    ceiling: Option<RateSettings>,
    headroom: Option<f32>,
    coverage: Option<f32>,
    slo_ms: Option<u32>,
}

/// For new alerts, and for the tenant's own clients.
pub(super) fn checked(section: LimitsSection, cx: &mut Context<'_>) -> (Limits, LimitSettings) {
    let default = Limits::default();
    let floor = section.floor.into_set().and_then(|set| bucket(set, cx));
    let ceiling = section.ceiling.into_set().and_then(|set| bucket(set, cx));
    let rate_per_s = ceiling.as_ref().map_or(default.rate_per_s, |bucket| bucket.rate.value.0);
    let burst = ceiling.as_ref().map_or(default.burst, |bucket| bucket.burst.value.0);
    if let Some(floor) = &floor {
        check_order(floor, rate_per_s, burst, cx);
    }
    let backlog_bytes = section.backlog_bytes.into_value().map_or(default.backlog_bytes, |size| size.0);
    let defaults = Defaults {
        adaptation: adaptation(&section.adaptive).unwrap_or_default(),
        floor: floor.as_ref().map(Bucket::settings),
        ceiling: ceiling.as_ref().map(Bucket::settings),
        headroom: section.headroom.into_set().map(|set| headroom(&set, cx)),
        coverage: section.coverage.into_set().map(|set| coverage(&set, cx)),
        slo_ms: section.slo.into_set().map(|set| slo_ms(&set, cx)),
    };
    let policies = match section.policies.into_set() {
        Some(set) => policies::checked(set, defaults, cx),
        None => vec![defaults.applied(PolicySettings::new("default"))],
    };
    let descriptors = descriptors::checked(section.descriptors, &policies, cx);
    let settings = LimitSettings {
        policies,
        total: section.total.into_set().and_then(|set| bucket(set, cx)).map(|bucket| bucket.settings()),
        exempt: clients(section.exempt, "exempt", cx),
        deny: clients(section.deny, "deny", cx),
        plans: plans(section.plans, cx),
        descriptors,
        x_ratelimit_headers: section.x_ratelimit_headers.into_value().is_some_and(|flag| flag.0),
    };
    (Limits { rate_per_s, burst, backlog_bytes }, settings)
}

impl Defaults {
    /// Where nobody says them, floor and ceiling make room for what the policy
    /// has anyway.
    fn applied(self, policy: PolicySettings) -> PolicySettings {
        let of = policy.client;
        let either =
            |one: RateSettings, least: fn(f64, f64) -> f64, burst: fn(u32, u32) -> u32| RateSettings {
                rate_per_s: least(one.rate_per_s, of.rate_per_s),
                burst: burst(one.burst, of.burst),
            };
        PolicySettings {
            adaptation: self.adaptation,
            floor: self.floor.unwrap_or_else(|| either(policy.floor, f64::min, u32::min)),
            ceiling: self.ceiling.unwrap_or_else(|| either(policy.ceiling, f64::max, u32::max)),
            headroom: self.headroom.unwrap_or(policy.headroom),
            coverage: self.coverage.unwrap_or(policy.coverage),
            slo_ms: self.slo_ms.unwrap_or(policy.slo_ms),
            ..policy
        }
    }
}

fn headroom(set: &At<Times>, cx: &mut Context<'_>) -> f32 {
    const BOUNDS: std::ops::RangeInclusive<f32> = 0.5..=10.0;
    if !BOUNDS.contains(&set.value.0) {
        let (least, most) = (BOUNDS.start().to_string(), BOUNDS.end().to_string());
        cx.fault(&set.place, Problem::OutOfRange { key: "headroom", least, most });
    }
    set.value.0
}

fn coverage(set: &At<Fraction>, cx: &mut Context<'_>) -> f32 {
    const BOUNDS: std::ops::RangeInclusive<f32> = 0.5..=0.9999;
    if !BOUNDS.contains(&set.value.0) {
        let (least, most) = (BOUNDS.start().to_string(), BOUNDS.end().to_string());
        cx.fault(&set.place, Problem::OutOfRange { key: "coverage", least, most });
    }
    set.value.0
}

fn slo_ms(set: &At<Span>, cx: &mut Context<'_>) -> u32 {
    const BOUNDS: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(600);
    if !BOUNDS.contains(&set.value.0) {
        let (least, most) = (format_duration(*BOUNDS.start()), format_duration(*BOUNDS.end()));
        cx.fault(&set.place, Problem::OutOfRange { key: "slo", least, most });
    }
    set.value.0.as_millis() as u32
}

fn adaptation(field: &Field<Adaptive>) -> Option<Adaptation> {
    Some(match field.as_set()?.value {
        Adaptive::Off => Adaptation::Off,
        Adaptive::Advise => Adaptation::Advise,
        Adaptive::On => Adaptation::On,
    })
}

impl Bucket {
    fn settings(&self) -> RateSettings {
        RateSettings {
            rate_per_s: self.rate.value.0,
            burst: u32::try_from(self.burst.value.0).unwrap_or(u32::MAX),
        }
    }
}

fn check_order(floor: &Bucket, rate_per_s: f64, burst: u64, cx: &mut Context<'_>) {
    if floor.rate.value.0 > rate_per_s {
        cx.fault(&floor.rate.place, Problem::FloorAboveCeiling { key: "rate" });
    }
    if floor.burst.value.0 > burst {
        cx.fault(&floor.burst.place, Problem::FloorAboveCeiling { key: "burst" });
    }
}

fn bucket(section: At<BucketSection>, cx: &mut Context<'_>) -> Option<Bucket> {
    rate_and_burst(section.value.rate, section.value.burst, &section.place, cx)
}

fn rate_and_burst(
    rate: Field<PerSecond>,
    burst: Field<Count>,
    place: &super::fault::Place,
    cx: &mut Context<'_>,
) -> Option<Bucket> {
    const RATE_MAX: f64 = 1e6;
    const BURST_MAX: u64 = 1_000_000_000;
    let rate = rate.required("rate", place, cx);
    let burst = burst.required("burst", place, cx);
    let (rate, burst) = (rate?, burst?);
    if !(1.0 / 3600.0..=RATE_MAX).contains(&rate.value.0) {
        let (least, most) = ("1/h".to_owned(), "1000000/s".to_owned());
        cx.fault(&rate.place, Problem::OutOfRange { key: "rate", least, most });
    }
    if !(1..=BURST_MAX).contains(&burst.value.0) {
        let (least, most) = ("1".to_owned(), BURST_MAX.to_string());
        cx.fault(&burst.place, Problem::OutOfRange { key: "burst", least, most });
    }
    Some(Bucket { rate, burst })
}

fn clients(field: Field<Vec<At<Text>>>, what: &'static str, cx: &mut Context<'_>) -> ClientList {
    let Some(At { value, place }) = field.into_set() else { return ClientList::default() };
    client_list(value, &place, what, cx)
}

fn client_list(
    texts: Vec<At<Text>>,
    place: &super::fault::Place,
    what: &'static str,
    cx: &mut Context<'_>,
) -> ClientList {
    if texts.len() > CLIENTS_MAX {
        cx.fault(place, Problem::TooMany { what, most: CLIENTS_MAX });
        return ClientList::default();
    }
    let mut list = ClientList::default();
    for text in texts {
        cx.keep(&text.place, list.add(&text.value.0));
    }
    list
}

fn plans(field: Field<Named<Vec<At<Text>>>>, cx: &mut Context<'_>) -> Vec<(Arc<str>, ClientList)> {
    let Some(At { value: Named(named), place }) = field.into_set() else { return Vec::new() };
    if named.len() > PLANS_MAX {
        cx.fault(&place, Problem::TooMany { what: "plans", most: PLANS_MAX });
    }
    let plan = |(name, texts): (At<String>, Vec<At<Text>>)| {
        (name.value.as_str().into(), client_list(texts, &name.place, "clients in a plan", cx))
    };
    named.into_iter().map(plan).collect()
}
