//! A stand to try a model on: one policy, the limiter and the adaptation that
//! serve, and a clock of its own.

use openclaw_admission::{
    Adapter, AdaptivePolicies, AdaptivePolicy, Backend, Bounds, Candidate, Predictor, RateSettings,
    TenantIndex,
};
use openclaw_limiter::{Adaptive, Ask, CoreId, Limiter, Policy, PolicyId, Rate, Seed, Sizes};

const CORE: CoreId = CoreId(0);
const POLICY: PolicyId = PolicyId(1);
const TENANT: TenantIndex = TenantIndex(0);
const SECOND: u64 = 1_000_000_000;

/// What clients have until they are known.
pub(super) const CLIENT: RateSettings = RateSettings { rate_per_s: 100.0, burst: 1000 };
/// What they never have less than.
pub(super) const FLOOR: RateSettings = RateSettings { rate_per_s: 0.5, burst: 1000 };
/// What they never have more than.
pub(super) const CEILING: RateSettings = RateSettings { rate_per_s: 1000.0, burst: 10_000 };

/// A model at work.
pub(super) struct Stand {
    limiter: Limiter,
    policies: AdaptivePolicies,
    adapter: Adapter,
    candidates: Vec<Candidate>,
    now_nanos: u64,
}

impl Stand {
    pub(super) fn of(predictor: Box<dyn Predictor>) -> Self {
        let sizes = Sizes { clients: 1024, policies: 8, levels: 8, cores: 1 };
        let limiter = Limiter::new(sizes, Seed::new([7; 16])).with_learned(64);
        let rate = Rate::new(CLIENT.rate_per_s, CLIENT.burst);
        limiter.set_policy(POLICY, Policy { rate, within: [None; 2] }, SECOND);
        limiter.set_adaptive(POLICY, Some(Adaptive { slo_ms: 200, common: None }));
        let mut policies = AdaptivePolicies::default();
        let bounds = Bounds { headroom: 1.0, floor: FLOOR, ceiling: CEILING };
        let (tenant, client, coverage) = (TENANT, CLIENT, 0.99);
        policies.set(POLICY, AdaptivePolicy { tenant, is_enforced: true, client, bounds, coverage });
        let adapter = Adapter::new(predictor);
        Self { limiter, policies, adapter, candidates: Vec::new(), now_nanos: SECOND }
    }

    /// A client asks that many times, spread over a second; gives how many were
    /// refused. What is far beyond any limit is asked for in one go.
    pub(super) fn ask(&mut self, client: &str, times: u32) -> u32 {
        let key = self.limiter.key(1, client.as_bytes());
        let each = (times / 4096).max(1);
        let mut refused = 0;
        for _ in 0..times / each {
            let ask = Ask { policy: POLICY, key, cost: each };
            let decision = self.limiter.decide(CORE, ask, self.now_nanos);
            refused += if decision.is_allowed() { 0 } else { each };
            if decision.learned.is_none() {
                self.candidates.push(Candidate { policy: POLICY, key });
            }
        }
        refused
    }

    /// A second goes by.
    pub(super) fn tick(&mut self) {
        self.now_nanos += SECOND;
        let candidates = std::mem::take(&mut self.candidates);
        self.adapter.tick(&self.limiter, &self.policies, candidates, |_| Backend::default(), self.now_nanos);
    }

    /// The rate that a client has now, in tokens a second.
    pub(super) fn rate(&self, client: &str) -> f64 {
        let key = self.limiter.key(1, client.as_bytes());
        self.limiter.peek(Ask { policy: POLICY, key, cost: 0 }, self.now_nanos).rate.tokens_per_s()
    }
}
