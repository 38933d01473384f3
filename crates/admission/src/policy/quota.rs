//! Tokens for each hour, day, week or month.
//!
//! A quota is a bucket that never refills: it is asked as of its period's end,
//! and each period's key is another. What is past counts as full, and gives
//! its slot away.

use super::calendar::{Current, number};
use super::decide::Asked;
use super::{Numbers, QuotaSettings};
use crate::shares::Share;
use openclaw_alert::fnv1a;
use openclaw_limiter::{self as limiter, Ask, Decision, Limiter, PolicyId, Rate, Verdict};
use std::sync::Arc;

/// A bucket's tokens, each a nanosecond.
const TOKENS_PER_S: f64 = 1e9;

/// One quota in force.
#[derive(Debug)]
pub struct Quota {
    settings: QuotaSettings,
    name: Arc<str>,
    id: PolicyId,
    scope: u64,
    current: Current,
}

/// What a quota says.
pub(super) struct QuotaState {
    pub(super) allowed: bool,
    /// More than any period has.
    pub(super) is_never: bool,
    pub(super) remaining: u64,
    /// Until the next period.
    pub(super) reset_after_nanos: u64,
}

impl Quota {
    pub(super) fn new(settings: &QuotaSettings, policy: &str, numbers: &mut impl Numbers) -> Self {
        let per = settings.per.word();
        let (id, scope) = numbers.policy(&format!("quota/{policy}/{per}").into());
        Self {
            settings: settings.clone(),
            name: format!("{policy}-{per}").into(),
            id,
            scope,
            current: Current::default(),
        }
    }

    /// What the settings say.
    #[must_use]
    pub fn settings(&self) -> &QuotaSettings {
        &self.settings
    }

    /// The policy's name and the period: `api-day`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Among replicas in equal parts: what isn't refilled can't move.
    pub(super) fn install(&self, limiter: &Limiter, share: Share, now_nanos: u64) {
        let rate = Rate::new(TOKENS_PER_S, share.of_burst(self.settings.limit));
        limiter.set_policy(self.id, limiter::Policy { rate, within: [None, None] }, now_nanos);
    }

    /// Takes tokens of the client's period, or none.
    pub(super) fn take(&self, asked: &Asked<'_>, client: &[u8], cost: u32) -> QuotaState {
        let (ask, end_nanos) = self.question(asked, client, cost);
        self.state(&ask, &asked.limiter.decide(asked.core, ask, end_nanos), end_nanos, asked.now_nanos)
    }

    /// What [`Quota::take`] would say.
    pub(super) fn peek(&self, asked: &Asked<'_>, client: &[u8], cost: u32) -> QuotaState {
        let (ask, end_nanos) = self.question(asked, client, cost);
        self.state(&ask, &asked.limiter.peek(ask, end_nanos), end_nanos, asked.now_nanos)
    }

    /// Takes `more` of the client's period whether they are there or not, or
    /// gives as many back.
    pub(super) fn settle(&self, asked: &Asked<'_>, client: &[u8], more: i64) {
        let (ask, end_nanos) = self.question(asked, client, 0);
        asked.limiter.settle(asked.core, ask.policy, ask.key, more, end_nanos);
    }

    fn question(&self, asked: &Asked<'_>, client: &[u8], cost: u32) -> (Ask, u64) {
        let end_nanos = self.current.end_nanos(self.settings.per, &self.settings.zone, asked.now_nanos);
        let scope = fnv1a(&[&self.scope.to_le_bytes(), &number(end_nanos).to_le_bytes()]);
        let key = asked.limiter.key(scope, client);
        (Ask { policy: self.id, key, cost }, end_nanos)
    }

    fn state(&self, ask: &Ask, decision: &Decision, end_nanos: u64, now_nanos: u64) -> QuotaState {
        QuotaState {
            allowed: decision.verdict == Verdict::Allowed,
            is_never: ask.cost > self.settings.limit,
            remaining: decision.remaining(),
            reset_after_nanos: end_nanos.saturating_sub(now_nanos),
        }
    }
}
