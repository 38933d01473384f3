//! Whose clients learn, and between which bounds.

use super::Bounds;
use crate::RateSettings;
use openclaw_limiter::{Learned, LevelId, Limiter, PolicyId};
use std::sync::Arc;

/// A tenant's place among those that adapt; the same for life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantIndex(pub u32);

/// A policy whose clients learn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptivePolicy {
    /// Whose.
    pub tenant: TenantIndex,
    /// Whether what is learned is put in force.
    pub is_enforced: bool,
    /// Each client's bucket until it is known, and where advice is only shown.
    pub client: RateSettings,
    /// Between these.
    pub bounds: Bounds,
    /// Share of windows that a client's limit is to cover.
    pub coverage: f32,
}

/// Who else sets rates of clients, such as where replicas share limits.
pub trait SetsRates: std::fmt::Debug + Send + Sync {
    /// Puts the rate in force that a client has where it learns nothing.
    fn put(&self, limiter: &Limiter, client: &Learned, now_nanos: u64);
    /// Takes a client's line away, unless it is of use; tells whether.
    fn forget(&self, limiter: &Limiter, client: &Learned, now_nanos: u64) -> bool;
}

/// The policies whose clients learn, by number.
#[derive(Debug, Clone, Default)]
pub struct AdaptivePolicies {
    policies: Vec<Option<AdaptivePolicy>>,
    common: Vec<Option<LevelId>>,
    beside: Option<Arc<dyn SetsRates>>,
}

impl AdaptivePolicies {
    /// Where somebody else sets rates, too.
    pub fn set_beside(&mut self, beside: Arc<dyn SetsRates>) {
        self.beside = Some(beside);
    }

    pub(super) fn forget(&self, limiter: &Limiter, client: &Learned, now_nanos: u64) -> bool {
        match &self.beside {
            Some(beside) => beside.forget(limiter, client, now_nanos),
            None => limiter.forget(client.id, now_nanos),
        }
    }

    /// Names the bucket that all of a tenant's clients have in common.
    pub fn set_common(&mut self, tenant: TenantIndex, level: LevelId) {
        let at = tenant.0 as usize;
        if self.common.len() <= at {
            self.common.resize(at + 1, None);
        }
        self.common[at] = Some(level);
    }

    pub(super) fn common(&self, tenant: TenantIndex) -> Option<LevelId> {
        self.common.get(tenant.0 as usize).copied().flatten()
    }

    pub(super) fn beside(&self) -> Option<&dyn SetsRates> {
        self.beside.as_deref()
    }

    /// Adds a policy.
    pub fn set(&mut self, id: PolicyId, policy: AdaptivePolicy) {
        let at = usize::from(id.0);
        if self.policies.len() <= at {
            self.policies.resize(at + 1, None);
        }
        self.policies[at] = Some(policy);
    }

    /// A policy, if its clients learn.
    #[must_use]
    pub fn get(&self, id: PolicyId) -> Option<&AdaptivePolicy> {
        self.policies.get(usize::from(id.0))?.as_ref()
    }
}
