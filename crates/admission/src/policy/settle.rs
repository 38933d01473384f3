//! Costs that are known only afterwards.

use super::{Answer, Policy, PolicySet, Request, UnknownPolicy};
use openclaw_limiter::{CoreId, Limiter};

impl PolicySet {
    /// Corrects what an allowed request has taken: takes `more` tokens, also
    /// where they aren't there, or gives back as many where negative. Says how
    /// things stand then.
    ///
    /// # Errors
    /// Nothing is changed.
    pub fn settle(
        &self,
        limiter: &Limiter,
        core: CoreId,
        request: &Request<'_>,
        more: i64,
        now_nanos: u64,
    ) -> Result<Answer<'_>, UnknownPolicy> {
        let met = |policy: &&Policy| request.policy.is_none_or(|name| *policy.settings.name == *name);
        if let Some(policy) = self.policies.iter().find(met) {
            let key = limiter.key(policy.scope, request.client);
            limiter.settle(core, policy.id, key, more, now_nanos);
        }
        self.decide(limiter, core, &Request { cost: 0, ..*request }, now_nanos)
    }
}
