//! Buckets that many clients share.
//!
//! Each core borrows a few tokens at a time, so that cores don't fight for one
//! word. Lent tokens have been taken from the bucket; since it refills
//! meanwhile, a burst may be larger by what is lent out: at most one lease a
//! core, together at most an eighth of the bucket.

use crate::cell::{self, FULL_AT};
use crate::lines::{Line, WORDS};
use crate::sync::{AtomicU64, zeroed};
use crate::word::Parity;
use crate::{Bucket, CoreId, Rate};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// A shared bucket's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LevelId(pub u32);

/// Refill that a lease is worth at most.
const LEASE_NANOS: u64 = 1_000_000;

/// Refill that is owed at most of what was guaranteed.
const DEBT_NANOS: u64 = 1_000_000_000;

/// Part of a bucket that all leases together are at most.
const BUCKETS_A_LEASE: u64 = 8;

/// Word of a level's line: tokens that a lease has; 0 where there are none.
const LEASE: usize = 3;

/// In a lease: used since it was last looked at.
const USED: u64 = 1 << 32;

/// All shared buckets, by number.
#[derive(Debug)]
pub(crate) struct Levels {
    levels: Box<[Line]>,
    /// Core by core a word a level.
    leases: Box<[Line]>,
    leases_a_core: usize,
    cores: u16,
}

impl Levels {
    pub(crate) fn new(count: usize, cores: u16) -> Self {
        let cores = cores.max(1);
        // A line between cores, which write.
        let lines_a_core = count.div_ceil(WORDS) + 1;
        let leases = zeroed(lines_a_core * usize::from(cores));
        Self { levels: zeroed(count), leases, leases_a_core: lines_a_core * WORDS, cores }
    }

    fn level(&self, id: LevelId) -> Option<&Line> {
        self.levels.get(id.0 as usize)
    }

    pub(crate) fn is_there(&self, id: LevelId) -> bool {
        self.level(id).is_some()
    }

    #[inline]
    fn lease(&self, core: CoreId, id: LevelId) -> Option<&AtomicU64> {
        // A division only where it is needed.
        let core = if core.0 < self.cores { core.0 } else { core.0 % self.cores };
        self.leases.as_flattened().get(usize::from(core) * self.leases_a_core + id.0 as usize)
    }

    /// Puts a rate in force; what is left stays. One caller at a time.
    pub(crate) fn set(&self, id: LevelId, rate: Rate, now_nanos: u64) {
        let Some(level) = self.level(id) else { return };
        if cell::rate_of(level, level[FULL_AT].load(Acquire)) == 0 {
            cell::fill(level, rate, Bucket::default());
        }
        cell::set_rate(level, rate, now_nanos);
        if level[LEASE].swap(self.lease_tokens(rate), AcqRel) > 0 {
            self.give_back(level, id, |_| true);
        }
    }

    /// Nobody waits for it any more. One caller at a time.
    pub(crate) fn unset(&self, id: LevelId) {
        let Some(level) = self.level(id) else { return };
        if level[LEASE].swap(0, AcqRel) > 0 {
            self.give_back(level, id, |_| true);
        }
        for parity in [Parity::FIRST, Parity::FIRST.other()] {
            level[parity.index()].store(0, Release);
        }
    }

    fn lease_tokens(&self, rate: Rate) -> u64 {
        let by_time = LEASE_NANOS / rate.nanos_per_token();
        let by_depth = rate.burst() / (BUCKETS_A_LEASE * u64::from(self.cores));
        // One token a time is what the bucket itself gives.
        Some(by_time.min(by_depth)).filter(|tokens| *tokens > 1).unwrap_or(0)
    }

    /// The bucket as it is, leases not counted.
    pub(crate) fn get(&self, id: LevelId) -> Option<(Rate, Bucket)> {
        let level = self.level(id)?;
        let full_at = level[FULL_AT].load(Acquire);
        let rate = cell::rate_of(level, full_at);
        (rate != 0).then(|| (Rate::of_word(rate), crate::word::bucket(full_at)))
    }

    /// Takes of what this core has borrowed, if that is enough.
    #[inline]
    pub(crate) fn take_lent(&self, core: CoreId, id: LevelId, cost: u64) -> bool {
        self.lease(core, id).is_some_and(|lease| take_lent(lease, cost))
    }

    /// # Errors
    /// Nanoseconds until as many tokens are there.
    pub(crate) fn take(&self, core: CoreId, id: LevelId, cost: u64, now_nanos: u64) -> Result<(), u64> {
        let Some(level) = self.level(id) else { return Ok(()) };
        let lease_tokens = level[LEASE].load(Relaxed);
        let Some(lease) = self.lease(core, id).filter(|_| lease_tokens > 0) else {
            return take_alone(level, cost, now_nanos);
        };
        if take_lent(lease, cost) {
            return Ok(());
        }
        let wanted = lease_tokens.saturating_sub(tokens(lease.load(Relaxed)));
        // Of a cost that no lease can hold, a lease would only lie about.
        if cost <= lease_tokens && take_shared(level, cost + wanted, now_nanos).is_ok() {
            lend(level, lease, wanted, lease_tokens);
            return Ok(());
        }
        take_alone(level, cost, now_nanos)
    }

