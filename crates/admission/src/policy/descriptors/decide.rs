//! Envoy's question: how much is left for these descriptors?

use super::settings::{RuleLimit, Unit, UnitRate};
use super::tree::{Rule, RuleBucket};
use crate::policy::decide::{Answer, Asked, Learns};
use crate::policy::{Note, Policy, PolicySet};
use openclaw_limiter::{Ask, CoreId, Limiter, Verdict};
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
    pub each: SmallVec<[DescriptorAnswer<'s>; 2]>,
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
    /// Tokens that a full bucket holds.
    pub burst: u64,
    /// Until the bucket is full.
    pub reset_after_nanos: u64,
    /// Until as many tokens are there; none where they are, or never will be.
    pub retry_after_nanos: Option<u64>,
    /// A rule in `dry_run` would have refused.
    pub would_deny: bool,
    /// Refuses only together with all others such.
    pub is_quota: bool,
    /// What the client of its policy learns.
    pub learns: Learns,
    taken: Taken<'s>,
}

/// Where tokens were taken.
#[derive(Debug, Clone, Copy)]
enum Taken<'s> {
    Nothing,
    Bucket,
    /// Of a policy and of the tenant's total.
    Policies([Option<&'s Policy>; 2]),
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

/// What holds a descriptor.
#[derive(Clone, Copy)]
enum Held<'s, 'r> {
    Unlimited,
    Blocked {
        limit: DescriptorLimit<'s>,
        dry_run: bool,
        is_quota: bool,
    },
    /// A bucket of the rule's, or of the limit that the request brought.
    Bucket {
        ask: Ask,
        limit: DescriptorLimit<'s>,
        dry_run: bool,
        is_quota: bool,
    },
    /// A policy, asked for a client, by a rule or by its own name.
    Policy {
        policy: &'s Policy,
        rule: Option<&'s Rule>,
        client: Client<'r>,
        hits: u32,
    },
}

/// Who is asked about, where a policy decides.
#[derive(Clone, Copy)]
enum Client<'r> {
    /// What the last entry says.
    Value(&'r str),
    /// What all entries together say.
    Entries(&'r [(&'r str, &'r str)]),
}

impl Client<'_> {
    fn with<T>(self, then: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Value(value) => then(value.as_bytes()),
            Self::Entries(entries) => then(&bytes(entries, None)),
        }
    }
}

/// Where and when it is decided.
#[derive(Clone, Copy)]
struct Place<'l> {
    limiter: &'l Limiter,
    core: CoreId,
    now_nanos: u64,
    note: Option<&'l dyn Note>,
}

impl PolicySet {
    /// Takes the tokens of all descriptors of a request, or none.
    pub fn decide_descriptors(
        &self,
        limiter: &Limiter,
        core: CoreId,
        domain: &str,
        descriptors: &[Descriptor<'_>],
        now_nanos: u64,
    ) -> DescriptorAnswers<'_> {
        let place = Place { limiter, core, now_nanos, note: self.note.as_deref() };
        let held = descriptors.iter().map(|descriptor| {
            let is_replaced = self.is_replaced(domain, descriptor, descriptors);
            if is_replaced { Held::Unlimited } else { self.held(place, domain, descriptor) }
        });
        let held: SmallVec<[_; 2]> = held.collect();
        let mut each: SmallVec<[_; 2]> = held.iter().map(|held| self.decide_held(*held, place)).collect();
        let is_over = is_over(&each);
        if is_over {
            let taken =
                held.iter().zip(&mut each).filter(|(_, answer)| !matches!(answer.taken, Taken::Nothing));
            taken.for_each(|(held, answer)| *answer = self.give_back(*held, answer.taken, place));
        }
        DescriptorAnswers { is_over, each }
    }

