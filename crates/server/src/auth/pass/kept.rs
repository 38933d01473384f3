//! Passes that have been signed, for all threads and without a lock: a table of
//! small sets, in which a new pass takes the place of the oldest of its set.

use super::{Bearer, Pass};
use arc_swap::{ArcSwapOption, Guard};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const SETS: usize = 4096;
const WAYS: usize = 8;

pub(super) struct Kept {
    hashes: RandomState,
    /// Of each slot's pass a part of its hash, so that a look reads no pass of
    /// anybody else; 0 for nothing. It may lag behind the slot.
    tags: Box<[AtomicU32]>,
    slots: Box<[ArcSwapOption<Pass>]>,
}

/// Where a bearer's pass is kept.
#[derive(Clone, Copy)]
pub(super) struct Place {
    first: usize,
    tag: u32,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            hashes: RandomState::new(),
            tags: (0..SETS * WAYS).map(|_| AtomicU32::new(0)).collect(),
            slots: (0..SETS * WAYS).map(|_| ArcSwapOption::empty()).collect(),
        }
    }
}

impl Kept {
    pub(super) fn place(&self, bearer: Bearer<'_>) -> Place {
        let hash = self.hashes.hash_one((bearer.client, bearer.who, bearer.tenant, bearer.scopes));
        Place { first: hash as usize % SETS * WAYS, tag: (hash >> 32) as u32 | 1 }
    }

    /// The bearer's pass, whether it still holds or not.
    pub(super) fn get(&self, place: Place, bearer: Bearer<'_>) -> Option<Guard<Option<Arc<Pass>>>> {
        let tagged = place.ways().filter(|at| self.tags[*at].load(Ordering::Relaxed) == place.tag);
        let mut passes = tagged.map(|at| self.slots[at].load());
        passes.find(|pass| pass.as_ref().is_some_and(|pass| pass.is_of(bearer)))
    }

    pub(super) fn put(&self, place: Place, bearer: Bearer<'_>, pass: Arc<Pass>) {
        // The bearer's own, then an empty one, then the oldest.
        let rank = |at: &usize| match &*self.slots[*at].load() {
            Some(known) if known.is_of(bearer) => (0, None),
            None => (1, None),
            Some(known) => (2, Some(known.at)),
        };
        let Some(at) = place.ways().min_by_key(rank) else { return };
        self.slots[at].store(Some(pass));
        self.tags[at].store(place.tag, Ordering::Relaxed);
    }
}

impl Place {
    fn ways(self) -> Range<usize> {
        self.first..self.first + WAYS
    }

    /// From 0 to 1, always the same for a bearer.
    pub(super) fn spread(self) -> f64 {
        f64::from(self.tag) / f64::from(u32::MAX)
    }
}
