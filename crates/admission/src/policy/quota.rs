//! Tokens for each hour, day, week or month.

use super::calendar::{Current, number};
use super::decide::Asked;
use super::{Numbers, QuotaSettings};
use crate::shares::Share;
use openclaw_limiter::{self as limiter, PolicyId, QuotaDecision};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// One quota in force.
#[derive(Debug)]
pub struct Quota {
    settings: QuotaSettings,
    name: Arc<str>,
    id: PolicyId,
    scope: u64,
    current: Current,
    /// What this replica may give out.
    limit: AtomicU32,
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
            limit: AtomicU32::new(settings.limit),
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
    pub(super) fn install(&self, share: Share) {
        self.limit.store(share.of_burst(self.settings.limit), Ordering::Relaxed);
    }

    fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Takes tokens of the client's period, or none.
    pub(super) fn take(&self, asked: &Asked<'_>, client: &[u8], cost: u32) -> QuotaState {
        let (counted, end_nanos) = self.counted(asked, client);
        let decision = asked.limiter.take_quota(counted, u64::from(cost), asked.now_nanos);
        self.state(decision, cost, end_nanos.saturating_sub(asked.now_nanos))
    }

    /// What [`Quota::take`] would say.
    pub(super) fn peek(&self, asked: &Asked<'_>, client: &[u8], cost: u32) -> QuotaState {
        let (counted, end_nanos) = self.counted(asked, client);
        let decision = asked.limiter.peek_quota(counted, u64::from(cost));
        self.state(decision, cost, end_nanos.saturating_sub(asked.now_nanos))
    }

    /// Takes `more` of the client's period, or what is left of it; gives as
    /// many back where negative.
    pub(super) fn settle(&self, asked: &Asked<'_>, client: &[u8], more: i64) {
        let (counted, _) = self.counted(asked, client);
        if more < 0 {
            asked.limiter.refund_quota(counted, more.unsigned_abs());
            return;
        }
        let left = counted.limit.saturating_sub(asked.limiter.peek_quota(counted, 0).used);
        asked.limiter.take_quota(counted, left.min(more.unsigned_abs()), asked.now_nanos);
    }

    /// The client's count, and when its period ends.
    fn counted(&self, asked: &Asked<'_>, client: &[u8]) -> (limiter::Quota, u64) {
        let end_nanos = self.current.end_nanos(self.settings.per, &self.settings.zone, asked.now_nanos);
        let counted = limiter::Quota {
            policy: self.id,
            key: asked.limiter.key(self.scope, client),
            limit: u64::from(self.limit()),
            window: number(end_nanos),
        };
        (counted, end_nanos)
    }

    fn state(&self, decision: QuotaDecision, cost: u32, reset_after_nanos: u64) -> QuotaState {
        QuotaState {
            allowed: decision.allowed,
            is_never: cost > self.limit(),
            remaining: u64::from(self.limit()).saturating_sub(decision.used),
            reset_after_nanos,
        }
    }
}
