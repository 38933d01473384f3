//! Limits of which other replicas give out parts too.

use super::Limits;
use super::demand::{Demand, Limit};
use arc_swap::ArcSwap;
use openclaw_admission::shares::{HOT_MAX, Replica, Share, SharedKey};
use openclaw_admission::{ClientBucket, CommonBucket, Note, PolicySet, part};
use openclaw_limiter::{
    Ask, CoreId, Decision, Key, LearnedId, LevelId, Limiter, PolicyId, RefusedBy, Verdict,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What stands for a client's key where a limit is of all clients.
const ALL_CLIENTS: u64 = 1;

#[derive(Debug)]
pub(super) struct Sharing {
    noted: Arc<Noted>,
    in_force: Mutex<InForce>,
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
    common: HashMap<LevelId, CommonBucket>,
    common_scopes: HashMap<u64, LevelId>,
    clients: HashMap<PolicyId, ClientBucket>,
    client_scopes: HashMap<u64, PolicyId>,
    /// Clients with a rate of their own.
    lines: HashMap<SharedKey, LearnedId>,
}

/// What was asked of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AskedOf {
    pub(crate) key: SharedKey,
    pub(crate) tokens_per_s: f64,
    pub(crate) is_pressed: bool,
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
    fn new(cores: usize) -> Self {
        let noted = Noted { demand: Demand::new(cores), within: ArcSwap::default() };
        Self { noted: Arc::new(noted), in_force: Mutex::default() }
    }

    pub(super) fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
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
                self.clients.get(&policy).map(|bucket| shared_key(bucket.scope, key.word()))
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
            return self.put_client(limiter, key, scope, Key::of_word(of_client), now_nanos);
        }
        if let Some(bucket) = self.common_scopes.get(&scope).and_then(|level| self.common.get(level)) {
            limiter.set_level(bucket.id, part(bucket.rate, self.share(key)), now_nanos);
        }
    }

    fn put_client(&mut self, limiter: &Limiter, key: SharedKey, scope: u64, client: Key, now_nanos: u64) {
        let bucket = self.client_scopes.get(&scope).and_then(|policy| self.clients.get(policy));
        let Some(bucket) = bucket.filter(|_| self.of.contains_key(&key)) else {
            if let Some(line) = self.lines.remove(&key) {
                limiter.forget(line, now_nanos);
            }
            return;
        };
        let rate = part(bucket.rate, self.share(key));
        if let Ok(line) = limiter.learn(bucket.id, client, rate, now_nanos) {
            self.lines.insert(key, line);
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
    pub(crate) fn shared(mut self) -> Self {
        self.sharing = Some(Sharing::new(self.cores));
        self.limiter = self.limiter.with_learned(HOT_MAX as u32);
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
        }
        let gone = before.keys().filter(|key| !in_force.of.contains_key(key));
        let changed = in_force.of.iter().filter(|(key, share)| before.get(key) != Some(share));
        let changed: Vec<_> = gone.chain(changed.map(|(key, _)| key)).copied().collect();
        changed.into_iter().for_each(|key| in_force.put(&self.limiter, key, now_nanos));
    }
}
