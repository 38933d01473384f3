//! The tenants of this server, and the one way to what belongs to one.

mod handle;

pub(crate) use handle::{Explained, ReadError, TenantHandle};

use openclaw_alert::TenantName;
use openclaw_delivery::{Integration, ReceiverSettings};
use openclaw_pipeline::TenantSettings;
use std::collections::HashMap;
use std::sync::Arc;

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
}

impl Tenants {
    pub(crate) fn new(tenants: impl IntoIterator<Item = TenantConfig>) -> Self {
        let by_name = tenants.into_iter().map(|tenant| (tenant.name().clone(), Arc::new(tenant))).collect();
        Self { by_name }
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
