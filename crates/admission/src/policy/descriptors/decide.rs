//! Envoy's question: how much is left for these descriptors?

use super::overrides::Overrides;
use super::settings::{RuleLimit, Unit, UnitRate};
use super::tree::{Rule, RuleBucket};
use crate::policy::{Policy, PolicySet};
use openclaw_limiter::{Ask, CoreId, Decision, Limiter, Rate, Verdict};
use smallvec::SmallVec;

/// One descriptor of a request.
#[derive(Debug, Clone, Copy)]
pub struct Descriptor<'r> {
    /// Keys and values, in order.
    pub entries: &'r [(&'r str, &'r str)],
    /// Tokens; 0 asks for the state alone.
    pub hits: u32,
    /// A limit that the request brings along; it takes the place of the
    /// file's.
    pub limit: Option<UnitRate>,
}

/// What all descriptors of a request together say.
#[derive(Debug)]
pub struct DescriptorAnswers<'s> {
    /// Whether the request goes beyond a limit; then no tokens are taken.
    pub is_over: bool,
    /// For each descriptor, in order.
    pub each: SmallVec<[DescriptorAnswer<'s>; 4]>,
}

/// What one descriptor says.
#[derive(Debug, Clone, Copy)]
pub struct DescriptorAnswer<'s> {
    /// As Envoy names it.
    pub code: DescriptorCode,
    /// The limit; none where no rule holds the descriptor, or no limit.
    pub limit: Option<DescriptorLimit<'s>>,
    /// Tokens left; `u32::MAX` without a limit.
    pub remaining: u32,
    /// Until the bucket is full.
    pub reset_after_nanos: u64,
    /// A rule in `dry_run` would have refused.
    pub would_deny: bool,
    /// Refuses only together with all others such.
    pub is_quota: bool,
    taken: Option<(Ask, Rate)>,
}

/// Whether a descriptor is within its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptorCode {
    /// It is, or it has none.
    Ok,
    /// It isn't.
    OverLimit,
}

/// A limit as Envoy tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorLimit<'s> {
    /// How many, in which time.
    pub rate: UnitRate,
    /// The rule's or policy's name.
    pub name: Option<&'s str>,
}

/// Where a descriptor counts, and as whom.
struct Bucket<'s> {
    ask: Ask,
    limit: DescriptorLimit<'s>,
    dry_run: bool,
    is_quota: bool,
}

/// What holds a descriptor.
enum Held<'s> {
    Unlimited,
    Blocked(&'s Rule),
    By(Bucket<'s>),
}

impl PolicySet {
    /// Takes a descriptor's tokens, or none.
    pub fn decide_descriptor(
        &self,
        limiter: &Limiter,
        core: CoreId,
        domain: &str,
        descriptor: &Descriptor<'_>,
        now_nanos: u64,
    ) -> DescriptorAnswer<'_> {
        match self.held(limiter, domain, descriptor) {
            Held::Unlimited => DescriptorAnswer::unlimited(),
            Held::Blocked(rule) => blocked(rule),
            Held::By(bucket) => bucket.decided(limiter, core, now_nanos),
        }
    }

    /// Takes the tokens of all descriptors of a request, or none.
    pub fn decide_descriptors(
        &self,
        limiter: &Limiter,
        core: CoreId,
        domain: &str,
        descriptors: &[Descriptor<'_>],
        now_nanos: u64,
    ) -> DescriptorAnswers<'_> {
        let replaced = |descriptor: &Descriptor<'_>| self.is_replaced(domain, descriptor, descriptors);
        let decided = descriptors.iter().map(|descriptor| match replaced(descriptor) {
            true => DescriptorAnswer::unlimited(),
            false => self.decide_descriptor(limiter, core, domain, descriptor, now_nanos),
        });
        let mut each: SmallVec<[_; 4]> = decided.collect();
        let is_over = is_over(&each);
        if is_over {
            each.iter_mut().for_each(|answer| answer.give_back(limiter, core, now_nanos));
        }
        DescriptorAnswers { is_over, each }
    }

    /// Whether the rule of a descriptor is one that the rule of another one
    /// takes the place of.
    fn is_replaced(&self, domain: &str, descriptor: &Descriptor<'_>, among: &[Descriptor<'_>]) -> bool {
        let rule = |of: &Descriptor<'_>| match of.limit {
            Some(_) => None,
            None => self.descriptors.matched(domain, of.entries),
        };
        let Some(name) = rule(descriptor).and_then(|rule| rule.settings.name.as_ref()) else { return false };
        among.iter().filter_map(rule).any(|rule| rule.settings.replaces.contains(name))
    }

    fn held(&self, limiter: &Limiter, domain: &str, descriptor: &Descriptor<'_>) -> Held<'_> {
        if let Some(limit) = descriptor.limit
            && self.descriptors.knows(domain)
            && let Some(held) = overridden(&self.overrides, limiter, domain, descriptor, limit)
        {
            return held;
        }
        let Some(rule) = self.descriptors.matched(domain, descriptor.entries) else { return Held::Unlimited };
        match &rule.bucket {
            None | Some(RuleBucket::Unlimited) => Held::Unlimited,
            Some(RuleBucket::Blocked) => Held::Blocked(rule),
            Some(RuleBucket::Own { policy, scope, .. }) => {
                let key = limiter.key(*scope, &bytes(descriptor.entries, rule.shared_value()));
                Held::By(rule.bucket(Ask { policy: *policy, key, cost: descriptor.hits }))
            }
            Some(RuleBucket::Policy(at)) => {
                let policy = &self.policies[*at];
                let client = descriptor.entries.last().map_or("", |(_, value)| value);
                let key = limiter.key(policy.scope, client.as_bytes());
                Held::By(policy.bucket(rule, Ask { policy: policy.id, key, cost: descriptor.hits }))
            }
        }
    }
}

