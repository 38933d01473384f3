//! Who may come in now: alerts of a tenant, and requests of a tenant's clients.
//!
//! A tenant's [`Gate`] is its token bucket. What a tenant sends beyond it is
//! not refused: it is kept in the [`FairQueue`], bounded per tenant in bytes,
//! and let in behind the other tenants by deficit round robin. A tenant's [`PolicySet`]
//! decides about its own clients' requests. Pure: no clock,
//! no file, no socket.

#![forbid(unsafe_code)]

mod fair;
mod gate;
mod policy;

pub use fair::{FairQueue, Full};
pub use gate::{Gate, Limits};
pub use policy::{
    Adaptation, Answer, Descriptor, DescriptorAnswer, DescriptorAnswers, DescriptorCode, DescriptorLimit,
    DescriptorTree, DomainSettings, LimitSettings, Numbers, Policy, PolicySet, PolicySettings, PolicyState,
    RateSettings, Request, Rule, RuleLimit, RuleSettings, Unit, UnitRate, UnknownPolicy,
};
