//! One question, asked of every policy that it meets.

use super::quota::Quota;
use super::{Note, Policy, PolicySet};
use crate::Candidate;
use openclaw_limiter::{Ask, CoreId, Decision, Limiter, Verdict};
use smallvec::SmallVec;

/// Policies that one request meets at most; others are not asked.
pub const POLICIES_MET_MAX: usize = 8;

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
    /// The client's plan; empty where nobody says, then the settings say it.
    pub plan: &'r str,
    /// Tokens; 0 asks for the state alone.
    pub cost: u32,
}

/// A policy of that name isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownPolicy;

/// What all policies together say.
#[derive(Debug, Clone)]
pub struct Answer<'s> {
    /// Whether the client may go on.
    pub allowed: bool,
    /// The refusing policy with the longest wait, or else the one nearest its
    /// end; none where no policy's conditions hold. One in `dry_run` only
    /// where no other is met.
    pub state: Option<PolicyState<'s>>,
    /// All policies that were met, in order, the tenant's total last.
    pub states: States<'s>,
}

/// What the policies say that a request has met, and the tenant's total.
pub type States<'s> = SmallVec<[PolicyState<'s>; POLICIES_MET_MAX + 1]>;

/// What one policy says.
#[derive(Debug, Clone, Copy)]
pub struct PolicyState<'s> {
    /// Which.
    pub policy: &'s Policy,
    /// What its client learns.
    pub learns: Learns,
    /// Which of its limits is shown: the one that refuses for longest, or is
    /// nearest its end.
    pub shown: Shown<'s>,
    /// Whether this policy, alone, lets the client on.
    pub verdict: Verdict,
    /// Tokens that a full bucket holds.
    pub limit: u64,
    /// Tokens that are left.
    pub remaining: u64,
    /// Until the bucket is full.
    pub reset_after_nanos: u64,
}

/// What a client learns under a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learns {
    /// Nothing: the policy doesn't adapt.
    Nothing,
    /// Nothing yet.
    Candidate(Candidate),
    /// A limit that is shown.
    Advised,
    /// The limit that is in force.
    Enforced,
}

/// A limit of a policy.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'s> {
    /// Its token bucket.
    Bucket,
    /// One of its quotas.
    Quota(&'s Quota),
    /// That it always refuses this client.
    DenyList,
}

/// What every policy is asked with.
#[derive(Clone, Copy)]
pub(super) struct Asked<'r> {
    pub(super) limiter: &'r Limiter,
    pub(super) core: CoreId,
    pub(super) client: &'r [u8],
    pub(super) cost: u32,
    pub(super) now_nanos: u64,
    pub(super) note: Option<&'r dyn Note>,
}

impl Asked<'_> {
    /// Asks a bucket of each client, and lets it be known.
    pub(super) fn decide(&self, ask: Ask, now_nanos: u64) -> Decision {
        let decision = self.limiter.decide(self.core, ask, now_nanos);
        if let Some(note) = self.note {
            note.decided(self.core, &ask, &decision);
        }
        decision
    }
}

/// The policies asked so far.
struct Round<'a, 's, 'r> {
    asked: Asked<'r>,
    denied: bool,
    /// Written where it stays: it is large.
    answer: &'a mut Answer<'s>,
}

impl PolicySet {
    /// Takes tokens of every policy that the request meets, or of none.
    ///
    /// Where one refuses, those before it get back what they gave and those
    /// after it are only looked at. A policy in `dry_run` gives tokens where
    /// it could and all others allow.
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
        let note = self.note.as_deref();
        let asked = Asked { limiter, core, client: request.client, cost: request.cost, now_nanos, note };
        if let Some(name) = request.policy {
            return self.named(name).map(|policy| self.decide_named(policy, asked));
        }
        if self.exempt.holds(request.client) {
            return Ok(Answer::unlimited());
        }
        let mut answer = Answer::unlimited();
        let mut round = Round::new(asked, self.deny.holds(request.client), &mut answer);
        self.met(request, |policy| round.ask(policy));
        self.total.iter().for_each(|total| round.ask(total));
        round.end();
        Ok(answer)
    }

    /// Takes tokens of a policy and of the tenant's total, or of none.
    pub(super) fn decide_named<'s>(&'s self, policy: &'s Policy, asked: Asked<'_>) -> Answer<'s> {
        let mut answer = Answer::unlimited();
        if self.exempt.holds(asked.client) {
            return answer;
        }
        let mut round = Round::new(asked, self.deny.holds(asked.client), &mut answer);
        round.ask(policy);
        self.total.iter().for_each(|total| round.ask(total));
        round.end();
        answer
    }

    pub(super) fn named(&self, name: &str) -> Result<&Policy, UnknownPolicy> {
        self.policies.iter().find(|policy| *policy.settings.name == *name).ok_or(UnknownPolicy)
    }

    pub(super) fn met<'s>(&'s self, request: &Request<'_>, each: impl FnMut(&'s Policy)) {
        let plan = match request.plan {
            "" => self.plan(request.client),
            plan => plan,
        };
        let is_met = |policy: &&Policy| {
            let when = &policy.settings.when;
            when.are_none() || when.hold(request.path, request.method, plan)
        };
        self.policies.iter().filter(is_met).take(POLICIES_MET_MAX).for_each(each);
    }

    fn plan(&self, client: &[u8]) -> &str {
        self.plans.iter().find(|(_, clients)| clients.holds(client)).map_or("", |(plan, _)| plan)
    }
}

