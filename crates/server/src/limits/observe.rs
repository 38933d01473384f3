//! What has become of requests that were let on.

use super::{Limits, TenantLimits};
use openclaw_admission::Backend;
use openclaw_alert::TenantName;
use openclaw_limiter::Outcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is older says nothing of now.
const FRESH_NANOS: u64 = 60_000_000_000;

/// One request, as somebody in front of the backend saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Observation<'o> {
    pub(crate) client: &'o [u8],
    /// 5xx is the backend's fault, 4xx but 429 the client's own; 0 where no
    /// answer came in time.
    pub(crate) status: u16,
    pub(crate) latency: Duration,
}

/// Where observations go besides: on to another process, or to be kept.
pub(crate) trait ObservationSink: Send + Sync {
    /// Takes one; must not wait.
    fn take(&self, tenant: &TenantName, observation: &Observation<'_>, at_nanos: u64);
}

/// What was heard of a tenant's backend since the last tick.
#[derive(Debug, Default)]
pub(super) struct BackendCounts {
    answers: AtomicU64,
    failures: AtomicU64,
    latency_us: AtomicU64,
    /// Of all time, those of no use for limits among them.
    observations: AtomicU64,
}

impl BackendCounts {
    fn count(&self, is_failure: bool, latency: Duration) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if is_failure {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.latency_us.fetch_add(latency.as_micros() as u64, Ordering::Relaxed);
    }

    pub(super) fn take(&self) -> Backend {
        let [answers, failures, latency_us] =
            [&self.answers, &self.failures, &self.latency_us].map(|count| count.swap(0, Ordering::Relaxed));
        let latency_ms = if answers == 0 { 0.0 } else { latency_us as f32 / answers as f32 / 1e3 };
        Backend { answers: answers as u32, failures: failures as u32, latency_ms }
    }
}

impl Limits {
    /// Takes an observation into account: the client is judged by its own
    /// faults, the backend by the rest.
    pub(crate) fn observe(&self, tenant: &TenantLimits, observation: &Observation<'_>, at_nanos: u64) {
        tenant.backend.observations.fetch_add(1, Ordering::Relaxed);
        for sink in self.sinks.load().iter() {
            sink.take(&tenant.name, observation, at_nanos);
        }
        let is_fresh = self.now_nanos().abs_diff(at_nanos) <= FRESH_NANOS;
        // A 429 is an answer of ours.
        if !is_fresh || observation.status == 429 {
            return;
        }
        let is_failure = observation.status == 0 || observation.status >= 500;
        tenant.backend.count(is_failure, observation.latency);
        if is_failure {
            return;
        }
        let own_fault = (400..500).contains(&observation.status);
        let latency_ms = u32::try_from(observation.latency.as_millis()).unwrap_or(u32::MAX);
        for policy in tenant.policies.policies().iter().filter(|policy| policy.is_adaptive()) {
            let key = self.limiter.key(policy.scope, observation.client);
            self.limiter.observe(policy.id, key, Outcome { own_fault, latency_ms });
        }
    }

    /// Observations so far, by tenant.
    pub(crate) fn observed(&self, mut each: impl FnMut(&TenantName, u64)) {
        for tenant in self.tenants.load().values() {
            each(&tenant.name, tenant.backend.observations.load(Ordering::Relaxed));
        }
    }

    /// Adds a place for observations to go to.
    pub(crate) fn add_sink(&self, sink: &Arc<dyn ObservationSink>) {
        self.sinks.rcu(|sinks| {
            let mut sinks = Vec::clone(sinks);
            sinks.push(Arc::clone(sink));
            sinks
        });
    }
}
