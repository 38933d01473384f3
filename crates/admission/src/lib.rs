//! Who may come in now: alerts of a tenant, and requests of a tenant's clients.
//!
//! A tenant's [`Gate`] is its token bucket. What a tenant sends beyond it is
//! not refused: it is kept in the [`FairQueue`], bounded per tenant in bytes,
//! and let in behind the other tenants by deficit round robin. A tenant's [`PolicySet`]
//! decides about its own clients' requests. Pure: no clock,
//! no file, no socket.

#![forbid(unsafe_code)]

mod adapt;
mod fair;
mod gate;
mod policy;
pub mod shares;

pub use adapt::{
    Adapter, AdaptivePolicies, AdaptivePolicy, Answers, Backend, BackendTick, Base, Baseline, Bounds,
    CLUSTERS, Candidate, ClientState, ClientView, Cluster, Correction, Decided, EDGES, EndedWindow, Evidence,
    FEATURES, Features, Grant, Guard, HIDDEN_MAX, Health, Heard, Hold, Network, OUTPUTS, Outcome,
    PLAIN_OUTPUT, Part, Plain, Predictor, QUANTILES, SERVING10, SetsRates, Shares, TICKS, TenantFigures,
    TenantIndex, TickProgress, Ticks, UNREPORTED_LATENCY, VOLUME10, WINDOWS_COUNTED, WINDOWS_MIN, Weights,
    WeightsError, Window, WindowFigures,
};
pub use fair::{FairQueue, Full};
pub use gate::{Gate, Limits};
pub use policy::{
    Adaptation, Answer, ClientBucket, ClientList, ClientPatternError, CommonBucket, Conditions, Descriptor,
    DescriptorAnswer, DescriptorAnswers, DescriptorCode, DescriptorLimit, DescriptorTree, DomainSettings,
    Holder, Learns, LimitSettings, Note, Numbers, POLICIES_MET_MAX, PathPattern, PathPatternError, Period,
    Policy, PolicySet, PolicySettings, PolicyState, Quota, QuotaSettings, RateSettings, Request, Rule,
    RuleLimit, RuleSettings, Shown, States, TOTAL, Unit, UnitRate, UnknownPolicy, part,
};