    /// Gives a descriptor's tokens back.
    pub fn give_back_descriptor(
        &self,
        limiter: &Limiter,
        core: CoreId,
        domain: &str,
        descriptor: &Descriptor<'_>,
        now_nanos: u64,
    ) -> DescriptorAnswer<'_> {
        let place = Place { limiter, core, now_nanos, note: self.note.as_deref() };
        let held = self.held(place, domain, descriptor);
        let taken = match held {
            Held::Policy { policy, .. } => Taken::Policies([Some(policy), self.total.as_ref()]),
            _ => Taken::Bucket,
        };
        self.give_back(held, taken, place)
    }

    /// Whether the rule of a descriptor is one that the rule of another one
    /// takes the place of.
    fn is_replaced(&self, domain: &str, descriptor: &Descriptor<'_>, among: &[Descriptor<'_>]) -> bool {
        let rule = |of: &Descriptor<'_>| match of.limit {
            Some(_) => None,
            None => self.descriptors.matched(domain, of.entries),
        };
        if among.len() < 2 {
            return false;
        }
        let Some(name) = rule(descriptor).and_then(|rule| rule.settings.name.as_ref()) else { return false };
        among.iter().filter_map(rule).any(|rule| rule.settings.replaces.contains(name))
    }

    fn held<'s, 'r>(&'s self, place: Place<'_>, domain: &str, descriptor: &Descriptor<'r>) -> Held<'s, 'r> {
        let limiter = place.limiter;
        let Descriptor { entries, hits, .. } = *descriptor;
        if let Some(held) = self.overridden(place, domain, descriptor) {
            return held;
        }
        let Some(rule) = self.descriptors.matched(domain, entries) else {
            return self.held_by_name(domain, descriptor);
        };
        match &rule.bucket {
            None | Some(RuleBucket::Unlimited) => Held::Unlimited,
            Some(RuleBucket::Blocked) => {
                let (dry_run, is_quota) = (rule.settings.dry_run, rule.settings.is_quota);
                Held::Blocked { limit: rule.limit(), dry_run, is_quota }
            }
            Some(RuleBucket::Own { policy, scope, .. }) => {
                let key = limiter.key(*scope, &bytes(entries, rule.shared_value()));
                let ask = Ask { policy: *policy, key, cost: hits };
                let (dry_run, is_quota) = (rule.settings.dry_run, rule.settings.is_quota);
                Held::Bucket { ask, limit: rule.limit(), dry_run, is_quota }
            }
            Some(RuleBucket::Policy(at)) => {
                let client = Client::Value(entries.last().map_or("", |(_, value)| *value));
                Held::Policy { policy: &self.policies[*at], rule: Some(rule), client, hits }
            }
        }
    }

    /// A domain without rules may be a policy's name. Its client is the value
    /// of the only entry, as others call it, or else what all entries say.
    fn held_by_name<'s, 'r>(&'s self, domain: &str, descriptor: &Descriptor<'r>) -> Held<'s, 'r> {
        let Descriptor { entries, hits, .. } = *descriptor;
        let named = |policy: &&Policy| *policy.settings.name == *domain;
        match self.policies.iter().find(named) {
            Some(policy) if !self.descriptors.knows(domain) => {
                Held::Policy { policy, rule: None, client: Client::Entries(entries), hits }
            }
            _ => Held::Unlimited,
        }
    }

    fn overridden<'r>(
        &self,
        place: Place<'_>,
        domain: &str,
        descriptor: &Descriptor<'r>,
    ) -> Option<Held<'_, 'r>> {
        let rate = descriptor.limit.filter(|_| self.descriptors.knows(domain))?;
        let limit = DescriptorLimit { rate, name: None };
        if rate.requests_per_unit == 0 {
            return Some(Held::Blocked { limit, dry_run: false, is_quota: false });
        }
        let (policy, scope) = self.overrides.policy(place.limiter, domain, rate, place.now_nanos)?;
        let key = place.limiter.key(scope, &bytes(descriptor.entries, None));
        let ask = Ask { policy, key, cost: descriptor.hits };
        Some(Held::Bucket { ask, limit, dry_run: false, is_quota: false })
    }

    fn decide_held<'s>(&'s self, held: Held<'s, '_>, place: Place<'_>) -> DescriptorAnswer<'s> {
        match held {
            Held::Unlimited => DescriptorAnswer::unlimited(),
            Held::Blocked { limit, dry_run, is_quota } => DescriptorAnswer::blocked(limit, dry_run, is_quota),
            Held::Bucket { ask, limit, dry_run, is_quota } => {
                let decision = match ask.cost {
                    0 => place.limiter.peek(ask, place.now_nanos),
                    _ => place.asked(b"", ask.cost).decide(ask, place.now_nanos),
                };
                let is_refused = decision.verdict != Verdict::Allowed;
                DescriptorAnswer {
                    code: DescriptorCode::new(is_refused && !dry_run),
                    limit: Some(limit),
                    remaining: shown(decision.remaining()),
                    burst: decision.rate.burst(),
                    reset_after_nanos: decision.reset_after_nanos(),
                    retry_after_nanos: retry_after(decision.verdict),
                    would_deny: is_refused && dry_run,
                    is_quota,
                    learns: Learns::Nothing,
                    taken: if is_refused || ask.cost == 0 { Taken::Nothing } else { Taken::Bucket },
                }
            }
            Held::Policy { policy, rule, client, hits } => {
                let answer = client.with(|client| self.decide_named(policy, place.asked(client, hits)));
                of_policy(rule, policy, &answer, hits)
            }
        }
    }

    /// What is left after its tokens have been put back.
    fn give_back<'s>(
        &'s self,
        held: Held<'s, '_>,
        taken: Taken<'s>,
        place: Place<'_>,
    ) -> DescriptorAnswer<'s> {
        match (held, taken) {
            (Held::Bucket { ask, limit, dry_run, is_quota }, _) => {
                let back = -i64::from(ask.cost);
                place.limiter.settle(place.core, ask.policy, ask.key, back, place.now_nanos);
                let ask = Ask { cost: 0, ..ask };
                self.decide_held(Held::Bucket { ask, limit, dry_run, is_quota }, place)
            }
            (Held::Policy { policy, rule, client, hits }, Taken::Policies(taken)) => {
                client.with(|client| {
                    let asked = place.asked(client, hits);
                    taken.into_iter().flatten().for_each(|policy| policy.give_back(&asked));
                });
                self.decide_held(Held::Policy { policy, rule, client, hits: 0 }, place)
            }
            _ => self.decide_held(held, place),
        }
    }
}

