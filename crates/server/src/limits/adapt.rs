//! The tick in which clients' limits follow what they need, on a thread of its
//! own at low priority.

use super::Limits;
use super::candidates::Queues;
use super::observe::BackendCounts;
use super::record::{Names, PolicyNames};
use super::sharing::InForce;
use crate::clock::Clock;
use arc_swap::ArcSwap;
use openclaw_admission::shares::Share;
use openclaw_admission::{
    Adapter, AdaptivePolicies, AdaptivePolicy, Bounds, ClientView, FEATURES, Learns, Plain, Policy,
    PolicyState, RateSettings, Shown, TenantFigures, TenantIndex, TickProgress,
};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_limiter::{Ask, PolicyId, Rate};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Clients that learn, at a time.
pub(super) const LEARNED: u32 = 1 << 20;
const TICK: Duration = Duration::from_secs(1);
/// A clock that stands is looked at this often.
const LOOK: Duration = Duration::from_millis(250);
/// A clock that runs fast makes no more ticks than this allows.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// What is told of limits that nobody has learned.
const STATIC: &str = "static";

/// What is told of models beside the one that predicts.
#[derive(Debug, Clone, Default)]
pub(crate) struct ModelsTold {
    /// One on its way, and how far it has come.
    pub(crate) candidate: Option<(String, String)>,
    /// The one before.
    pub(crate) previous: Option<String>,
    /// When the running one was made.
    pub(crate) created_at: Option<Timestamp>,
    /// Whether another runs in the place of the one that should.
    pub(crate) is_fallback: bool,
    /// What has become of rollouts since the start, by result.
    pub(crate) rollouts: Vec<(&'static str, u64)>,
}

/// All that is learned, and what it is learned from.
pub(super) struct Adaptation {
    adapter: Mutex<Adapter>,
    table: ArcSwap<Table>,
    numbers: Mutex<HashMap<TenantName, u32>>,
    pub(super) candidates: Queues,
    model: ArcSwap<&'static str>,
    told: ArcSwap<ModelsTold>,
    stop: Mutex<Option<mpsc::Sender<()>>>,
}

/// Whose policies learn, as the settings have it.
#[derive(Debug, Default)]
struct Table {
    policies: AdaptivePolicies,
    tenants: Vec<Option<(TenantName, Arc<BackendCounts>)>>,
    names: PolicyNames,
}

impl Adaptation {
    pub(super) fn new(cores: usize) -> Self {
        let adapter = Adapter::new(Box::new(Plain));
        Self {
            model: ArcSwap::from_pointee(interned(adapter.model())),
            told: ArcSwap::default(),
            adapter: Mutex::new(adapter),
            table: ArcSwap::default(),
            numbers: Mutex::default(),
            candidates: Queues::new(cores),
            stop: Mutex::default(),
        }
    }

    fn adapter(&self) -> MutexGuard<'_, Adapter> {
        self.adapter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tenant keeps its number for life.
    fn number(&self, tenant: &TenantName) -> TenantIndex {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbers.len() as u32;
        TenantIndex(*numbers.entry(tenant.clone()).or_insert(next))
    }
}

impl Table {
    fn add(&mut self, index: TenantIndex, tenant: &super::TenantLimits, share: Share) {
        let at = index.0 as usize;
        if self.tenants.len() <= at {
            self.tenants.resize(at + 1, None);
        }
        self.tenants[at] = Some((tenant.name.clone(), Arc::clone(&tenant.backend)));
        if let Some(level) = tenant.policies.backend_level() {
            self.policies.set_common(index, level);
        }
        for policy in tenant.policies.policies().iter().filter(|policy| policy.is_adaptive()) {
            self.policies.set(policy.id, adaptive(index, policy, share));
            self.names.insert(policy.id, Arc::clone(&policy.settings.name));
        }
    }
}

impl Names for Table {
    fn tenant(&self, tenant: TenantIndex) -> Option<&TenantName> {
        self.tenants.get(tenant.0 as usize)?.as_ref().map(|(name, _)| name)
    }

    fn policy(&self, policy: PolicyId) -> Option<&Arc<str>> {
        self.names.get(&policy)
    }
}

/// What clients need of this replica is learned here alone, between its parts of
/// floor and ceiling.
fn adaptive(tenant: TenantIndex, policy: &Policy, share: Share) -> AdaptivePolicy {
    let settings = &policy.settings;
    let part = |whole: RateSettings| match share {
        Share::WHOLE => whole,
        _ => {
            let (rate_per_s, burst) = (share.of_rate(whole.rate_per_s), share.of_burst(whole.burst));
            RateSettings { rate_per_s, burst }
        }
    };
    AdaptivePolicy {
        tenant,
        is_enforced: settings.adaptation == openclaw_admission::Adaptation::On,
        client: part(settings.client),
        bounds: Bounds {
            headroom: settings.headroom,
            floor: part(settings.floor),
            ceiling: part(settings.ceiling),
        },
        coverage: settings.coverage,
    }
}

impl Limits {
    /// Says anew whose policies learn.
    pub(super) fn install_adaptive(&self, in_force: Option<&InForce>) {
        let mut table = Table::default();
        let share = in_force.map_or(Share::WHOLE, InForce::most);
        for tenant in self.tenants.load().values() {
            table.add(self.adaptation.number(&tenant.name), tenant, share);
        }
        if let Some(sharing) = &self.sharing {
            sharing.stand_beside(&mut table.policies);
        }
        self.adaptation.table.store(Arc::new(table));
    }

