//! What has become of requests that were let on.

use super::{Limits, TenantLimits};
use std::time::Duration;

/// One request, as somebody in front of the backend saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Observation<'o> {
    pub(crate) client: &'o [u8],
    /// 5xx is the backend's fault, 4xx but 429 the client's own.
    pub(crate) status: u16,
    pub(crate) latency: Duration,
}

impl Limits {
    /// Takes an observation into account.
    pub(crate) fn observe(&self, _tenant: &TenantLimits, _observation: &Observation<'_>, _now_nanos: u64) {}
}
