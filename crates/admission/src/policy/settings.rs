//! What a tenant's file says about its clients' limits.

use super::calendar::Period;
use super::clients::ClientList;
use super::conditions::Conditions;
use super::descriptors::DomainSettings;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// A token bucket in people's units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateSettings {
    /// Tokens a second.
    pub rate_per_s: f64,
    /// Tokens at once.
    pub burst: u32,
}

/// What becomes of learned limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adaptation {
    /// Nothing is learned.
    Off,
    /// Learned and shown, not enforced.
    #[default]
    Advise,
    /// Enforced, between floor and ceiling.
    On,
}

/// Who has a bucket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Holder {
    /// Each client.
    #[default]
    Client,
    /// All of the tenant's clients together.
    Tenant,
}

/// So many tokens in each period of a calendar.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaSettings {
    /// Tokens in a period.
    pub limit: u32,
    /// When it begins anew.
    pub per: Period,
    /// Whose calendar.
    pub zone: TimeZone,
}

/// One named limit.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySettings {
    /// As people ask for it.
    pub name: Arc<str>,
    /// Which requests meet it that name no policy.
    pub when: Conditions,
    /// Who has a bucket of its own.
    pub per: Holder,
    /// Each client's bucket.
    pub client: RateSettings,
    /// One bucket for all clients of the policy.
    pub total: Option<RateSettings>,
    /// Beside the bucket; all must allow.
    pub quotas: Vec<QuotaSettings>,
    /// Tokens for each that a request asks for.
    pub cost: u32,
    /// Clients that never meet it.
    pub exempt: ClientList,
    /// Clients that it always refuses.
    pub deny: ClientList,
    /// Whether clients learn their own limits.
    pub adaptation: Adaptation,
    /// Learned limits never go below this.
    pub floor: RateSettings,
    /// Learned limits never go above this.
    pub ceiling: RateSettings,
    /// Learned limits are so many times what is usual.
    pub headroom: f32,
    /// Share of windows that a learned limit is to let through whole.
    pub coverage: f32,
    /// Time in which the backend is to answer, in milliseconds.
    pub slo_ms: u32,
    /// Counts what it would refuse, and refuses nothing.
    pub dry_run: bool,
}

/// All that a tenant's file says about its clients' limits.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitSettings {
    /// In the order in which they are asked.
    pub policies: Vec<PolicySettings>,
    /// One bucket for all of the tenant's clients.
    pub total: Option<RateSettings>,
    /// Clients without limits.
    pub exempt: ClientList,
    /// Clients that are always refused.
    pub deny: ClientList,
    /// Clients by plan; the first that holds a client counts.
    pub plans: Vec<(Arc<str>, ClientList)>,
    /// For requests that come as Envoy's descriptors.
    pub descriptors: Vec<DomainSettings>,
    /// Whether answers also carry the older `X-RateLimit-*` headers.
    pub x_ratelimit_headers: bool,
}

impl LimitSettings {
    /// Without any limit.
    #[must_use]
    pub fn none() -> Self {
        Self {
            policies: Vec::new(),
            total: None,
            exempt: ClientList::default(),
            deny: ClientList::default(),
            plans: Vec::new(),
            descriptors: Vec::new(),
            x_ratelimit_headers: false,
        }
    }
}

impl Default for LimitSettings {
    /// One policy, `default`, of 100 requests a second and 1000 at once.
    fn default() -> Self {
        Self { policies: vec![PolicySettings::new("default")], ..Self::none() }
    }
}

impl PolicySettings {
    /// A policy of 100 requests a second and 1000 at once.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            when: Conditions::default(),
            per: Holder::default(),
            client: RateSettings { rate_per_s: 100.0, burst: 1000 },
            total: None,
            quotas: Vec::new(),
            cost: 1,
            exempt: ClientList::default(),
            deny: ClientList::default(),
            adaptation: Adaptation::default(),
            floor: RateSettings { rate_per_s: 10.0, burst: 1000 },
            ceiling: RateSettings { rate_per_s: 1000.0, burst: 10_000 },
            headroom: 1.0,
            coverage: 0.99,
            slo_ms: 200,
            dry_run: false,
        }
    }
}