impl<'l> Place<'l> {
    fn asked<'a>(self, client: &'a [u8], cost: u32) -> Asked<'a>
    where
        'l: 'a,
    {
        let Self { limiter, core, now_nanos, note } = self;
        Asked { limiter, core, client, cost, now_nanos, note }
    }
}

impl Rule {
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

/// What a policy's answer is to Envoy, asked by a rule or by its own name.
fn of_policy<'s>(
    rule: Option<&'s Rule>,
    policy: &'s Policy,
    answer: &Answer<'s>,
    hits: u32,
) -> DescriptorAnswer<'s> {
    let rate = in_units(policy.settings.client.rate_per_s);
    let settings = rule.map(|rule| &rule.settings);
    let dry_run = settings.is_some_and(|settings| settings.dry_run);
    let own_name = settings.and_then(|settings| settings.name.as_deref());
    DescriptorAnswer {
        code: DescriptorCode::new(!answer.allowed && !dry_run),
        limit: answer.state.map(|state| DescriptorLimit { rate, name: own_name.or(Some(state.name())) }),
        remaining: answer.state.map_or(u32::MAX, |state| shown(state.remaining)),
        burst: answer.state.map_or(0, |state| state.limit),
        reset_after_nanos: answer.state.map_or(0, |state| state.reset_after_nanos),
        retry_after_nanos: answer.state.and_then(|state| retry_after(state.verdict)),
        would_deny: answer.result() == "would_deny" || (!answer.allowed && dry_run),
        is_quota: settings.is_some_and(|settings| settings.is_quota),
        learns: learns(policy, answer),
        taken: taken(answer, hits),
    }
}

fn learns(policy: &Policy, answer: &Answer<'_>) -> Learns {
    let own = answer.states.iter().find(|state| state.policy.id == policy.id);
    own.map_or(Learns::Nothing, |state| state.learns)
}

fn retry_after(verdict: Verdict) -> Option<u64> {
    match verdict {
        Verdict::Refused { retry_after_nanos, .. } => {
            Some(retry_after_nanos).filter(|wait| *wait != u64::MAX)
        }
        Verdict::Allowed => None,
    }
}

/// Those that allow, where all do.
fn taken<'s>(answer: &Answer<'s>, hits: u32) -> Taken<'s> {
    if !answer.allowed || hits == 0 {
        return Taken::Nothing;
    }
    let mut all = answer.states.iter().filter(|state| !state.is_refused()).map(|state| state.policy);
    Taken::Policies([all.next(), all.next()])
}

/// The shortest unit in which it is at least one request.
fn in_units(rate_per_s: f64) -> UnitRate {
    let units = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month];
    let of = |unit: Unit| rate_per_s * unit.seconds() as f64;
    let unit = units.into_iter().find(|unit| of(*unit) >= 1.0).unwrap_or(Unit::Year);
    UnitRate { requests_per_unit: of(unit).round() as u32, unit }
}

fn shown(remaining: u64) -> u32 {
    u32::try_from(remaining).unwrap_or(u32::MAX)
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

impl<'s> DescriptorAnswer<'s> {
    fn blocked(limit: DescriptorLimit<'s>, dry_run: bool, is_quota: bool) -> Self {
        Self {
            code: DescriptorCode::new(!dry_run),
            limit: Some(limit),
            remaining: 0,
            burst: 0,
            reset_after_nanos: 0,
            retry_after_nanos: None,
            would_deny: dry_run,
            is_quota,
            learns: Learns::Nothing,
            taken: Taken::Nothing,
        }
    }

    /// Nothing holds the descriptor.
    fn unlimited() -> Self {
        Self {
            code: DescriptorCode::Ok,
            limit: None,
            remaining: u32::MAX,
            burst: 0,
            reset_after_nanos: 0,
            retry_after_nanos: None,
            would_deny: false,
            is_quota: false,
            learns: Learns::Nothing,
            taken: Taken::Nothing,
        }
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
