//! The numbers of policies and shared buckets in the limiter. A name keeps its
//! number for the life of the process.

use openclaw_admission::Numbers;
use openclaw_alert::TenantName;
use openclaw_limiter::{LevelId, PolicyId};
use std::collections::HashMap;
use std::sync::Arc;

/// All numbers that have been given.
#[derive(Debug, Default)]
pub(super) struct Registry {
    policies: HashMap<(TenantName, Arc<str>), PolicyId>,
    levels: HashMap<(TenantName, Option<Arc<str>>), LevelId>,
}

impl Registry {
    /// The number and the scope of every policy that has had one.
    pub(super) fn scopes(&self) -> impl Iterator<Item = (PolicyId, u64)> + '_ {
        self.policies.iter().map(|((tenant, name), id)| (*id, scope(tenant, name)))
    }
}

/// Gives the numbers of one tenant.
pub(super) struct TenantNumbers<'r> {
    registry: &'r mut Registry,
    tenant: TenantName,
}

impl<'r> TenantNumbers<'r> {
    pub(super) fn new(registry: &'r mut Registry, tenant: &TenantName) -> Self {
        Self { registry, tenant: tenant.clone() }
    }

    fn level(&mut self, of: Option<Arc<str>>) -> LevelId {
        let next = LevelId(self.registry.levels.len() as u32);
        *self.registry.levels.entry((self.tenant.clone(), of)).or_insert(next)
    }
}

impl Numbers for TenantNumbers<'_> {
    fn policy(&mut self, name: &Arc<str>) -> (PolicyId, u64) {
        // Beyond the last number policies share it: their clients don't, since
        // their scopes differ.
        let next = PolicyId(u16::try_from(self.registry.policies.len()).unwrap_or(u16::MAX));
        let id = *self.registry.policies.entry((self.tenant.clone(), Arc::clone(name))).or_insert(next);
        (id, scope(&self.tenant, name))
    }

    fn policy_level(&mut self, name: &Arc<str>) -> LevelId {
        self.level(Some(Arc::clone(name)))
    }

    fn tenant_level(&mut self) -> LevelId {
        self.level(None)
    }
}

/// FNV-1a; what it is hashed with again is secret.
fn scope(tenant: &TenantName, policy: &str) -> u64 {
    let bytes = tenant.as_str().bytes().chain([0]).chain(policy.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
