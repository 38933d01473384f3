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
    /// Lines that it may hold now, beyond those for clients that learn.
    fn lines(&self) -> u32;
    /// Takes a client's line away, unless it is of use; tells whether.
    fn forget(&self, limiter: &Limiter, client: &Learned, now_nanos: u64) -> bool;
}

/// The policies whose clients learn, by number.
#[derive(Debug, Clone, Default)]
pub struct AdaptivePolicies {
    policies: Vec<Option<AdaptivePolicy>>,
    common: Vec<Option<LevelId>>,
    beside: Option<Beside>,
}

/// Who sets rates too, and the lines that those who learn may have.
#[derive(Debug, Clone)]
struct Beside {
    sets: Arc<dyn SetsRates>,
    learners_max: u32,
}

impl AdaptivePolicies {
    /// Where somebody else sets rates, too, who needs lines of the limiter that
    /// those who learn leave free.
    pub fn set_beside(&mut self, sets: Arc<dyn SetsRates>, learners_max: u32) {
        self.beside = Some(Beside { sets, learners_max });
    }

    /// Lines that may be in use; the limiter's own bound where nobody else needs
    /// any.
    pub(super) fn lines_max(&self) -> u32 {
        let sum = |beside: &Beside| beside.learners_max.saturating_add(beside.sets.lines());
        self.beside.as_ref().map_or(u32::MAX, sum)
    }

    pub(super) fn forget(&self, limiter: &Limiter, client: &Learned, now_nanos: u64) -> bool {
        match &self.beside {
            Some(beside) => beside.sets.forget(limiter, client, now_nanos),
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
        self.beside.as_ref().map(|beside| &*beside.sets)
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
