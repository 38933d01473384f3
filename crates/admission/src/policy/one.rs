//! One policy: its bucket and its quotas.

use super::decide::{Asked, Learns, PolicyState, Shown};
use super::quota::{Quota, QuotaState};
use super::settings::{Adaptation, Holder, PolicySettings};
use super::shared::{ClientBucket, CommonBucket, ShareOf, part};
use super::{Numbers, rate};
use crate::Candidate;
use openclaw_limiter::{
    self as limiter, Adaptive, Ask, Common, Decision, Key, LevelId, Limiter, PolicyId, Rate, RefusedBy,
    Verdict,
};

/// One policy in force.
#[derive(Debug)]
pub struct Policy {
    /// What the settings say.
    pub settings: PolicySettings,
    /// Its number in the limiter.
    pub id: PolicyId,
    /// What its clients' keys are hashed with; the same after every start.
    pub scope: u64,
    quotas: Vec<Quota>,
    /// The bucket that all its clients share.
    total: Option<LevelId>,
    /// What all the tenant's clients have in common where what they learn is in
    /// force.
    common: Option<LevelId>,
}

impl Policy {
    pub(super) fn new(settings: &PolicySettings, numbers: &mut impl Numbers) -> Self {
        let (id, scope) = numbers.policy(&settings.name);
        let quotas = settings.quotas.iter().map(|quota| Quota::new(quota, &settings.name, numbers));
        let is_enforced = settings.adaptation == Adaptation::On && settings.per == Holder::Client;
        Self {
            quotas: quotas.collect(),
            common: is_enforced.then(|| numbers.backend_level()),
            total: settings.total.is_some().then(|| numbers.policy_level(&settings.name)),
            settings: settings.clone(),
            id,
            scope,
        }
    }

    /// Its quotas, in order.
    #[must_use]
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// Whether its clients learn limits of their own.
    #[must_use]
    pub fn is_adaptive(&self) -> bool {
        self.settings.adaptation != Adaptation::Off && self.settings.per == Holder::Client
    }

    fn learns(&self, key: Key, decision: &Decision) -> Learns {
        match decision.learned {
            _ if !self.is_adaptive() => Learns::Nothing,
            None => Learns::Candidate(Candidate { policy: self.id, key }),
            Some(_) if self.settings.adaptation == Adaptation::On => Learns::Enforced,
            Some(_) => Learns::Advised,
        }
    }

    /// Whether every request meets it and it counts: then a bucket around it
    /// sees all of the tenant's requests.
    pub(super) fn is_for_all(&self) -> bool {
        let settings = &self.settings;
        settings.when.are_none() && settings.exempt.is_empty() && settings.cost == 1 && !settings.dry_run
    }

    /// Puts it in force; what its clients have left stays.
    pub(super) fn install(
        &self,
        limiter: &Limiter,
        around: Option<LevelId>,
        share_of: ShareOf<'_>,
        now_nanos: u64,
    ) {
        if let Some((level, total)) = self.total.zip(self.settings.total) {
            limiter.set_level(level, part(rate(total), share_of(Some(level))), now_nanos);
        }
        let within = [self.total, around];
        let buckets = [self.settings.client, self.settings.floor];
        let [client, floor] = buckets.map(|whole| part(rate(whole), share_of(None)));
        limiter.set_policy(self.id, limiter::Policy { rate: client, within }, now_nanos);
        limiter.set_adaptive(self.id, self.is_adaptive().then(|| self.adaptive(floor)));
        self.quotas.iter().for_each(|quota| quota.install(share_of(None)));
    }

    /// Of the floor, what a client can take within a second.
    fn adaptive(&self, floor: Rate) -> Adaptive {
        let tokens = floor.burst() as f64 + floor.tokens_per_s();
        let common = self.common.map(|level| Common { level, floor: tokens as u32 });
        Adaptive { slo_ms: self.settings.slo_ms, common }
    }

    pub(super) fn common_level(&self) -> Option<LevelId> {
        self.common
    }

    pub(super) fn client_bucket(&self, around: Option<LevelId>) -> ClientBucket {
        let within = [self.total, around];
        ClientBucket {
            id: self.id,
            scope: self.scope,
            rate: rate(self.settings.client),
            within,
            adaptation: if self.is_adaptive() { self.settings.adaptation } else { Adaptation::Off },
        }
    }

    pub(super) fn common_bucket(&self) -> Option<CommonBucket> {
        let (id, total) = self.total.zip(self.settings.total)?;
        Some(CommonBucket { id, scope: self.scope, rate: rate(total) })
    }

