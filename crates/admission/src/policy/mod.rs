//! May this client go on? A tenant's named limits on its own clients.

mod calendar;
mod clients;
mod conditions;
mod decide;
mod descriptors;
mod glob;
mod one;
mod quota;
mod settings;
mod settle;
mod shared;

pub use calendar::Period;
pub use clients::{ClientList, ClientPatternError};
pub use conditions::{Conditions, PathPattern, PathPatternError};
pub use decide::{Answer, Learns, POLICIES_MET_MAX, PolicyState, Request, Shown, States, UnknownPolicy};
pub use descriptors::{
    Descriptor, DescriptorAnswer, DescriptorAnswers, DescriptorCode, DescriptorLimit, DescriptorTree,
    DomainSettings, Rule, RuleLimit, RuleSettings, Unit, UnitRate,
};
pub use one::Policy;
pub use quota::Quota;
pub use settings::{Adaptation, Holder, LimitSettings, PolicySettings, QuotaSettings, RateSettings};
pub use shared::{ClientBucket, CommonBucket, Note, part};

use crate::shares::Share;
use descriptors::Overrides;
use openclaw_limiter::{LevelId, Limiter, PolicyId, Rate};
use std::sync::Arc;

/// The name of the policy that stands for all of a tenant's clients.
pub const TOTAL: &str = "total";

/// A tenant's policies, in order, with their numbers in the limiter.
#[derive(Debug)]
pub struct PolicySet {
    policies: Vec<Policy>,
    /// Where it can't be a level around the only policy.
    total: Option<Policy>,
    around: Option<(LevelId, Rate)>,
    exempt: ClientList,
    deny: ClientList,
    plans: Vec<(Arc<str>, ClientList)>,
    descriptors: DescriptorTree,
    overrides: Overrides,
    /// What all the tenant's limits are called after, on all replicas.
    scope: u64,
    note: Option<Arc<dyn Note>>,
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
    /// The number of the bucket by which a tenant's backend is held up.
    fn backend_level(&mut self) -> LevelId;
}

impl PolicySet {
    /// Numbers the policies of a tenant.
    pub fn new(settings: &LimitSettings, numbers: &mut impl Numbers) -> Self {
        let policies: Vec<_> =
            settings.policies.iter().map(|settings| Policy::new(settings, numbers)).collect();
        let descriptors = DescriptorTree::new(&settings.descriptors, &policies, numbers);
        let overrides = if descriptors.is_empty() { Overrides::none() } else { Overrides::new(numbers) };
        let (_, scope) = numbers.policy(&TOTAL.into());
        let (mut total, mut around) = (None, None);
        if let Some(shared) = settings.total {
            match &policies[..] {
                [only] if only.is_for_all() => around = Some((numbers.tenant_level(), rate(shared))),
                _ => total = Some(Policy::new(&total_settings(shared), numbers)),
            }
        }
        Self {
            policies,
            total,
            around,
            exempt: settings.exempt.clone(),
            deny: settings.deny.clone(),
            plans: settings.plans.clone(),
            descriptors,
            overrides,
            scope,
            note: None,
        }
    }

    /// Puts all of them in force; what clients have left stays.
    pub fn install(&self, limiter: &Limiter, now_nanos: u64) {
        self.install_shares(limiter, &|_| Share::WHOLE, now_nanos);
    }

    /// All that settings name.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The bucket by which the tenant's backend is held up, where what clients
    /// learn is in force.
    #[must_use]
    pub fn backend_level(&self) -> Option<LevelId> {
        self.policies.iter().find_map(Policy::common_level)
    }

    /// All that decisions may show: those that settings name, and the tenant's
    /// total.
    pub fn shown(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter().chain(&self.total)
    }

    /// Limits by descriptors.
    #[must_use]
    pub fn descriptors(&self) -> &DescriptorTree {
        &self.descriptors
    }
}

/// The tenant's total as a policy: it is asked once, however many policies a
/// request meets.
fn total_settings(total: RateSettings) -> PolicySettings {
    PolicySettings { per: Holder::Tenant, client: total, ..PolicySettings::new(TOTAL) }
}

fn rate(settings: RateSettings) -> Rate {
    Rate::new(settings.rate_per_s, settings.burst)
}
