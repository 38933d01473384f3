//! Costs that are known only afterwards.

use super::decide::Asked;
use super::{Answer, PolicySet, Request, UnknownPolicy};
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
        let asked = Asked { limiter, core, client: request.client, cost: 0, now_nanos, note: None };
        if !self.exempt.holds(request.client) {
            match request.policy {
                Some(name) => self.named(name)?.settle(&asked, more),
                None => self.met(request, |policy| policy.settle(&asked, more)),
            }
            self.total.iter().for_each(|total| total.settle(&asked, more));
        }
        self.decide(limiter, core, &Request { cost: 0, ..*request }, now_nanos)
    }
}