fn overridden<'s>(
    overrides: &'s Overrides,
    limiter: &Limiter,
    domain: &str,
    descriptor: &Descriptor<'_>,
    rate: UnitRate,
) -> Option<Held<'s>> {
    let (policy, scope) = overrides.policy(limiter, domain, rate)?;
    let key = limiter.key(scope, &bytes(descriptor.entries, None));
    let limit = DescriptorLimit { rate, name: None };
    let ask = Ask { policy, key, cost: descriptor.hits };
    Some(Held::By(Bucket { ask, limit, dry_run: false, is_quota: false }))
}

impl Rule {
    fn bucket(&self, ask: Ask) -> Bucket<'_> {
        Bucket { ask, limit: self.limit(), dry_run: self.settings.dry_run, is_quota: self.settings.is_quota }
    }

    fn limit(&self) -> DescriptorLimit<'_> {
        let rate = match self.settings.limit {
            Some(RuleLimit::Bucket { rate, .. }) => rate,
            _ => UnitRate { requests_per_unit: 0, unit: Unit::Second },
        };
        DescriptorLimit { rate, name: self.settings.name.as_deref() }
    }

    /// What stands for the last value where all that fit share a bucket.
    fn shared_value(&self) -> Option<&str> {
        self.settings.value.as_deref().filter(|_| self.settings.is_shared)
    }
}

impl Policy {
    fn bucket<'s>(&'s self, rule: &'s Rule, ask: Ask) -> Bucket<'s> {
        let name = rule.settings.name.as_deref().unwrap_or(&self.settings.name);
        Bucket {
            ask,
            limit: DescriptorLimit { rate: in_units(self.settings.client.rate_per_s), name: Some(name) },
            dry_run: rule.settings.dry_run || self.settings.dry_run,
            is_quota: rule.settings.is_quota,
        }
    }
}

/// The shortest unit in which it is at least one request.
fn in_units(rate_per_s: f64) -> UnitRate {
    let units = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month];
    let of = |unit: Unit| rate_per_s * unit.seconds() as f64;
    let unit = units.into_iter().find(|unit| of(*unit) >= 1.0).unwrap_or(Unit::Year);
    UnitRate { requests_per_unit: of(unit).round() as u32, unit }
}

impl<'s> Bucket<'s> {
    fn decided(self, limiter: &Limiter, core: CoreId, now_nanos: u64) -> DescriptorAnswer<'s> {
        let decision = match self.ask.cost {
            0 => limiter.peek(self.ask, now_nanos),
            _ => limiter.decide(core, self.ask, now_nanos),
        };
        let refused = decision.verdict != Verdict::Allowed;
        DescriptorAnswer {
            code: DescriptorCode::new(refused && !self.dry_run),
            limit: Some(self.limit),
            remaining: shown(&decision),
            reset_after_nanos: decision.reset_after_nanos,
            would_deny: refused && self.dry_run,
            is_quota: self.is_quota,
            taken: (!refused && self.ask.cost > 0).then_some((self.ask, decision.rate)),
        }
    }
}

fn shown(decision: &Decision) -> u32 {
    u32::try_from(decision.remaining).unwrap_or(u32::MAX)
}

fn blocked(rule: &Rule) -> DescriptorAnswer<'_> {
    DescriptorAnswer {
        code: DescriptorCode::new(!rule.settings.dry_run),
        limit: Some(rule.limit()),
        remaining: 0,
        reset_after_nanos: 0,
        would_deny: rule.settings.dry_run,
        is_quota: rule.settings.is_quota,
        taken: None,
    }
}

/// Over as soon as one is; those that are quotas, only where all of them are.
fn is_over(answers: &[DescriptorAnswer<'_>]) -> bool {
    let over = |answer: &DescriptorAnswer<'_>| answer.code == DescriptorCode::OverLimit;
    let mut quotas = answers.iter().filter(|answer| answer.is_quota).peekable();
    answers.iter().any(|answer| !answer.is_quota && over(answer))
        || (quotas.peek().is_some() && quotas.all(over))
}

impl DescriptorCode {
    fn new(is_over: bool) -> Self {
        if is_over { Self::OverLimit } else { Self::Ok }
    }
}

impl DescriptorAnswer<'_> {
    /// Nothing holds the descriptor.
    fn unlimited() -> Self {
        Self {
            code: DescriptorCode::Ok,
            limit: None,
            remaining: u32::MAX,
            reset_after_nanos: 0,
            would_deny: false,
            is_quota: false,
            taken: None,
        }
    }

    fn give_back(&mut self, limiter: &Limiter, core: CoreId, now_nanos: u64) {
        let Some((ask, rate)) = self.taken.take() else { return };
        limiter.settle(core, ask.policy, ask.key, -i64::from(ask.cost), now_nanos);
        self.remaining = self.remaining.saturating_add(ask.cost).min(rate.burst() as u32);
        let back = rate.nanos_per_token().saturating_mul(u64::from(ask.cost));
        self.reset_after_nanos = self.reset_after_nanos.saturating_sub(back);
    }
}

/// Entries as bytes that no other entries have; `last` stands for the last
/// value.
fn bytes(entries: &[(&str, &str)], last: Option<&str>) -> SmallVec<[u8; 256]> {
    let mut bytes = SmallVec::new();
    let mut push = |text: &str| {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    for (at, (key, value)) in entries.iter().enumerate() {
        push(key);
        push(last.filter(|_| at + 1 == entries.len()).unwrap_or(value));
    }
    bytes
}
