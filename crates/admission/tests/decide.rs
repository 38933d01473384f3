//! Decisions beside a model that counts as a child would.

use openclaw_admission::{
    ClientList, Conditions, Holder, LimitSettings, Numbers, PathPattern, Period, PolicySet, PolicySettings,
    QuotaSettings, RateSettings, Request,
};
use openclaw_limiter::{CoreId, LevelId, Limiter, PolicyId, Rate, Seed, Sizes, Verdict};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

const CORE: CoreId = CoreId(0);
const SECOND: u64 = 1_000_000_000;
/// A Thursday.
const START: u64 = 20_412 * 86_400 * SECOND;

#[derive(Default)]
struct Counted {
    policies: u16,
    levels: u32,
}

impl Numbers for Counted {
    fn policy(&mut self, _: &Arc<str>) -> (PolicyId, u64) {
        self.policies += 1;
        (PolicyId(self.policies), u64::from(self.policies) << 20)
    }

    fn policy_level(&mut self, _: &Arc<str>) -> LevelId {
        self.levels += 1;
        LevelId(self.levels)
    }

    fn tenant_level(&mut self) -> LevelId {
        LevelId(0)
    }

    fn backend_level(&mut self) -> LevelId {
        LevelId(63)
    }
}

fn limiter() -> Limiter {
    let sizes = Sizes { clients: 1 << 14, policies: 256, levels: 64, cores: 1 };
    Limiter::new(sizes, Seed::new([7; 16]))
}

fn installed(settings: &LimitSettings) -> (PolicySet, Limiter) {
    let limiter = limiter();
    let set = PolicySet::new(settings, &mut Counted::default());
    set.install(&limiter, START);
    (set, limiter)
}

/// A bucket's tokens in exact integers.
#[derive(Clone, Copy)]
struct Slow {
    level: u128,
    last: u64,
}

impl Slow {
    fn now(&mut self, settings: RateSettings, now: u64) -> u128 {
        let rate = Rate::new(settings.rate_per_s, settings.burst);
        let full = u128::from(rate.nanos_per_token()) * u128::from(rate.burst());
        self.level = self.level.saturating_add(u128::from(now - self.last)).min(full);
        self.last = now;
        self.level / u128::from(rate.nanos_per_token())
    }

    fn take(&mut self, settings: RateSettings, cost: u128) {
        let rate = Rate::new(settings.rate_per_s, settings.burst);
        self.level -= u128::from(rate.nanos_per_token()) * cost;
    }
}

/// Who holds tokens: a policy's name, what for, and the client or nobody.
type Holds = (Arc<str>, &'static str, Vec<u8>);

#[derive(Default, Clone)]
struct Model {
    buckets: HashMap<Holds, Slow>,
    /// By period's number too.
    quotas: HashMap<(Holds, u64), u128>,
}

struct Judged {
    allowed: bool,
    /// By policy that was met: whether it alone refuses.
    refuses: Vec<(Arc<str>, bool)>,
}

impl Judged {
    fn result(&self, settings: &LimitSettings) -> &'static str {
        let dry = |name: &str| settings.policies.iter().any(|policy| *policy.name == *name && policy.dry_run);
        match self.refuses.iter().any(|(name, refuses)| *refuses && dry(name)) {
            _ if !self.allowed => "deny",
            true => "would_deny",
            false => "allow",
        }
    }
}

impl Model {
    fn bucket(&mut self, of: Holds) -> &mut Slow {
        self.buckets.entry(of).or_insert(Slow { level: u128::MAX, last: START })
    }

    /// The buckets of a policy for a client, with their rates.
    fn buckets(policy: &PolicySettings, client: &[u8]) -> Vec<(Holds, RateSettings)> {
        let own = if policy.per == Holder::Client { client.to_vec() } else { Vec::new() };
        let mut all = vec![((policy.name.clone(), "own", own), policy.client)];
        all.extend(policy.total.map(|total| ((policy.name.clone(), "total", Vec::new()), total)));
        all
    }

    fn quotas(policy: &PolicySettings, client: &[u8], now: u64) -> Vec<((Holds, u64), u128)> {
        let own = if policy.per == Holder::Client { client.to_vec() } else { Vec::new() };
        let all = policy.quotas.iter().map(|quota| {
            let (word, number) = period(quota.per, now);
            (((policy.name.clone(), word, own.clone()), number), u128::from(quota.limit))
        });
        all.collect()
    }

    fn allows(&mut self, policy: &PolicySettings, client: &[u8], cost: u128, now: u64) -> bool {
        let buckets = Self::buckets(policy, client);
        let quotas = Self::quotas(policy, client, now);
        let in_buckets = buckets.into_iter().all(|(of, rate)| self.bucket(of).now(rate, now) >= cost);
        let in_quotas =
            quotas.into_iter().all(|(of, limit)| self.quotas.get(&of).copied().unwrap_or(0) + cost <= limit);
        in_buckets && in_quotas
    }

