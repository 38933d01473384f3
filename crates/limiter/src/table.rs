//! Every client's bucket, in a table of fixed size.
//!
//! A slot is two words: a tag (48 bits of the key's hash, 16 of the policy's
//! number) and when the bucket is full again. Four slots share a cache line; a
//! key lives in one of the 16 slots from its home line on. A slot is never
//! freed, only taken over: one whose bucket is full has nothing to forget.

use crate::{Key, PolicyId};
use std::sync::atomic::{AtomicU64, Ordering};

const WAYS: usize = 4;
const LINES_SEARCHED: usize = 4;
const TAG_MASK: u64 = !0 << 16;

#[derive(Debug, Default)]
struct Slot {
    tag: AtomicU64,
    full_at: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([Slot; WAYS]);

#[derive(Debug)]
pub(crate) struct Table(Box<[Line]>);

impl Table {
    /// Room for that many clients.
    pub(crate) fn new(clients: usize) -> Self {
        let lines = (clients * 10 / 7).div_ceil(WAYS).max(1) + LINES_SEARCHED - 1;
        Self((0..lines).map(|_| Line::default()).collect())
    }

    fn home(&self, key: Key) -> usize {
        let lines = (self.0.len() - LINES_SEARCHED + 1) as u128;
        ((u128::from(key.word()) * lines) >> 64) as usize
    }

    fn slots(&self, key: Key) -> impl Iterator<Item = &Slot> {
        self.0[self.home(key)..][..LINES_SEARCHED].iter().flat_map(|line| &line.0)
    }

    /// The client's bucket, if it has one.
    pub(crate) fn find(&self, policy: PolicyId, key: Key) -> Option<&AtomicU64> {
        let tag = tag(policy, key);
        self.slots(key).find(|slot| slot.tag.load(Ordering::Acquire) == tag).map(|slot| &slot.full_at)
    }

    /// The client's bucket; a new client takes the place of one whose bucket is
    /// full, or else of the one that is full first.
    pub(crate) fn find_or_insert(&self, policy: PolicyId, key: Key, now_nanos: u64) -> &AtomicU64 {
        loop {
            if let Some(found) = self.find(policy, key) {
                return found;
            }
            let full_at = |slot: &&Slot| slot.full_at.load(Ordering::Relaxed);
            let Some(victim) = self.slots(key).min_by_key(full_at) else { return &self.0[0].0[0].full_at };
            let seen = victim.tag.load(Ordering::Acquire);
            let tag = tag(policy, key);
            if victim.tag.compare_exchange(seen, tag, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                victim.full_at.fetch_min(now_nanos, Ordering::Relaxed);
                return &victim.full_at;
            }
        }
    }
}

fn tag(policy: PolicyId, key: Key) -> u64 {
    // Never 0, which is nobody's.
    ((key.word() << 16) & TAG_MASK | (1 << 16)) | u64::from(policy.0)
}
