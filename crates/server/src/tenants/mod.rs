//! The tenants of this server, and the one way to what belongs to one.

mod handle;
mod register;
mod source;
mod sources;

pub(crate) use handle::{Came, Explained, Named, ReadError, Silenced, TenantHandle};
pub(crate) use register::{
    Registered, Senders, last_settings, prune, prune_other, register, senders_of_others,
};
pub use source::{Origin, SettingsSource, TenantConfig};
pub use sources::{Signing, Source, Sources};

use crate::auth::Certificates;
use arc_swap::{ArcSwap, Guard};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_delivery::Integration;
use openclaw_pipeline::TenantSettings;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

type Configs = HashMap<TenantName, Arc<TenantConfig>>;

/// All tenants, by name; swapped as a whole when settings are read anew.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    configs: ArcSwap<Configs>,
    /// Who sends; also for tenants that have gone, whose sends may still run.
    senders: ArcSwap<HashMap<TenantName, Arc<Senders>>>,
    /// Those that are being removed, whatever the settings say.
    leaving: ArcSwap<BTreeSet<TenantName>>,
    /// Whose each client certificate is.
    certificates: ArcSwap<Certificates>,
    /// When it was last noted that a request of a tenant's source was turned
    /// away.
    turned_away_at: Mutex<HashMap<(TenantName, Arc<str>), Timestamp>>,
}

impl Tenants {
    pub(crate) fn new(tenants: impl IntoIterator<Item = Registered>) -> Self {
        let new = Self::default();
        let mut configs = Configs::new();
        let tenants: Vec<_> = tenants.into_iter().map(|tenant| tenant.split(&mut configs)).collect();
        new.set_senders(tenants);
        new.set_configs(configs);
        new
    }

    /// Puts senders in the place of these tenants' own.
    pub(crate) fn set_senders(&self, new: impl IntoIterator<Item = (TenantName, Arc<Senders>)>) {
        let mut senders = HashMap::clone(&self.senders.load());
        senders.extend(new);
        self.senders.store(Arc::new(senders));
    }

    /// Drops the others of a tenant's senders.
    pub(crate) fn retain_senders(&self, tenant: &TenantName, stays: impl Fn(&str, u16) -> bool) {
        let mut senders = HashMap::clone(&self.senders.load());
        let Some(own) = senders.remove(tenant) else { return };
        let mut left = Senders::clone(&own);
        left.retain(|(receiver, number), _| stays(receiver, *number));
        if !left.is_empty() {
            senders.insert(tenant.clone(), Arc::new(left));
        }
        self.senders.store(Arc::new(senders));
    }

    /// Whether it is served, or has still somebody to tell.
    pub(crate) fn keeps(&self, tenant: &TenantName) -> bool {
        self.senders.load().contains_key(tenant) || self.configs.load().contains_key(tenant)
    }

    /// Puts `configs` in the place of all.
    pub(crate) fn set_configs(&self, configs: Configs) {
        let rules = configs.iter().map(|(name, config)| (name, config.certificates.as_slice()));
        self.certificates.store(Certificates::new(rules));
        self.configs.store(Arc::new(configs));
    }

    /// Notes who is being removed.
    pub(crate) fn set_leaving(&self, leaving: BTreeSet<TenantName>) {
        self.leaving.store(Arc::new(leaving));
    }

    /// Whether a tenant is being removed.
    pub(crate) fn is_leaving(&self, tenant: &TenantName) -> bool {
        self.leaving.load().contains(tenant)
    }

    /// Whose each client certificate is.
    pub(crate) fn certificates(&self) -> Guard<Arc<Certificates>> {
        self.certificates.load()
    }

    /// All as they are now.
    pub(crate) fn configs(&self) -> Arc<Configs> {
        self.configs.load_full()
    }

    /// Whether it has to be noted once more that a request of this tenant's
    /// source was turned away. An eighth of its time-out apart is often enough,
    /// and a flood of such requests can't fill what is reserved for a full disk.
    pub(crate) fn has_to_note_refusal(&self, tenant: &TenantConfig, source: &Source, now: Timestamp) -> bool {
        let mut noted = self.turned_away_at.lock().unwrap_or_else(PoisonError::into_inner);
        let apart = tenant.settings.resolve_timeout / 8;
        let of = (tenant.name().clone(), Arc::clone(&source.name));
        if noted.get(&of).is_some_and(|at| now < at.plus(apart)) {
            return false;
        }
        noted.insert(of, now);
        true
    }

    pub(crate) fn get(&self, name: &TenantName) -> Option<Arc<TenantConfig>> {
        self.configs.load().get(name).cloned()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<TenantConfig>> {
        self.configs.load().get(name).cloned()
    }

    /// An integration of a receiver by its number; a send keeps the settings
    /// that it began with.
    pub(crate) fn integration(
        &self,
        tenant: &TenantName,
        receiver: &Arc<str>,
        number: u16,
    ) -> Option<Arc<Integration>> {
        let senders = self.senders.load();
        senders.get(tenant)?.get(&(Arc::clone(receiver), number)).cloned()
    }

    /// In order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<TenantConfig>> {
        let mut all: Vec<_> = self.configs.load().values().cloned().collect();
        all.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        all
    }
}

impl Registered {
    /// A tenant for whom nobody sends.
    pub(crate) fn without_senders(config: TenantConfig) -> Self {
        Self { config, senders: Senders::new() }
    }

    /// Adds the tenant to `configs`; gives who sends for it.
    pub(crate) fn split(self, configs: &mut Configs) -> (TenantName, Arc<Senders>) {
        let name = self.config.name().clone();
        configs.insert(name.clone(), Arc::new(self.config));
        (name, Arc::new(self.senders))
    }
}

impl TenantConfig {
    /// The same with other settings.
    fn with(&self, settings: TenantSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            takes_alerts: self.takes_alerts,
            receivers: self.receivers.clone(),
            origins: Vec::new(),
            routing_yaml: self.routing_yaml.clone(),
            sources: self.sources.clone(),
            limits: self.limits.clone(),
            tokens: self.tokens.clone(),
            certificates: self.certificates.clone(),
            version: self.version,
        }
    }
}