    fn take(&mut self, policy: &PolicySettings, client: &[u8], cost: u128, now: u64) {
        for (of, rate) in Self::buckets(policy, client) {
            self.bucket(of).take(rate, cost);
        }
        for (of, _) in Self::quotas(policy, client, now) {
            *self.quotas.entry(of).or_default() += cost;
        }
    }

    fn decide(&mut self, settings: &LimitSettings, request: &Request<'_>, now: u64) -> Judged {
        if settings.exempt.holds(request.client) {
            return Judged { allowed: true, refuses: Vec::new() };
        }
        let plan = settings.plans.iter().find(|(_, clients)| clients.holds(request.client));
        let plan = if request.plan.is_empty() { plan.map_or("", |(plan, _)| plan) } else { request.plan };
        let is_met = |policy: &&PolicySettings| {
            let when = &policy.when;
            (when.plans.is_empty() || when.plans.iter().any(|known| **known == *plan))
                && (when.methods.is_empty() || when.methods.iter().any(|known| **known == *request.method))
                && (when.paths.is_empty() || when.paths.iter().any(|path| path.matches(request.path)))
        };
        let mut met: Vec<PolicySettings> = match request.policy {
            Some(name) => settings.policies.iter().filter(|policy| *policy.name == *name).cloned().collect(),
            None => settings.policies.iter().filter(is_met).take(8).cloned().collect(),
        };
        met.extend(settings.total.map(|total| PolicySettings {
            client: total,
            per: Holder::Tenant,
            ..PolicySettings::new("total")
        }));
        met.retain(|policy| !policy.exempt.holds(request.client));
        let is_denied = settings.deny.holds(request.client);
        let cost = |policy: &PolicySettings| u128::from(request.cost) * u128::from(policy.cost);
        let refuses: Vec<_> = met
            .iter()
            .map(|policy| {
                let denied = is_denied || policy.deny.holds(request.client);
                (policy.name.clone(), denied || !self.allows(policy, request.client, cost(policy), now))
            })
            .collect();
        let counts = |(policy, (_, refuses)): (&PolicySettings, &(_, bool))| *refuses && !policy.dry_run;
        let allowed = !is_denied && !met.iter().zip(&refuses).any(counts);
        for (policy, _) in met.iter().zip(&refuses).filter(|(_, (_, refuses))| allowed && !refuses) {
            self.take(policy, request.client, cost(policy), now);
        }
        Judged { allowed, refuses }
    }
}

/// In UTC, where all days are alike.
fn period(per: Period, now: u64) -> (&'static str, u64) {
    let days = now / SECOND / 86_400;
    match per {
        Period::Hour => ("hour", now / SECOND / 3600),
        Period::Day => ("day", days),
        Period::Week => ("week", (days + 3) / 7),
        Period::Month => unreachable!("not asked for"),
    }
}

fn rates() -> impl Strategy<Value = RateSettings> {
    let per_s = prop::sample::select(vec![0.1, 1.0, 3.0, 10.0, 250.0]);
    (per_s, prop_oneof![2 => 1_u32..12, 1 => Just(100_000)])
        .prop_map(|(rate_per_s, burst)| RateSettings { rate_per_s, burst })
}

fn clients() -> impl Strategy<Value = ClientList> {
    let pattern = prop::sample::select(vec!["a", "b", "bot-*", "10.0.0.0/8", "c"]);
    prop::collection::vec(pattern, 0..2).prop_map(|patterns| {
        let mut list = ClientList::default();
        patterns.into_iter().for_each(|pattern| list.add(pattern).unwrap());
        list
    })
}

/// Nobody, mostly.
fn few() -> impl Strategy<Value = ClientList> {
    prop_oneof![4 => Just(ClientList::default()), 1 => clients()]
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let some = |words: &'static [&'static str]| prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(prop::sample::select(words), 1..3)];
    (some(&["/v1/**", "/v1/*", "/login"]), some(&["GET", "POST"]), some(&["gold", "free"])).prop_map(
        |(paths, methods, plans)| Conditions {
            paths: paths.into_iter().map(|path| PathPattern::new(path).unwrap()).collect(),
            methods: methods.into_iter().map(Into::into).collect(),
            plans: plans.into_iter().map(Into::into).collect(),
        },
    )
}