    /// Notes a client that might learn.
    #[inline]
    pub(super) fn consider(&self, core: u16, learns: Learns) {
        if let Learns::Candidate(candidate) = learns {
            self.adaptation.candidates.push(usize::from(core), candidate);
        }
    }

    /// What has set the limit that is shown.
    pub(crate) fn model(&self, state: Option<&PolicyState<'_>>) -> &'static str {
        let shown = state.filter(|state| matches!(state.shown, Shown::Bucket));
        self.model_of(shown.map_or(Learns::Nothing, |state| state.learns))
    }

    /// What has set a limit.
    pub(crate) fn model_of(&self, learns: Learns) -> &'static str {
        if learns == Learns::Enforced { self.predictor() } else { STATIC }
    }

    /// One tick of all who learn. Between batches others may go first.
    pub(crate) fn tick(&self) {
        let now_nanos = self.now_nanos();
        let table = self.adaptation.table.load_full();
        let (limiter, policies) = (&self.limiter, &table.policies);
        let candidates = self.adaptation.candidates.drain();
        let mut progress = self.adaptation.adapter().begin(limiter, policies, candidates, now_nanos);
        while self.step(&table, &mut progress) {
            std::thread::yield_now();
        }
        let backend = |index: TenantIndex| {
            let tenant = table.tenants.get(index.0 as usize).and_then(Option::as_ref);
            tenant.map(|(_, backend)| backend.take()).unwrap_or_default()
        };
        self.adaptation.adapter().finish(limiter, policies, backend, now_nanos);
    }

    /// One batch; tells whether there are more.
    fn step(&self, table: &Table, progress: &mut TickProgress) -> bool {
        let mut adapter = self.adaptation.adapter();
        let is_more = adapter.step(&self.limiter, &table.policies, progress);
        self.record_windows(adapter.ended(), table);
        is_more
    }

    /// Ticks until the limits are dropped.
    ///
    /// # Errors
    /// Where there can be no further thread.
    pub(crate) fn keep_adapting(self: &Arc<Self>) -> io::Result<()> {
        let (stop, stopped) = mpsc::channel();
        *self.adaptation.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
        let (limits, clock) = (Arc::downgrade(self), Arc::clone(&self.clock));
        std::thread::Builder::new().name("adapt".into()).spawn(move || run(&limits, &clock, &stopped))?;
        Ok(())
    }

    /// What is told of tenants' learned limits.
    pub(crate) fn adapted(&self, mut each: impl FnMut(&TenantName, &TenantFigures)) {
        let table = self.adaptation.table.load();
        let adapter = self.adaptation.adapter();
        for (index, tenant) in table.tenants.iter().enumerate() {
            if let Some((name, _)) = tenant {
                each(name, &adapter.tenant(TenantIndex(index as u32)));
            }
        }
    }

    /// What predicts.
    pub(crate) fn predictor(&self) -> &'static str {
        **self.adaptation.model.load()
    }

    /// Changes models, between two batches of clients.
    pub(crate) fn with_adapter<T>(&self, change: impl FnOnce(&mut Adapter) -> T) -> T {
        let mut adapter = self.adaptation.adapter();
        let done = change(&mut adapter);
        if adapter.model() != self.predictor() {
            self.adaptation.model.store(Arc::new(interned(adapter.model())));
        }
        done
    }

    /// Says what is told of models.
    pub(crate) fn tell_models(&self, told: ModelsTold) {
        self.adaptation.told.store(Arc::new(told));
    }

    /// What is told of models, and how far each feature has drifted.
    pub(crate) fn models_told(&self) -> (Arc<ModelsTold>, Option<[f64; FEATURES]>) {
        (self.adaptation.told.load_full(), self.adaptation.adapter().drift())
    }

    /// Candidates that found no room.
    pub(crate) fn without_room(&self) -> u64 {
        self.adaptation.adapter().without_room()
    }

    /// One client under one policy: the limit in force, what is left, and what
    /// is known where it learns.
    pub(crate) fn client(&self, policy: &Policy, client: &[u8], now_nanos: u64) -> ClientLimits {
        let key = self.limiter.key(policy.scope, client);
        let decision = self.limiter.peek(Ask { policy: policy.id, key, cost: 0 }, now_nanos);
        let view = decision.learned.zip(self.adaptive_policy(policy.id));
        ClientLimits {
            rate: decision.rate,
            remaining: decision.remaining(),
            learned: view.and_then(|(id, policy)| self.adaptation.adapter().client(id, &policy)),
        }
    }

    pub(super) fn adaptive_policy(&self, id: PolicyId) -> Option<AdaptivePolicy> {
        self.adaptation.table.load().policies.get(id).copied()
    }
}

/// One client under one policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientLimits {
    pub(crate) rate: Rate,
    pub(crate) remaining: u64,
    pub(crate) learned: Option<ClientView>,
}

/// A model's name for the life of the process, so that a decision says it for
/// nothing: some twenty bytes for each that ever ran in it, one a night.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.into());
    names.insert(kept);
    kept
}

fn run(limits: &Weak<Limits>, clock: &Clock, stopped: &mpsc::Receiver<()>) {
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "limits are adapted at the usual priority");
    }
    let mut next = clock.now().plus(TICK);
    loop {
        let pause = clock.until(next).clamp(PAUSE_MIN, LOOK);
        if !matches!(stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
            return;
        }
        let now = clock.now();
        if now < next {
            continue;
        }
        let Some(limits) = limits.upgrade() else { return };
        limits.tick();
        limits.limiter.return_leases();
        // Ticks that were missed are not made up for: they have counted as one.
        next = next.plus(TICK).max(now);
    }
}

#[cfg(test)]
#[path = "adapt_tests.rs"]
pub(super) mod tests;