impl<'a, 's, 'r> Round<'a, 's, 'r> {
    fn new(asked: Asked<'r>, denied: bool, answer: &'a mut Answer<'s>) -> Self {
        answer.allowed = !denied;
        Self { asked, denied, answer }
    }

    fn ask(&mut self, policy: &'s Policy) {
        let settings = &policy.settings;
        if settings.exempt.holds(self.asked.client) {
            return;
        }
        let state = if self.denied || settings.deny.holds(self.asked.client) {
            policy.denying()
        } else if !self.answer.allowed || self.asked.cost == 0 {
            policy.peek(&self.asked)
        } else {
            policy.take(&self.asked)
        };
        if state.is_refused() && !settings.dry_run && self.answer.allowed {
            self.answer.allowed = false;
            self.give_back();
        }
        self.answer.states.push(state);
    }

    /// All that were asked so far, since none of those that count has refused.
    fn give_back(&mut self) {
        if self.asked.cost == 0 {
            return;
        }
        for state in self.answer.states.iter_mut().filter(|state| !state.is_refused()) {
            state.policy.give_back(&self.asked);
            *state = state.policy.peek(&self.asked);
        }
    }

    fn end(self) {
        let allowed = self.answer.allowed;
        let told =
            |state: &&PolicyState<'_>| allowed || (state.is_refused() && !state.policy.settings.dry_run);
        self.answer.state = self.answer.states.iter().filter(told).copied().reduce(PolicyState::worse);
    }
}

impl<'s> PolicyState<'s> {
    /// Whether this policy, alone, doesn't let the client on.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.verdict != Verdict::Allowed
    }

    /// What people are to see of two policies.
    fn worse(self, other: Self) -> Self {
        match (self.policy.settings.dry_run, other.policy.settings.dry_run) {
            (true, false) => other,
            (false, true) => self,
            _ => self.nearer(other),
        }
    }

    /// The one that refuses for longer, or else is nearer its end.
    pub(super) fn nearer(self, other: Self) -> Self {
        let wait = |state: &Self| match state.verdict {
            Verdict::Allowed => None,
            Verdict::Refused { retry_after_nanos, .. } => Some(retry_after_nanos),
        };
        let share = |one: &Self, of: &Self| u128::from(one.remaining) * u128::from(of.limit);
        let is_nearer = match (wait(&self), wait(&other)) {
            (None, None) => share(&other, &self) < share(&self, &other),
            (mine, its) => its > mine,
        };
        if is_nearer { other } else { self }
    }

    /// As fields and answers call it: the policy's name, with the period of a
    /// quota.
    #[must_use]
    pub fn name(&self) -> &'s str {
        match self.shown {
            Shown::Quota(quota) => quota.name(),
            Shown::Bucket | Shown::DenyList => &self.policy.settings.name,
        }
    }
}

impl Answer<'_> {
    /// No policy has anything to say.
    fn unlimited() -> Self {
        Self { allowed: true, state: None, states: States::new() }
    }

    /// What it is called in metrics and answers.
    #[must_use]
    pub fn result(&self) -> &'static str {
        match (self.allowed, self.states.iter().any(PolicyState::is_refused)) {
            (true, false) => "allow",
            (true, true) => "would_deny",
            (false, _) => "deny",
        }
    }
}
