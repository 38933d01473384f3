//! What a tenant's file says about its clients' limits.

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

/// One named limit.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySettings {
    /// As people ask for it.
    pub name: Arc<str>,
    /// Each client's bucket.
    pub client: RateSettings,
    /// One bucket for all clients of the policy.
    pub total: Option<RateSettings>,
    /// Whether clients learn their own limits.
    pub adaptation: Adaptation,
    /// Learned limits never go below this.
    pub floor: RateSettings,
    /// Learned limits never go above this.
    pub ceiling: RateSettings,
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
    /// Whether answers also carry the older `X-RateLimit-*` headers.
    pub x_ratelimit_headers: bool,
}

impl Default for LimitSettings {
    /// One policy, `default`, of 100 requests a second and 1000 at once.
    fn default() -> Self {
        Self { policies: vec![PolicySettings::new("default")], total: None, x_ratelimit_headers: false }
    }
}

impl PolicySettings {
    /// A policy of 100 requests a second and 1000 at once.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            client: RateSettings { rate_per_s: 100.0, burst: 1000 },
            total: None,
            adaptation: Adaptation::default(),
            floor: RateSettings { rate_per_s: 10.0, burst: 1000 },
            ceiling: RateSettings { rate_per_s: 1000.0, burst: 10_000 },
            dry_run: false,
        }
    }
}
