//! What many clients share.

use crate::{LevelId, Rate};
use std::sync::atomic::{AtomicU64, Ordering};

/// A policy's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId(pub u16);

/// What holds each client of a policy, and all of them together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Each client's bucket, unless it has learned its own.
    pub rate: Rate,
    /// Buckets around it, the inner first.
    pub within: [Option<LevelId>; 2],
}

/// All policies, by number.
#[derive(Debug)]
pub(crate) struct Policies(Box<[Entry]>);

#[derive(Debug, Default)]
struct Entry {
    rate: AtomicU64,
    /// Two level numbers, each plus one; 0 for none.
    within: AtomicU64,
}

impl Policies {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Entry::default()).collect())
    }

    pub(crate) fn get(&self, id: PolicyId) -> Option<Policy> {
        let entry = self.0.get(usize::from(id.0))?;
        let rate = entry.rate.load(Ordering::Relaxed);
        let within = entry.within.load(Ordering::Relaxed);
        let level = |word: u32| word.checked_sub(1).map(LevelId);
        (rate != 0).then(|| Policy {
            rate: Rate::of_word(rate),
            within: [level(within as u32), level((within >> 32) as u32)],
        })
    }

    /// Gives the rate that was there.
    pub(crate) fn set(&self, id: PolicyId, policy: Policy) -> Option<Rate> {
        let entry = self.0.get(usize::from(id.0))?;
        let word = |level: Option<LevelId>| level.map_or(0, |level| u64::from(level.0) + 1);
        entry.within.store(word(policy.within[0]) | (word(policy.within[1]) << 32), Ordering::Relaxed);
        let before = entry.rate.swap(policy.rate.word(), Ordering::Relaxed);
        (before != 0).then(|| Rate::of_word(before))
    }
}
