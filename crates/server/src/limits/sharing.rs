//! Limits of which other replicas give out parts too.

use super::Limits;
use super::adapt::LEARNED;
use super::demand::{Demand, Limit};
use arc_swap::ArcSwap;
use openclaw_admission::shares::{HOT_MAX, Replica, Share, SharedKey};
use openclaw_admission::{
    Adaptation, AdaptivePolicies, ClientBucket, CommonBucket, Note, PolicySet, SetsRates, part,
};
use openclaw_limiter::{
    Ask, CoreId, Decision, Key, Learned, LearnedId, LevelId, Limiter, NoRoom, PolicyId, RefusedBy, Verdict,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What stands for a client's key where a limit is of all clients.
const ALL_CLIENTS: u64 = 1;

#[derive(Debug)]
pub(super) struct Sharing {
    noted: Arc<Noted>,
    in_force: Arc<Rates>,
    learners_max: u32,
}

/// The rates of clients: what their shares make of them.
#[derive(Debug, Default)]
struct Rates(Mutex<InForce>);

impl Rates {
    fn lock(&self) -> MutexGuard<'_, InForce> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SetsRates for Rates {
    fn put(&self, limiter: &Limiter, client: &Learned, now_nanos: u64) {
        self.lock().put_line(limiter, client.id, client.policy, client.key, now_nanos);
    }

    fn lines(&self) -> u32 {
        self.lock().of.len() as u32
    }

    fn forget(&self, limiter: &Limiter, client: &Learned, now_nanos: u64) -> bool {
        let in_force = self.lock();
        let key = in_force.key(Limit::Client(client.policy, client.key));
        let is_hot = key.is_some_and(|key| in_force.of.contains_key(&key));
        !is_hot && limiter.forget(client.id, now_nanos)
    }
}

/// What decisions leave behind, on their way.
#[derive(Debug)]
struct Noted {
    demand: Demand,
    /// The buckets around each policy's clients.
    within: ArcSwap<Vec<[Option<LevelId>; 2]>>,
}

/// The shares that are in force, and of what.
#[derive(Debug, Default)]
pub(super) struct InForce {
    most: Share,
    of: BTreeMap<SharedKey, Share>,
    /// Clients whose share is not in force yet: all lines were taken.
    without_line: BTreeSet<SharedKey>,
    common: HashMap<LevelId, CommonBucket>,
    common_scopes: HashMap<u64, LevelId>,
    clients: HashMap<PolicyId, ClientBucket>,
    client_scopes: HashMap<u64, PolicyId>,
}

/// What was asked of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AskedOf {
    pub(crate) key: SharedKey,
    pub(crate) tokens_per_s: f64,
    pub(crate) is_pressed: bool,
}

impl AskedOf {
    /// Of one client's limit.
    pub(crate) fn is_of_client(&self) -> bool {
        self.key.0 as u64 != ALL_CLIENTS
    }
}

impl Note for Noted {
    fn decided(&self, core: CoreId, ask: &Ask, decision: &Decision) {
        let core = usize::from(core.0);
        let refused_by = match decision.verdict {
            Verdict::Allowed => None,
            Verdict::Refused { by, .. } => Some(by),
        };
        if matches!(refused_by, None | Some(RefusedBy::Client)) {
            let is_pressed = refused_by.is_some() || decision.remaining() * 2 < decision.rate.burst();
            self.demand.saw(core, Limit::Client(ask.policy, ask.key), ask.cost, is_pressed);
        }
        if matches!(refused_by, None | Some(RefusedBy::Level(_)))
            && let Some(within) = self.within.load().get(usize::from(ask.policy.0))
        {
            for level in within.iter().flatten() {
                let is_pressed = refused_by == Some(RefusedBy::Level(*level));
                self.demand.saw(core, Limit::Common(*level), ask.cost, is_pressed);
            }
        }
    }
}

impl Sharing {
    fn new(cores: usize, learners_max: u32) -> Self {
        let noted = Noted { demand: Demand::new(cores), within: ArcSwap::default() };
        Self { noted: Arc::new(noted), in_force: Arc::default(), learners_max }
    }

