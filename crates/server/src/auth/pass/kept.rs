//! Passes that have been signed, for all threads and without a lock: a table of
//! small sets, in which a new pass takes the place of the oldest of its set.

use super::{Bearer, Pass};
use arc_swap::{ArcSwapOption, Guard};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const SETS: usize = 4096;
const WAYS: usize = 8;

pub(super) struct Kept {
    hashes: RandomState,
    sets: Box<[Set]>,
}

/// Two lines of the cache that are fetched together.
#[derive(Default)]
#[repr(align(128))]
struct Set {
    /// Of each pass a part of its hash, so that a look reads no pass of anybody
    /// else; 0 for nothing. It may lag behind the pass.
    tags: [AtomicU32; WAYS],
    passes: [ArcSwapOption<Pass>; WAYS],
}

/// Where a bearer's pass is kept.
#[derive(Clone, Copy)]
pub(super) struct Place {
    set: usize,
    tag: u32,
}

impl Default for Kept {
    fn default() -> Self {
        Self { hashes: RandomState::new(), sets: (0..SETS).map(|_| Set::default()).collect() }
    }
}

impl Kept {
    pub(super) fn place(&self, bearer: Bearer<'_>) -> Place {
        let hash = self.hashes.hash_one((bearer.client, bearer.who, bearer.tenant, bearer.scopes));
        Place { set: hash as usize % SETS, tag: (hash >> 32) as u32 | 1 }
    }

    /// The bearer's pass, whether it still holds or not.
    pub(super) fn get(&self, place: Place, bearer: Bearer<'_>) -> Option<Guard<Option<Arc<Pass>>>> {
        let Set { tags, passes } = &self.sets[place.set];
        let tagged = tags.iter().zip(passes).filter(|(tag, _)| tag.load(Ordering::Relaxed) == place.tag);
        let mut passes = tagged.map(|(_, pass)| pass.load());
        passes.find(|pass| pass.as_ref().is_some_and(|pass| pass.is_of(bearer)))
    }

    pub(super) fn put(&self, place: Place, bearer: Bearer<'_>, pass: Arc<Pass>) {
        let Set { tags, passes } = &self.sets[place.set];
        // The bearer's own, then an empty one, then the oldest.
        let rank = |(_, known): &(&AtomicU32, &ArcSwapOption<Pass>)| match &*known.load() {
            Some(known) if known.is_of(bearer) => (0, None),
            None => (1, None),
            Some(known) => (2, Some(known.at)),
        };
        let Some((tag, known)) = tags.iter().zip(passes).min_by_key(rank) else { return };
        known.store(Some(pass));
        tag.store(place.tag, Ordering::Relaxed);
    }
}

impl Place {
    /// From 0 to 1, always the same for a bearer.
    pub(super) fn spread(self) -> f64 {
        f64::from(self.tag) / f64::from(u32::MAX)
    }
}
