//! One question, asked of every policy that it meets.

use super::{Policy, PolicySet};
use openclaw_limiter::{Ask, CoreId, Limiter, Verdict};

/// May this client go on?
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// Who, within the tenant.
    pub client: &'r [u8],
    /// A policy by name; without one, those whose conditions hold.
    pub policy: Option<&'r str>,
    /// The path that the client asks for; empty where nobody says.
    pub path: &'r str,
    /// The method that the client asks with; empty where nobody says.
    pub method: &'r str,
    /// The client's plan; empty where nobody says.
    pub plan: &'r str,
    /// Tokens; 0 asks for the state alone.
    pub cost: u32,
}

/// A policy of that name isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownPolicy;

/// What all policies together say.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'s> {
    /// Whether the client may go on.
    pub allowed: bool,
    /// The policy that is nearest its end, or the one that refuses; none where
    /// no policy's conditions hold.
    pub state: Option<PolicyState<'s>>,
}

/// What one policy says.
#[derive(Debug, Clone, Copy)]
pub struct PolicyState<'s> {
    /// Which.
    pub policy: &'s Policy,
    /// Whether this policy, alone, lets the client on.
    pub verdict: Verdict,
    /// Tokens that a full bucket holds.
    pub limit: u64,
    /// Tokens that are left.
    pub remaining: u64,
    /// Until the bucket is full.
    pub reset_after_nanos: u64,
}

impl PolicySet {
    /// Takes tokens of every policy that the request meets, or of none.
    ///
    /// # Errors
    /// Nothing is taken.
    pub fn decide(
        &self,
        limiter: &Limiter,
        core: CoreId,
        request: &Request<'_>,
        now_nanos: u64,
    ) -> Result<Answer<'_>, UnknownPolicy> {
        let met = |policy: &&Policy| request.policy.is_none_or(|name| *policy.settings.name == *name);
        let policy = self.policies.iter().find(met);
        let Some(policy) = policy else {
            return if request.policy.is_some() { Err(UnknownPolicy) } else { Ok(Answer::unlimited()) };
        };
        let key = limiter.key(policy.scope, request.client);
        let ask = Ask { policy: policy.id, key, cost: request.cost };
        let decision = match request.cost {
            0 => limiter.peek(ask, now_nanos),
            _ => limiter.decide(core, ask, now_nanos),
        };
        let state = PolicyState {
            policy,
            verdict: decision.verdict,
            limit: decision.rate.burst(),
            remaining: decision.remaining(),
            reset_after_nanos: decision.reset_after_nanos(),
        };
        let allowed = decision.verdict == Verdict::Allowed || policy.settings.dry_run;
        Ok(Answer { allowed, state: Some(state) })
    }
}

impl Answer<'_> {
    /// No policy has anything to say.
    fn unlimited() -> Self {
        Self { allowed: true, state: None }
    }

    /// What it is called in metrics and answers.
    #[must_use]
    pub fn result(&self) -> &'static str {
        let refused = self.state.is_some_and(|state| state.verdict != Verdict::Allowed);
        match (self.allowed, refused) {
            (true, false) => "allow",
            (true, true) => "would_deny",
            (false, _) => "deny",
        }
    }
}