    pub(super) fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock()
    }

    /// Sets rates beside what is learned.
    pub(super) fn stand_beside(&self, policies: &mut AdaptivePolicies) {
        policies.set_beside(Arc::clone(&self.in_force) as Arc<dyn SetsRates>, self.learners_max);
    }

    /// Learns what limits there are now.
    pub(super) fn follow<'s>(
        &self,
        in_force: &mut InForce,
        sets: impl Iterator<Item = &'s PolicySet> + Clone,
    ) {
        let common = sets.clone().flat_map(PolicySet::common_buckets);
        in_force.common = common.map(|bucket| (bucket.id, bucket)).collect();
        in_force.common_scopes = in_force.common.values().map(|bucket| (bucket.scope, bucket.id)).collect();
        in_force.clients =
            sets.flat_map(PolicySet::client_buckets).map(|bucket| (bucket.id, bucket)).collect();
        in_force.client_scopes = in_force.clients.values().map(|bucket| (bucket.scope, bucket.id)).collect();
        let last = in_force.clients.keys().map(|id| usize::from(id.0)).max().unwrap_or_default();
        let mut within = vec![[None, None]; last + 1];
        in_force.clients.values().for_each(|bucket| within[usize::from(bucket.id.0)] = bucket.within);
        self.noted.within.store(Arc::new(within));
    }
}

impl InForce {
    /// Of all that isn't hot.
    pub(super) fn most(&self) -> Share {
        self.most
    }

    /// A bucket whose share moves.
    fn moving(&self, policy: PolicyId) -> Option<&ClientBucket> {
        self.clients.get(&policy).filter(|bucket| bucket.adaptation != Adaptation::On)
    }

    fn share(&self, key: SharedKey) -> Share {
        self.of.get(&key).copied().unwrap_or(self.most)
    }

    /// Of a level, or of what has no level.
    fn share_of(&self, level: Option<LevelId>) -> Share {
        let bucket = level.and_then(|level| self.common.get(&level));
        bucket.map_or(self.most, |bucket| self.share(common_key(bucket)))
    }

    /// What it is called by all replicas.
    fn key(&self, limit: Limit) -> Option<SharedKey> {
        match limit {
            Limit::Client(policy, key) => {
                self.moving(policy).map(|bucket| shared_key(bucket.scope, key.word()))
            }
            Limit::Common(level) => self.common.get(&level).map(common_key),
        }
    }

    /// A limit of all clients is followed whether it is pressed or not.
    fn is_half_used(&self, limit: Limit, tokens_per_s: f64) -> bool {
        let Limit::Common(level) = limit else { return false };
        let Some(bucket) = self.common.get(&level) else { return false };
        let share = self.share(common_key(bucket));
        tokens_per_s * 2.0 > share.of_rate(bucket.rate.tokens_per_s())
    }

    fn put(&mut self, limiter: &Limiter, key: SharedKey, now_nanos: u64) {
        let (scope, of_client) = ((key.0 >> 64) as u64, key.0 as u64);
        if of_client != ALL_CLIENTS {
            match self.put_client(limiter, key, scope, Key::of_word(of_client), now_nanos) {
                Ok(()) => self.without_line.remove(&key),
                Err(NoRoom) => self.without_line.insert(key),
            };
            return;
        }
        if let Some(bucket) = self.common_scopes.get(&scope).and_then(|level| self.common.get(level)) {
            limiter.set_level(bucket.id, part(bucket.rate, self.share(key)), now_nanos);
        }
    }

    fn put_client(
        &self,
        limiter: &Limiter,
        key: SharedKey,
        scope: u64,
        client: Key,
        now_nanos: u64,
    ) -> Result<(), NoRoom> {
        let Some(bucket) = self.client_scopes.get(&scope).and_then(|policy| self.moving(*policy)) else {
            return Ok(());
        };
        let rate = part(bucket.rate, self.share(key));
        if self.of.contains_key(&key) {
            return limiter.learn(bucket.id, client, rate, now_nanos).map(drop);
        }
        let known = limiter.peek(Ask { policy: bucket.id, key: client, cost: 0 }, now_nanos).learned;
        let Some(line) = known else { return Ok(()) };
        if bucket.adaptation == Adaptation::Off {
            limiter.forget(line, now_nanos);
        } else {
            limiter.set_learned_rate(line, bucket.id, client, rate, now_nanos);
        }
        Ok(())
    }