    fn client<'r>(&self, asked: &Asked<'r>) -> &'r [u8] {
        match self.settings.per {
            Holder::Client => asked.client,
            Holder::Tenant => b"",
        }
    }

    fn cost(&self, asked: &Asked<'_>) -> u32 {
        asked.cost.saturating_mul(self.settings.cost)
    }

    fn question(&self, asked: &Asked<'_>) -> Ask {
        let key = asked.limiter.key(self.scope, self.client(asked));
        Ask { policy: self.id, key, cost: self.cost(asked) }
    }

    /// Takes tokens of the bucket and of all quotas, or of none.
    pub(super) fn take(&self, asked: &Asked<'_>) -> PolicyState<'_> {
        let ask = self.question(asked);
        let mut state = self.of_bucket(ask.key, &asked.decide(ask, asked.now_nanos));
        let learns = state.learns;
        for (at, quota) in self.quotas.iter().enumerate() {
            let was_refused = state.is_refused();
            let counted = match was_refused {
                true => quota.peek(asked, self.client(asked), ask.cost),
                false => quota.take(asked, self.client(asked), ask.cost),
            };
            if !counted.allowed && !was_refused {
                self.give_back_first(at, asked);
            }
            state = state.nearer(self.of_quota(quota, &counted));
        }
        PolicyState { learns, ..state }
    }

    /// What [`Policy::take`] would say.
    pub(super) fn peek(&self, asked: &Asked<'_>) -> PolicyState<'_> {
        let ask = self.question(asked);
        let bucket = self.of_bucket(ask.key, &asked.limiter.peek(ask, asked.now_nanos));
        self.quotas.iter().fold(bucket, |state, quota| {
            let counted = quota.peek(asked, self.client(asked), ask.cost);
            state.nearer(self.of_quota(quota, &counted))
        })
    }

    /// Puts back what was taken at the same time.
    pub(super) fn give_back(&self, asked: &Asked<'_>) {
        self.give_back_first(self.quotas.len(), asked);
    }

    /// To the bucket, and to the first `quotas`.
    fn give_back_first(&self, quotas: usize, asked: &Asked<'_>) {
        self.settle_first(quotas, asked, -i64::from(self.cost(asked)));
    }

    /// Takes `more` tokens whether they are there or not, or gives as many back.
    pub(super) fn settle(&self, asked: &Asked<'_>, more: i64) {
        if !self.settings.exempt.holds(asked.client) {
            let more = more.saturating_mul(i64::from(self.settings.cost));
            self.settle_first(self.quotas.len(), asked, more);
        }
    }

    fn settle_first(&self, quotas: usize, asked: &Asked<'_>, more: i64) {
        let ask = self.question(asked);
        asked.limiter.settle(asked.core, ask.policy, ask.key, more, asked.now_nanos);
        for quota in &self.quotas[..quotas] {
            quota.settle(asked, self.client(asked), more);
        }
    }

    /// Refuses whatever is left.
    pub(super) fn denying(&self) -> PolicyState<'_> {
        PolicyState {
            policy: self,
            learns: Learns::Nothing,
            shown: Shown::DenyList,
            verdict: Verdict::Refused { by: RefusedBy::Client, retry_after_nanos: u64::MAX },
            limit: 0,
            remaining: 0,
            reset_after_nanos: 0,
        }
    }

    fn of_bucket(&self, key: Key, decision: &Decision) -> PolicyState<'_> {
        PolicyState {
            policy: self,
            learns: self.learns(key, decision),
            shown: Shown::Bucket,
            verdict: decision.verdict,
            limit: decision.rate.burst(),
            remaining: decision.remaining(),
            reset_after_nanos: decision.reset_after_nanos(),
        }
    }

    fn of_quota<'s>(&'s self, quota: &'s Quota, state: &QuotaState) -> PolicyState<'s> {
        let retry_after_nanos = if state.is_never { u64::MAX } else { state.reset_after_nanos };
        let verdict = match state.allowed {
            true => Verdict::Allowed,
            false => Verdict::Refused { by: RefusedBy::Client, retry_after_nanos },
        };
        PolicyState {
            policy: self,
            learns: Learns::Nothing,
            shown: Shown::Quota(quota),
            verdict,
            limit: u64::from(quota.settings().limit),
            remaining: state.remaining,
            reset_after_nanos: state.reset_after_nanos,
        }
    }
}
