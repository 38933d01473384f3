//! A tenant's limits where other replicas give out parts of them too.

use super::{Adaptation, Policy, PolicySet};
use crate::shares::Share;
use openclaw_limiter::{Ask, CoreId, Decision, LevelId, Limiter, PolicyId, Rate};
use std::fmt::Debug;

/// Who hears of each decision on a bucket, on the thread that makes it.
pub trait Note: Debug + Send + Sync {
    /// Tokens were asked for.
    fn decided(&self, core: CoreId, ask: &Ask, decision: &Decision);
}

/// A bucket of each client that replicas can share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientBucket {
    /// Its policy's number, on this replica.
    pub id: PolicyId,
    /// What it is called on all replicas.
    pub scope: u64,
    /// All of it.
    pub rate: Rate,
    /// Buckets around it.
    pub within: [Option<LevelId>; 2],
    /// Whether its clients learn; where what they learn is in force, their rates
    /// follow what they need of each replica, and shares of them don't move.
    pub adaptation: Adaptation,
}

/// A bucket of all clients that replicas can share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CommonBucket {
    /// Its number, on this replica.
    pub id: LevelId,
    /// What it is called on all replicas.
    pub scope: u64,
    /// All of it.
    pub rate: Rate,
}

/// What a replica may give out of a level, or of what has no level.
pub(super) type ShareOf<'f> = &'f dyn Fn(Option<LevelId>) -> Share;

impl PolicySet {
    /// Lets somebody hear of all decisions.
    #[must_use]
    pub fn noted_by(mut self, note: std::sync::Arc<dyn Note>) -> Self {
        self.note = Some(note);
        self
    }

    /// Puts all of them in force, of each the share that this replica holds;
    /// what clients have left stays.
    pub fn install_shares(
        &self,
        limiter: &Limiter,
        share_of: &dyn Fn(Option<LevelId>) -> Share,
        now_nanos: u64,
    ) {
        if let Some((level, rate)) = self.around {
            limiter.set_level(level, part(rate, share_of(Some(level))), now_nanos);
        }
        let around = self.around.map(|(level, _)| level);
        self.policies.iter().for_each(|policy| policy.install(limiter, around, share_of, now_nanos));
        self.total.iter().for_each(|total| total.install(limiter, None, share_of, now_nanos));
        self.descriptors.install(limiter, share_of(None), now_nanos);
        self.overrides.install(limiter, share_of(None), now_nanos);
    }

    /// Buckets of each client.
    pub fn client_buckets(&self) -> impl Iterator<Item = ClientBucket> {
        let around = self.around.map(|(level, _)| level);
        let own = self.policies.iter().map(move |policy| policy.client_bucket(around));
        let total = self.total.iter().map(|total| total.client_bucket(None));
        own.chain(total).chain(self.descriptors.client_buckets())
    }

    /// Buckets of all clients together.
    pub fn common_buckets(&self) -> impl Iterator<Item = CommonBucket> {
        let around = self.around.map(|(id, rate)| CommonBucket { id, scope: self.scope, rate });
        self.policies.iter().filter_map(Policy::common_bucket).chain(around)
    }
}

/// The rate that a replica with that share refills at, and its part of the
/// burst.
#[must_use]
pub fn part(whole: Rate, share: Share) -> Rate {
    if share == Share::WHOLE {
        return whole;
    }
    let burst = share.of_burst(u32::try_from(whole.burst()).unwrap_or(u32::MAX));
    Rate::new(share.of_rate(whole.tokens_per_s()), burst)
}