    fn put_line(&self, limiter: &Limiter, line: LearnedId, policy: PolicyId, client: Key, now_nanos: u64) {
        if let Some(bucket) = self.moving(policy) {
            let rate = part(bucket.rate, self.share(shared_key(bucket.scope, client.word())));
            limiter.set_learned_rate(line, policy, client, rate, now_nanos);
        }
    }

    /// Of clients whose lines hold a rate of their own.
    fn put_lines(&self, limiter: &Limiter, now_nanos: u64) {
        for (line, policy, client) in limiter.lines(0..u32::MAX) {
            self.put_line(limiter, line, policy, client, now_nanos);
        }
    }
}

fn shared_key(scope: u64, of_client: u64) -> SharedKey {
    SharedKey((u128::from(scope) << 64) | u128::from(of_client))
}

fn common_key(bucket: &CommonBucket) -> SharedKey {
    shared_key(bucket.scope, ALL_CLIENTS)
}

impl Limits {
    /// With other replicas: nothing may be given out before
    /// [`Limits::put_shares`] says how much.
    pub(crate) fn shared(self) -> Self {
        self.shared_beside(LEARNED)
    }

    /// Beside so many clients that learn: they never take the lines of shares.
    pub(super) fn shared_beside(mut self, learners_max: u32) -> Self {
        self.sharing = Some(Sharing::new(self.cores, learners_max));
        self.limiter = self.limiter.with_learned(learners_max + HOT_MAX as u32);
        self
    }

    /// The same shares of what limits there are now.
    pub(super) fn follow<'s>(
        &self,
        in_force: &mut InForce,
        sets: impl Iterator<Item = &'s PolicySet> + Clone,
        now_nanos: u64,
    ) {
        let Some(sharing) = &self.sharing else { return };
        sharing.follow(in_force, sets);
        let hot: Vec<_> = in_force.of.keys().copied().collect();
        hot.into_iter().for_each(|key| in_force.put(&self.limiter, key, now_nanos));
    }

    pub(super) fn noted(&self, policies: PolicySet) -> PolicySet {
        match &self.sharing {
            Some(sharing) => policies.noted_by(Arc::clone(&sharing.noted) as Arc<dyn Note>),
            None => policies,
        }
    }

    pub(super) fn put_in_force(&self, policies: &PolicySet, in_force: Option<&InForce>, now_nanos: u64) {
        match in_force {
            Some(in_force) => {
                policies.install_shares(&self.limiter, &|level| in_force.share_of(level), now_nanos);
            }
            None => policies.install(&self.limiter, now_nanos),
        }
    }

    /// What was asked since the last time, by all replicas' names.
    pub(crate) fn asked(&self, elapsed_s: f64) -> Vec<AskedOf> {
        let Some(sharing) = &self.sharing else { return Vec::new() };
        let in_force = sharing.in_force();
        let asked = sharing.noted.demand.drain().into_iter().filter_map(|(limit, asked)| {
            let tokens_per_s = asked.tokens as f64 / elapsed_s;
            let is_pressed = asked.is_pressed || in_force.is_half_used(limit, tokens_per_s);
            Some(AskedOf { key: in_force.key(limit)?, tokens_per_s, is_pressed })
        });
        asked.collect()
    }

    /// Puts the shares that this replica holds in force; what clients have left
    /// stays, up to what their share holds.
    pub(crate) fn put_shares(&self, replica: &Replica) {
        let Some(sharing) = &self.sharing else { return };
        let mut in_force = sharing.in_force();
        let now_nanos = self.now_nanos();
        let of: BTreeMap<_, _> = replica.hot().collect();
        let before = std::mem::replace(&mut in_force.of, of);
        let is_new_most = in_force.most != replica.share_of_most();
        in_force.most = replica.share_of_most();
        if is_new_most {
            for tenant in self.tenants.load().values() {
                self.put_in_force(&tenant.policies, Some(&in_force), now_nanos);
            }
            in_force.put_lines(&self.limiter, now_nanos);
            self.install_adaptive(Some(&in_force));
        }
        let gone = before.keys().filter(|key| !in_force.of.contains_key(key));
        let changed = in_force.of.iter().filter(|(key, share)| before.get(key) != Some(share));
        let again = &in_force.without_line;
        let changed: Vec<_> = gone.chain(changed.map(|(key, _)| key)).chain(again).copied().collect();
        changed.into_iter().for_each(|key| in_force.put(&self.limiter, key, now_nanos));
    }
}
