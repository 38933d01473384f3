//! The tenants of this server, and the one way to what belongs to one.

mod handle;

pub(crate) use handle::{Explained, ReadError, TenantHandle};

use openclaw_alert::{TenantName, Timestamp};
use openclaw_delivery::{Integration, ReceiverSettings};
use openclaw_pipeline::TenantSettings;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A tenant as its settings describe it.
#[derive(Debug)]
pub struct TenantConfig {
    /// What decides about its alerts.
    pub settings: Arc<TenantSettings>,
    /// How its receivers are reached.
    pub receivers: Vec<ReceiverSettings>,
    /// Its routing as one valid Alertmanager file, secrets as `<secret>`.
    pub routing_yaml: String,
    /// Name of the source that Alertmanager's API stands for.
    pub alertmanager_source: Arc<str>,
}

impl TenantConfig {
    pub(crate) fn settings(&self) -> &Arc<TenantSettings> {
        &self.settings
    }

    pub(crate) fn name(&self) -> &TenantName {
        &self.settings.name
    }

    pub(crate) fn integration(&self, receiver: &str, number: u16) -> Option<&Integration> {
        let receiver = self.receivers.iter().find(|known| *known.name == *receiver)?;
        receiver.integrations.get(usize::from(number))
    }
}

/// All tenants, by name.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    by_name: HashMap<TenantName, Arc<TenantConfig>>,
    /// When it was last noted that a tenant's request was turned away.
    turned_away_at: Mutex<HashMap<TenantName, Timestamp>>,
}

impl Tenants {
    pub(crate) fn new(tenants: impl IntoIterator<Item = TenantConfig>) -> Self {
        let by_name = tenants.into_iter().map(|tenant| (tenant.name().clone(), Arc::new(tenant))).collect();
        Self { by_name, turned_away_at: Mutex::default() }
    }

    /// Whether it has to be noted once more that this tenant's request was
    /// turned away. An eighth of its time-out apart is often enough, and a
    /// flood of such requests can't fill what is reserved for a full disk.
    pub(crate) fn has_to_note_refusal(&self, tenant: &TenantConfig, now: Timestamp) -> bool {
        let mut noted = self.turned_away_at.lock().unwrap_or_else(PoisonError::into_inner);
        let apart = tenant.settings.resolve_timeout / 8;
        if noted.get(tenant.name()).is_some_and(|at| now < at.plus(apart)) {
            return false;
        }
        noted.insert(tenant.name().clone(), now);
        true
    }

    pub(crate) fn get(&self, name: &TenantName) -> Option<Arc<TenantConfig>> {
        self.by_name.get(name).cloned()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<TenantConfig>> {
        self.by_name.get(name).cloned()
    }

    /// In order of their names.
    pub(crate) fn all(&self) -> Vec<&Arc<TenantConfig>> {
        let mut all: Vec<_> = self.by_name.values().collect();
        all.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        all
    }
}