    /// Takes whatever the cost: what the bucket never holds is owed.
    ///
    /// # Errors
    /// Nanoseconds until there are tokens.
    pub(crate) fn take_any(&self, core: CoreId, id: LevelId, cost: u64, now_nanos: u64) -> Result<(), u64> {
        let Some((rate, _)) = self.get(id) else { return Ok(()) };
        let at_once = cost.min(rate.burst());
        self.take(core, id, at_once, now_nanos)?;
        if at_once < cost {
            self.owe(id, cost - at_once, now_nanos);
        }
        Ok(())
    }

    /// Takes whether there is anything or not. What was taken within a second is
    /// owed in full, however little the bucket holds.
    pub(crate) fn owe(&self, id: LevelId, cost: u64, now_nanos: u64) {
        let Some(level) = self.level(id) else { return };
        cell::change(level, |bucket, rate| {
            if rate.word() != 0 {
                bucket.owe(rate, cost, DEBT_NANOS, now_nanos);
            }
        });
    }

    /// Puts tokens back that a decision took a moment ago.
    pub(crate) fn untake(&self, core: CoreId, id: LevelId, cost: u64) {
        let Some(level) = self.level(id) else { return };
        match self.lease(core, id) {
            Some(lease) => lend(level, lease, cost, level[LEASE].load(Relaxed)),
            None => refund(level, cost),
        }
    }

    pub(crate) fn refund(&self, id: LevelId, cost: u64) {
        if let Some(level) = self.level(id) {
            refund(level, cost);
        }
    }

    pub(crate) fn charge(&self, id: LevelId, cost: u64, now_nanos: u64) {
        let Some(level) = self.level(id) else { return };
        cell::change(level, |bucket, rate| {
            if rate.word() != 0 {
                bucket.charge(rate, cost, now_nanos);
            }
        });
    }

    /// Puts a bucket that was reckoned with `rate` in its place, if it has one.
    pub(crate) fn restore(&self, id: LevelId, kept: Bucket, rate: Rate, now_nanos: u64) -> bool {
        let Some(level) = self.level(id) else { return false };
        cell::change(level, |bucket, in_force| {
            let is_set = in_force.word() != 0;
            if is_set {
                *bucket = if rate == in_force { kept } else { kept.under(rate, in_force, now_nanos) };
            }
            is_set
        })
    }

    /// Gives back what is lent and wasn't used since the last call.
    pub(crate) fn return_idle(&self) {
        for number in 0..self.levels.len() {
            let id = LevelId(number as u32);
            if let Some(level) = self.level(id) {
                self.give_back(level, id, |lease| lease & USED == 0);
            }
        }
    }

    fn give_back(&self, level: &Line, id: LevelId, is_due: impl Fn(u64) -> bool) {
        for lease in (0..self.cores).filter_map(|core| self.lease(CoreId(core), id)) {
            let seen = lease.load(Acquire);
            if !is_due(seen) {
                lease.fetch_and(!USED, AcqRel);
            } else if tokens(seen) > 0 && lease.compare_exchange(seen, 0, AcqRel, Relaxed).is_ok() {
                refund(level, tokens(seen));
            }
        }
    }
}

#[inline]
fn take_alone(level: &Line, cost: u64, now_nanos: u64) -> Result<(), u64> {
    take_shared(level, cost, now_nanos).or_else(|missing_nanos| {
        let rate = Rate::of_word(cell::rate_of(level, level[FULL_AT].load(Acquire)));
        match Bucket::is_ahead(rate, cost, missing_nanos) {
            true => take_after_coming_back(level, cost, now_nanos),
            false => Err(missing_nanos),
        }
    })
}

#[cold]
fn take_after_coming_back(level: &Line, cost: u64, now_nanos: u64) -> Result<(), u64> {
    cell::change(level, |bucket, rate| bucket.come_back(rate, now_nanos));
    take_shared(level, cost, now_nanos)
}

#[inline]
fn take_shared(level: &Line, cost: u64, now_nanos: u64) -> Result<(), u64> {
    cell::change(level, |bucket, rate| match rate.word() {
        // Nobody has said how much it holds.
        0 => Ok(()),
        _ => bucket.take(rate, cost, now_nanos),
    })
}

fn refund(level: &Line, cost: u64) {
    cell::change(level, |bucket, rate| bucket.refund(rate, cost));
}

fn tokens(lease: u64) -> u64 {
    lease & (USED - 1)
}

#[inline]
fn take_lent(lease: &AtomicU64, cost: u64) -> bool {
    let mut seen = lease.load(Acquire);
    while tokens(seen) >= cost {
        let next = USED | (tokens(seen) - cost);
        match lease.compare_exchange_weak(seen, next, AcqRel, Acquire) {
            Ok(_) => return true,
            Err(other) => seen = other,
        }
    }
    false
}

/// What no lease has room for goes back to the bucket.
fn lend(level: &Line, lease: &AtomicU64, cost: u64, room: u64) {
    let mut seen = lease.load(Acquire);
    loop {
        let lent = cost.min(room.saturating_sub(tokens(seen)));
        match lease.compare_exchange_weak(seen, USED | (tokens(seen) + lent), AcqRel, Acquire) {
            Ok(_) if lent == cost => return,
            Ok(_) => return refund(level, cost - lent),
            Err(other) => seen = other,
        }
    }
}