fn quotas() -> impl Strategy<Value = Vec<QuotaSettings>> {
    let quota = |per| {
        let limit = prop::option::of(1_u32..30);
        limit.prop_map(move |limit| {
            limit.map(|limit| QuotaSettings { limit, per, zone: jiff::tz::TimeZone::UTC })
        })
    };
    let some = (quota(Period::Hour), quota(Period::Day), quota(Period::Week));
    prop_oneof![
        1 => Just(Vec::new()),
        1 => some.prop_map(|(hour, day, week)| [hour, day, week].into_iter().flatten().collect()),
    ]
}

fn policies() -> impl Strategy<Value = PolicySettings> {
    let lists = (few(), few());
    let what = (rates(), prop::option::of(rates()), quotas(), 1_u32..4);
    (conditions(), lists, what, any::<bool>(), prop::bool::weighted(0.25)).prop_map(
        |(when, (exempt, deny), (client, total, quotas, cost), is_shared, dry_run)| PolicySettings {
            when,
            exempt,
            deny,
            client,
            total,
            quotas,
            cost,
            per: if is_shared { Holder::Tenant } else { Holder::Client },
            dry_run,
            ..PolicySettings::new("")
        },
    )
}

fn settings() -> impl Strategy<Value = LimitSettings> {
    let policies =
        prop_oneof![prop::collection::vec(policies(), 0..3), prop::collection::vec(policies(), 0..11)];
    (policies, prop::option::of(rates()), few(), few(), clients(), clients()).prop_map(
        |(mut policies, total, exempt, deny, gold, free)| {
            for (at, policy) in policies.iter_mut().enumerate() {
                policy.name = format!("p{at}").into();
            }
            let plans = vec![("gold".into(), gold), ("free".into(), free)];
            LimitSettings { policies, total, exempt, deny, plans, ..LimitSettings::none() }
        },
    )
}

#[derive(Debug, Clone)]
struct Step {
    wait: u64,
    client: &'static str,
    policy: Option<usize>,
    path: &'static str,
    method: &'static str,
    plan: &'static str,
    cost: u32,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![
        6 => 0..SECOND,
        2 => 0..20 * SECOND,
        1 => 0..30 * 3600 * SECOND,
    ];
    let client = prop::sample::select(vec!["a", "b", "c", "bot-1", "10.2.3.4", "other"]);
    let path = prop::sample::select(vec!["", "/v1/x", "/v1/x/y", "/login", "/z"]);
    let method = prop::sample::select(vec!["", "GET", "POST"]);
    let plan = prop::sample::select(vec!["", "", "gold", "none"]);
    let policy = prop_oneof![4 => Just(None), 1 => (0_usize..11).prop_map(Some)];
    let step = (wait, client, policy, path, method, plan, 0_u32..5).prop_map(
        |(wait, client, policy, path, method, plan, cost)| Step {
            wait,
            client,
            policy,
            path,
            method,
            plan,
            cost,
        },
    );
    prop::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn decides_as_the_slow_model(settings in settings(), steps in steps()) {
        let (set, limiter) = installed(&settings);
        let (mut model, mut now) = (Model::default(), START);
        for step in steps {
            now += step.wait;
            let named = step.policy.and_then(|at| settings.policies.get(at)).map(|policy| &*policy.name);
            let Step { client, path, method, plan, cost, .. } = step;
            let request = Request { client: client.as_bytes(), policy: named, path, method, plan, cost };
            let answer = set.decide(&limiter, CORE, &request, now).unwrap();
            let judged = model.decide(&settings, &request, now);
            let refuses: Vec<_> = answer
                .states
                .iter()
                .map(|state| (state.policy.settings.name.clone(), state.is_refused()))
                .collect();
            // A bucket around the only policy speaks through it.
            if settings.total.is_some() && judged.refuses.len() > refuses.len() {
                let any = judged.refuses.iter().any(|(_, refuses)| *refuses);
                prop_assert_eq!(any, refuses.iter().any(|(_, refuses)| *refuses));
            } else {
                prop_assert_eq!(&judged.refuses, &refuses);
            }
            prop_assert_eq!(answer.allowed, judged.allowed);
            prop_assert_eq!(answer.result(), judged.result(&settings));
            let verdict = answer.state.map(|state| state.verdict);
            if let (false, Some(Verdict::Refused { retry_after_nanos, .. })) = (answer.allowed, verdict)
                && retry_after_nanos < u64::MAX
            {
                let later = now + retry_after_nanos;
                prop_assert!(!model.clone().decide(&settings, &request, later - 1).allowed, "too long a wait");
                // A client that waits for its own bucket isn't told of the one around it.
                if settings.total.is_none() && settings.policies.iter().all(|policy| policy.total.is_none()) {
                    prop_assert!(model.clone().decide(&settings, &request, later).allowed, "too short a wait");
                }
            }
        }
    }
}
