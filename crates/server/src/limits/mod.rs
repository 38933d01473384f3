//! May this client go on? The limits of all tenants on their own clients, for
//! every way of asking.
//!
//! A decision touches the limiter's table and counters of this thread; it
//! takes no lock, allocates nothing and waits for nobody.

mod adapt;
mod candidates;
mod counts;
mod demand;
mod numbers;
mod observe;
mod record;
mod save;
mod seed;
mod sharing;

#[cfg(test)]
pub(crate) use adapt::tests::World as TestWorld;
pub(crate) use adapt::{ClientLimits, ModelsTold};
pub(crate) use observe::{Observation, ObservationSink};
pub(crate) use save::Saver;
pub use seed::SeedError;
pub(crate) use seed::{has as has_seed, keep as keep_seed, load as load_seed};

use crate::clock::Clock;
use crate::observe::{DecisionRoute, Tally};
use crate::tenants::TenantConfig;
use adapt::Adaptation;
use arc_swap::{ArcSwap, Guard};
use counts::Counts;
use numbers::{Registry, TenantNumbers};
use observe::BackendCounts;
use openclaw_admission::{
    Answer, Descriptor, DescriptorAnswer, DescriptorAnswers, PolicySet, Request, UnknownPolicy,
};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_limiter::{CoreId, Limiter, Seed, Sizes};
use openclaw_telemetry::Recorder;
pub(crate) use sharing::AskedOf;
use sharing::{InForce, Sharing};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Clients whose bucket isn't full, at a time.
const CLIENTS: usize = 1 << 20;
const POLICIES: u16 = u16::MAX;
const LEVELS: u32 = 1 << 17;

thread_local! {
    /// The number of this thread among those that decide.
    static CORE: Cell<u16> = const { Cell::new(0) };
}

/// Gives this thread its number, from 1; all threads without one share 0.
pub(crate) fn set_core(number: usize) {
    CORE.set(u16::try_from(number).unwrap_or(0));
}

fn tell_short(tenant: &TenantName) {
    tracing::error!(%tenant, "the tenant's new limits are not in force: all tenants together may have {POLICIES} policies, quotas and rules, where descriptors take 64 for a tenant; take some out");
}

/// The limits of all tenants.
pub(crate) struct Limits {
    limiter: Limiter,
    clock: Arc<Clock>,
    registry: Mutex<Registry>,
    tenants: ArcSwap<OfTenants>,
    cores: usize,
    adaptation: Adaptation,
    sinks: ArcSwap<Vec<Arc<dyn ObservationSink>>>,
    /// Nothing where nothing is kept.
    recorder: OnceLock<Arc<Recorder>>,
    /// Nothing where this replica is alone.
    sharing: Option<Sharing>,
}

type OfTenants = HashMap<TenantName, Arc<TenantLimits>>;

/// The limits of all tenants as they are now. To be held for a request: threads
/// that count who holds a tenant's take the count's line of the cache from each
/// other.
pub(crate) struct LimitsNow(Guard<Arc<OfTenants>>);

/// One tenant's limits in force.
pub(crate) struct TenantLimits {
    pub(crate) name: TenantName,
    pub(crate) policies: PolicySet,
    /// Whether answers also carry the older `X-RateLimit-*` headers.
    pub(crate) x_ratelimit_headers: bool,
    /// How long it took to answer.
    pub(crate) tally: Arc<Tally>,
    counts: Counts,
    backend: Arc<BackendCounts>,
}

impl Limits {
    /// For `cores` threads and one number for all others.
    pub(crate) fn new(seed: Seed, cores: usize, clock: Arc<Clock>) -> Self {
        let cores = cores + 1;
        let sizes = Sizes { clients: CLIENTS, policies: POLICIES, levels: LEVELS, cores: cores as u16 };
        Self {
            limiter: Limiter::new(sizes, seed).with_learned(adapt::LEARNED),
            clock,
            registry: Mutex::default(),
            tenants: ArcSwap::default(),
            cores,
            adaptation: Adaptation::new(cores),
            sinks: ArcSwap::default(),
            recorder: OnceLock::new(),
            sharing: None,
        }
    }

