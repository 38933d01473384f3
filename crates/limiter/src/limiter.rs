//! Decisions.

use crate::level::{Levels, try_update, update};
use crate::policy::Policies;
use crate::table::Table;
use crate::{Bucket, Key, LevelId, Policy, PolicyId, Rate, Seed};
use std::sync::atomic::Ordering;

/// How much there is room for; nothing grows later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Clients whose bucket isn't full, at a time.
    pub clients: usize,
    /// Policies.
    pub policies: u16,
    /// Buckets that clients share.
    pub levels: u32,
    /// Threads that decide.
    pub cores: u16,
}

/// The number of the thread that decides, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreId(pub u16);

/// A question: may this client go on?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Whose limit.
    pub policy: PolicyId,
    /// Who.
    pub key: Key,
    /// Tokens; 0 asks for the state alone.
    pub cost: u32,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may go on.
    pub verdict: Verdict,
    /// The client's own bucket, under which limit it was decided.
    pub rate: Rate,
    /// Tokens left in it.
    pub remaining: u64,
    /// Until it is full.
    pub reset_after_nanos: u64,
}

/// Whether a client may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may; the tokens are taken at every level.
    Allowed,
    /// It may not; nothing is taken.
    Refused {
        /// Which bucket was empty.
        by: RefusedBy,
        /// Until as many tokens are there; `u64::MAX` for never.
        retry_after_nanos: u64,
    },
}

/// Which bucket was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// The client's own.
    Client,
    /// One that it shares.
    Level(LevelId),
    /// The policy isn't there.
    NoPolicy,
}

/// Buckets of very many clients, in the buckets of what they belong to.
#[derive(Debug)]
pub struct Limiter {
    seed: Seed,
    policies: Policies,
    levels: Levels,
    table: Table,
}

impl Limiter {
    /// All buckets full.
    #[must_use]
    pub fn new(sizes: Sizes, seed: Seed) -> Self {
        Self {
            seed,
            policies: Policies::new(usize::from(sizes.policies)),
            levels: Levels::new(sizes.levels as usize),
            table: Table::new(sizes.clients),
        }
    }

    /// What `client` is called in `scope`, such as a tenant's policy.
    #[must_use]
    pub fn key(&self, scope: u64, client: &[u8]) -> Key {
        Key::new(&self.seed, scope, client)
    }

    /// Puts a policy in force; what its clients have left stays.
    pub fn set_policy(&self, id: PolicyId, policy: Policy) {
        self.policies.set(id, policy);
    }

    /// Puts a shared bucket's rate in force; what is left stays.
    pub fn set_level(&self, id: LevelId, rate: Rate, now_nanos: u64) {
        self.levels.set(id, rate, now_nanos);
    }

    /// Takes tokens at every level, or none at any.
    pub fn decide(&self, _core: CoreId, ask: Ask, now_nanos: u64) -> Decision {
        let Some(policy) = self.policies.get(ask.policy) else { return no_policy() };
        let own = self.table.find_or_insert(ask.policy, ask.key, now_nanos);
        let cost = u64::from(ask.cost);
        let taken = try_update(own, |bucket| bucket.take(policy.rate, cost, now_nanos));
        let verdict = match taken {
            Ok(()) => self.take_within(&policy, cost, now_nanos, || {
                update(own, |bucket| bucket.refund(policy.rate, cost));
            }),
            Err(retry_after_nanos) => Verdict::Refused { by: RefusedBy::Client, retry_after_nanos },
        };
        shown(verdict, policy.rate, Bucket::full_at(own.load(Ordering::Relaxed)), now_nanos)
    }

    fn take_within(&self, policy: &Policy, cost: u64, now_nanos: u64, undo: impl Fn()) -> Verdict {
        let levels = || policy.within.iter().flatten().copied();
        for (taken, level) in levels().enumerate() {
            if let Err(retry_after_nanos) = self.levels.take(level, cost, now_nanos) {
                levels().take(taken).for_each(|level| self.levels.refund(level, cost));
                undo();
                return Verdict::Refused { by: RefusedBy::Level(level), retry_after_nanos };
            }
        }
        Verdict::Allowed
    }

    /// What [`Limiter::decide`] would say; takes nothing.
    #[must_use]
    pub fn peek(&self, ask: Ask, now_nanos: u64) -> Decision {
        let Some(policy) = self.policies.get(ask.policy) else { return no_policy() };
        let own = self.table.find(ask.policy, ask.key).map_or(0, |own| own.load(Ordering::Relaxed));
        let bucket = Bucket::full_at(own);
        let cost = u64::from(ask.cost);
        let mut verdict = Verdict::Allowed;
        let around = policy.within.iter().flatten();
        for (level, (rate, mut bucket)) in around.filter_map(|id| Some((*id, self.levels.get(*id)?))) {
            if let Err(retry_after_nanos) = bucket.take(rate, cost, now_nanos) {
                verdict = Verdict::Refused { by: RefusedBy::Level(level), retry_after_nanos };
            }
        }
        if let Err(retry_after_nanos) = { bucket }.take(policy.rate, cost, now_nanos) {
            verdict = Verdict::Refused { by: RefusedBy::Client, retry_after_nanos };
        }
        shown(verdict, policy.rate, bucket, now_nanos)
    }

    /// Corrects what was taken before its cost was known: takes `more` tokens
    /// whether they are there or not (the bucket goes into debt, at most one
    /// full bucket), or gives back as many where negative.
    pub fn settle(&self, _core: CoreId, policy: PolicyId, key: Key, more: i64, now_nanos: u64) {
        let Some(known) = self.policies.get(policy) else { return };
        let own = self.table.find_or_insert(policy, key, now_nanos);
        let cost = more.unsigned_abs();
        update(own, |bucket| match more < 0 {
            true => bucket.refund(known.rate, cost),
            false => bucket.charge(known.rate, cost, now_nanos),
        });
        for level in known.within.into_iter().flatten() {
            match more < 0 {
                true => self.levels.refund(level, cost),
                false => self.levels.charge(level, cost, now_nanos),
            }
        }
    }
}

fn shown(verdict: Verdict, rate: Rate, bucket: Bucket, now_nanos: u64) -> Decision {
    let remaining = bucket.available(rate, now_nanos);
    Decision { verdict, rate, remaining, reset_after_nanos: bucket.owed_nanos(now_nanos) }
}

fn no_policy() -> Decision {
    let verdict = Verdict::Refused { by: RefusedBy::NoPolicy, retry_after_nanos: u64::MAX };
    Decision { verdict, rate: Rate::new(0.0, 1), remaining: 0, reset_after_nanos: 0 }
}
