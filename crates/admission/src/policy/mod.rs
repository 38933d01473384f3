//! May this client go on? A tenant's named limits on its own clients.

mod decide;
mod settings;
mod settle;

pub use decide::{Answer, PolicyState, Request, UnknownPolicy};
pub use settings::{Adaptation, LimitSettings, PolicySettings, RateSettings};

use openclaw_limiter::{LevelId, PolicyId};
use std::sync::Arc;

/// A tenant's policies, in order, with their numbers in the limiter.
#[derive(Debug)]
pub struct PolicySet {
    policies: Vec<Policy>,
}

/// One policy in force.
#[derive(Debug)]
pub struct Policy {
    /// What the settings say.
    pub settings: PolicySettings,
    /// Its number in the limiter.
    pub id: PolicyId,
    /// What its clients' keys are hashed with; the same after every start.
    pub scope: u64,
}

/// Where policies get their numbers in the limiter; a name keeps its number
/// for life.
pub trait Numbers {
    /// The number and the scope of a tenant's policy.
    fn policy(&mut self, name: &Arc<str>) -> (PolicyId, u64);
    /// The number of the bucket that all clients of a policy share.
    fn policy_level(&mut self, name: &Arc<str>) -> LevelId;
    /// The number of the bucket that all clients of the tenant share.
    fn tenant_level(&mut self) -> LevelId;
}

impl PolicySet {
    /// Numbers the policies of a tenant.
    pub fn new(settings: &LimitSettings, numbers: &mut impl Numbers) -> Self {
        let policies = settings.policies.iter().map(|settings| {
            let (id, scope) = numbers.policy(&settings.name);
            Policy { settings: settings.clone(), id, scope }
        });
        Self { policies: policies.collect() }
    }

    /// All of them.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }
}