    /// Puts the tenants' settings in force; what clients have left stays.
    pub(crate) fn install(&self, configs: &[Arc<TenantConfig>]) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.begin();
        let mut in_force = self.sharing.as_ref().map(Sharing::in_force);
        let now = self.now_nanos();
        let before = self.tenants.load();
        let tenants = configs.iter().filter_map(|config| {
            let name = config.name().clone();
            let known = before.get(&name);
            Some((name, self.installed(config, known, &mut registry, now, in_force.as_deref())?))
        });
        let tenants: HashMap<_, _> = tenants.collect();
        if let Some(in_force) = &mut in_force {
            self.follow(in_force, tenants.values().map(|tenant| &tenant.policies), now);
        }
        self.tenants.store(Arc::new(tenants));
        self.install_adaptive(in_force.as_deref());
    }

    fn installed(
        &self,
        config: &TenantConfig,
        before: Option<&Arc<TenantLimits>>,
        registry: &mut Registry,
        now_nanos: u64,
        in_force: Option<&InForce>,
    ) -> Option<Arc<TenantLimits>> {
        let mut numbers = TenantNumbers::new(registry, config.name());
        let policies = self.noted(PolicySet::new(&config.limits, &mut numbers));
        if numbers.is_short() {
            registry.keep(config.name());
            tell_short(config.name());
            return before.cloned();
        }
        self.put_in_force(&policies, in_force, now_nanos);
        let counts = before.map_or_else(Counts::default, |before| before.counts.clone());
        let counts = counts.for_policies(policies.shown(), self.cores);
        let tally =
            before.map_or_else(|| Arc::new(Tally::new(self.cores)), |before| Arc::clone(&before.tally));
        let backend = before.map_or_else(Arc::default, |before| Arc::clone(&before.backend));
        let x_ratelimit_headers = config.limits.x_ratelimit_headers;
        let name = config.name().clone();
        Some(Arc::new(TenantLimits { name, policies, x_ratelimit_headers, tally, counts, backend }))
    }

    /// The limits of all tenants, for a request.
    pub(crate) fn in_force(&self) -> LimitsNow {
        LimitsNow(self.tenants.load())
    }

    /// A tenant's limits.
    pub(crate) fn of(&self, tenant: &TenantName) -> Option<Arc<TenantLimits>> {
        self.tenants.load().get(tenant).cloned()
    }

    /// Now, for [`Limits::decide`]; read once for all that is decided at once.
    pub(crate) fn now_nanos(&self) -> u64 {
        self.clock.now().nanos().max(0) as u64
    }

    /// Now, for people.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes tokens of every policy that the request meets, or of none.
    ///
    /// # Errors
    /// Where a policy is named that the tenant doesn't have.
    pub(crate) fn decide<'t>(
        &self,
        tenant: &'t TenantLimits,
        request: &Request<'_>,
        now_nanos: u64,
    ) -> Result<Answer<'t>, UnknownPolicy> {
        let core = CORE.get();
        let answer = tenant.policies.decide(&self.limiter, CoreId(core), request, now_nanos)?;
        if request.cost > 0 {
            tenant.counts.count(usize::from(core), &answer);
            answer.states.iter().for_each(|state| self.consider(core, state.learns));
        }
        Ok(answer)
    }

    /// Takes the tokens of all descriptors of a request, or none.
    pub(crate) fn decide_descriptors<'t>(
        &self,
        tenant: &'t TenantLimits,
        domain: &str,
        descriptors: &[Descriptor<'_>],
        now_nanos: u64,
    ) -> DescriptorAnswers<'t> {
        let core = CORE.get();
        let limiter = &self.limiter;
        let answers =
            tenant.policies.decide_descriptors(limiter, CoreId(core), domain, descriptors, now_nanos);
        answers.each.iter().for_each(|answer| self.consider(core, answer.learns));
        answers
    }

    /// Gives a descriptor's tokens back.
    pub(crate) fn give_back_descriptor<'t>(
        &self,
        tenant: &'t TenantLimits,
        domain: &str,
        descriptor: &Descriptor<'_>,
        now_nanos: u64,
    ) -> DescriptorAnswer<'t> {
        let core = CoreId(CORE.get());
        tenant.policies.give_back_descriptor(&self.limiter, core, domain, descriptor, now_nanos)
    }

    /// Corrects what an allowed request has taken by `more` tokens.
    ///
    /// # Errors
    /// Where a policy is named that the tenant doesn't have.
    pub(crate) fn settle<'t>(
        &self,
        tenant: &'t TenantLimits,
        request: &Request<'_>,
        more: i64,
        now_nanos: u64,
    ) -> Result<Answer<'t>, UnknownPolicy> {
        tenant.policies.settle(&self.limiter, CoreId(CORE.get()), request, more, now_nanos)
    }

    /// A request has been answered.
    pub(crate) fn answered(&self, tenant: &TenantLimits, route: DecisionRoute, status: u16, took_nanos: u64) {
        tenant.tally.count(usize::from(CORE.get()), route, status, took_nanos);
    }

    /// The time that answers took since this was last asked, by tenant.
    pub(crate) fn drain_times(&self, mut each: impl FnMut(&TenantName, &Tally)) {
        for tenant in self.tenants.load().values() {
            each(&tenant.name, &tenant.tally);
        }
    }

    /// Decisions so far: by tenant, policy and result.
    pub(crate) fn counted(&self, mut each: impl FnMut(&TenantName, &str, &'static str, u64)) {
        for tenant in self.tenants.load().values() {
            tenant.counts.each(|policy, result, count| each(&tenant.name, policy, result, count));
        }
    }
}

impl LimitsNow {
    /// A tenant's limits.
    pub(crate) fn of(&self, tenant: &TenantName) -> Option<&Arc<TenantLimits>> {
        self.0.get(tenant)
    }
}
