//! Limits that requests bring along.

use super::settings::UnitRate;
use crate::policy::{Numbers, part};
use crate::shares::{Share, WHOLE};
use openclaw_alert::fnv1a;
use openclaw_limiter::{Limiter, Policy, PolicyId, Rate};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Different limits that a tenant's requests may bring along.
const OVERRIDES: usize = 64;

/// Policies for limits that are in no file. Each limit takes a place when it is
/// seen first; once all places are taken, a new limit is the nearest of those.
#[derive(Debug)]
pub(in crate::policy) struct Overrides {
    places: Vec<Place>,
    scope: u64,
    /// What this replica may give out of them.
    share: AtomicU32,
    taking: Mutex<()>,
}

#[derive(Debug)]
struct Place {
    id: PolicyId,
    /// The rate's word; 0 while the place is free.
    rate: AtomicU64,
}

impl Overrides {
    pub(in crate::policy) fn new(numbers: &mut impl Numbers) -> Self {
        let named = (0..OVERRIDES).map(|at| numbers.policy(&format!("descriptors/override/{at}").into()));
        let named: Vec<_> = named.collect();
        let scope = named.first().map_or(0, |(_, scope)| *scope);
        let place = |(id, _)| Place { id, rate: AtomicU64::new(0) };
        let places = named.into_iter().map(place).collect();
        Self { places, scope, share: AtomicU32::new(WHOLE), taking: Mutex::default() }
    }

    /// None where the tenant answers no descriptors.
    pub(in crate::policy) fn none() -> Self {
        Self { places: Vec::new(), scope: 0, share: AtomicU32::new(WHOLE), taking: Mutex::default() }
    }

    /// The policy of a limit, and the scope of its clients in a domain.
    pub(super) fn policy(
        &self,
        limiter: &Limiter,
        domain: &str,
        limit: UnitRate,
        now_nanos: u64,
    ) -> Option<(PolicyId, u64)> {
        let rate = Rate::new(limit.per_s(), limit.requests_per_unit);
        let place = self.known(rate).or_else(|| self.taken(limiter, rate, now_nanos))?;
        let word = place.rate.load(Ordering::Relaxed);
        let parts: [&[u8]; 3] = [&self.scope.to_le_bytes(), &word.to_le_bytes(), domain.as_bytes()];
        Some((place.id, fnv1a(&parts)))
    }

    /// A limit looks for its place from the same one on, so that it mostly has
    /// the same after settings have been read again.
    fn places(&self, rate: Rate) -> impl Iterator<Item = &Place> {
        let first = fnv1a(&[&rate.word().to_le_bytes()]) as usize % OVERRIDES;
        let (before, from) = self.places.split_at(first.min(self.places.len()));
        from.iter().chain(before)
    }

    fn known(&self, rate: Rate) -> Option<&Place> {
        let word = |place: &&Place| place.rate.load(Ordering::Acquire);
        self.places(rate).take_while(|place| word(place) != 0).find(|place| word(place) == rate.word())
    }

    /// The lock is taken once for each limit: a policy is in force before its
    /// place can be found.
    fn taken(&self, limiter: &Limiter, rate: Rate, now_nanos: u64) -> Option<&Place> {
        if self.places.iter().all(|place| place.rate.load(Ordering::Acquire) != 0) {
            return self.nearest(rate);
        }
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = self.known(rate) {
            return Some(place);
        }
        let Some(free) = self.places(rate).find(|place| place.rate.load(Ordering::Acquire) == 0) else {
            return self.nearest(rate);
        };
        self.put_in_force(limiter, free, rate, now_nanos);
        free.rate.store(rate.word(), Ordering::Release);
        Some(free)
    }

    /// What has been seen so far.
    pub(in crate::policy) fn install(&self, limiter: &Limiter, share: Share, now_nanos: u64) {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        self.share.store(share.parts(), Ordering::Relaxed);
        for place in &self.places {
            match place.rate.load(Ordering::Acquire) {
                0 => {}
                word => self.put_in_force(limiter, place, Rate::of_word(word), now_nanos),
            }
        }
    }

    fn put_in_force(&self, limiter: &Limiter, place: &Place, rate: Rate, now_nanos: u64) {
        let share = Share::of_parts(self.share.load(Ordering::Relaxed));
        limiter.set_policy(place.id, Policy { rate: part(rate, share), within: [None, None] }, now_nanos);
    }

    fn nearest(&self, wanted: Rate) -> Option<&Place> {
        let far = |place: &&Place| {
            let rate = Rate::of_word(place.rate.load(Ordering::Acquire));
            let times = |one: f64, other: f64| (one / other).ln().abs();
            times(rate.tokens_per_s(), wanted.tokens_per_s())
                + times(rate.burst() as f64, wanted.burst() as f64)
        };
        self.places.iter().min_by(|one, other| far(one).total_cmp(&far(other)))
    }
}
