//! Lines of clients that have a rate of their own, and what they did lately.
//!
//! A line has a state of its own, so that the table's slot only says which line
//! it is. A line that is given up keeps its bucket under a mark until the slot
//! has it again; whoever meets the mark finishes the move.

use crate::cell::{self, FULL_AT};
use crate::lines::Line;
use crate::sync::zeroed;
use crate::word::{self, LineUse, Tag};
use crate::{Key, PolicyId, Rate};
use std::ops::Range;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// A learned client's number: dense, from 0, and free for another once the
/// client is forgotten. What a caller keeps beside it can be an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LearnedId(pub u32);

/// How a client's request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it failed by the client's own doing (4xx other than 429).
    pub own_fault: bool,
    /// How long it took.
    pub latency_ms: u32,
}

/// What a client did since it was last asked after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Decisions that let it go on.
    pub allowed: u32,
    /// Decisions that didn't.
    pub refused: u32,
    /// Tokens spent.
    pub cost: u64,
    /// Requests whose outcome was told; counts to 65 535.
    pub observed: u16,
    /// Of these, those that failed by its own doing.
    pub own_faults: u16,
    /// Of these, by latency: up to 1/8, 1/4, 1/2, 1, 2, 4, 8 times what is
    /// asked of the policy, and beyond; each counts to 65 535.
    pub latency: [u16; 8],
}

/// A learned client, as [`crate::Limiter::learned`] shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learned {
    /// Its number.
    pub id: LearnedId,
    /// Its policy.
    pub policy: PolicyId,
    /// Who.
    pub key: Key,
    /// Its bucket's rate.
    pub rate: Rate,
    /// Whole tokens left.
    pub left: u64,
    /// What it did; counted from 0 again.
    pub window: Window,
}

/// All lines are taken, or the table has no room for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no room for a learned client: raise the number given to `with_learned`, or forget one")]
pub struct NoRoom;

pub(crate) const TAG: usize = 3;
/// Allowed (low half) and refused.
const COUNTS: usize = 4;
/// Tokens beyond one each allowed decision (low half), own faults, observed.
const SEEN: usize = 5;
const HISTOGRAM: usize = 6;
const OWN_FAULTS_AT: u32 = 32;
const OBSERVED_AT: u32 = 48;

#[derive(Debug)]
pub(crate) struct LearnedLines(Box<[Line]>);

/// Which lines are free.
#[derive(Debug, Default)]
pub(crate) struct Free {
    used_once: u32,
    given_up: Vec<u32>,
    turn: u32,
}

impl Free {
    pub(crate) fn take(&mut self, lines: &LearnedLines) -> Option<LineUse> {
        let fresh = (self.used_once < lines.count()).then_some(self.used_once);
        let index = self.given_up.pop().or(fresh)?;
        self.used_once = self.used_once.max(index + 1);
        self.turn = (self.turn + 1) & word::TURN_MASK;
        Some(LineUse { index, turn: self.turn })
    }

    pub(crate) fn give(&mut self, index: u32) {
        self.given_up.push(index);
    }
}

impl LearnedLines {
    pub(crate) fn new(count: usize) -> Self {
        Self(zeroed(count))
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.len() as u32
    }

    #[inline]
    pub(crate) fn line(&self, index: u32) -> Option<&Line> {
        self.0.get(index as usize)
    }

    /// A client's line, if it is in use.
    pub(crate) fn owned(&self, id: LearnedId) -> Option<(&Line, Tag)> {
        let line = self.line(id.0).filter(|_| id.0 < self.count())?;
        let tag = Tag(line[TAG].load(Acquire));
        (tag != Tag::FRESH).then_some((line, tag))
    }

    pub(crate) fn take_windows(
        &self,
        range: Range<u32>,
        now_nanos: u64,
    ) -> impl Iterator<Item = Learned> + use<'_> {
        (range.start..range.end.min(self.count())).filter_map(move |index| {
            let (line, tag) = self.owned(LearnedId(index))?;
            let full_at = line[FULL_AT].load(Acquire);
            let rate = Rate::of_word(cell::rate_of(line, full_at));
            let left = word::bucket(full_at).available(rate, now_nanos);
            let window = take_window(line);
            Some(Learned { id: LearnedId(index), policy: tag.policy(), key: tag.key(), rate, left, window })
        })
    }
}

fn take_window(line: &Line) -> Window {
    let [counts, seen] = [COUNTS, SEEN].map(|word| line[word].swap(0, Relaxed));
    let histogram = [0, 1].map(|half| line[HISTOGRAM + half].swap(0, Relaxed));
    let (allowed, refused) = (counts as u32, (counts >> 32) as u32);
    Window {
        allowed,
        refused,
        cost: u64::from(allowed) + u64::from(seen as u32),
        observed: (seen >> OBSERVED_AT) as u16,
        own_faults: (seen >> OWN_FAULTS_AT) as u16,
        latency: std::array::from_fn(|bin| (histogram[bin / 4] >> (bin % 4 * 16)) as u16),
    }
}

/// Nobody's any more; counts nothing.
pub(crate) fn clear(line: &Line) {
    line[TAG].store(Tag::FRESH.0, Release);
    take_window(line);
}

/// Tokens spent since the client was last asked after.
pub(crate) fn spent(line: &Line) -> u64 {
    let [counts, seen] = [COUNTS, SEEN].map(|word| line[word].load(Relaxed));
    u64::from(counts as u32) + u64::from(seen as u32)
}

#[inline]
pub(crate) fn count(line: &Line, is_allowed: bool, cost: u64) {
    line[COUNTS].fetch_add(if is_allowed { 1 } else { 1 << 32 }, Relaxed);
    if is_allowed && cost != 1 {
        count_cost(line, cost as i64 - 1);
    }
}

/// Tokens that were spent beyond what was counted, or fewer.
pub(crate) fn count_cost(line: &Line, more: i64) {
    let _ = line[SEEN].fetch_update(Relaxed, Relaxed, |seen| {
        let cost = (seen as u32).saturating_add_signed(more.clamp(i32::MIN.into(), i32::MAX.into()) as i32);
        Some(seen & !u64::from(u32::MAX) | u64::from(cost))
    });
}

pub(crate) fn observe(line: &Line, outcome: Outcome, slo_ms: u32) {
    let _ = line[SEEN].fetch_update(Relaxed, Relaxed, |seen| {
        let seen = one_more(seen, OBSERVED_AT);
        Some(if outcome.own_fault { one_more(seen, OWN_FAULTS_AT) } else { seen })
    });
    let bin = latency_bin(outcome.latency_ms, slo_ms);
    let _ = line[HISTOGRAM + bin / 4]
        .fetch_update(Relaxed, Relaxed, |seen| Some(one_more(seen, bin as u32 % 4 * 16)));
}

/// Counts in 16 bits from `at` on; stays at the most.
fn one_more(word: u64, at: u32) -> u64 {
    match (word >> at) as u16 {
        u16::MAX => word,
        _ => word + (1 << at),
    }
}

fn latency_bin(latency_ms: u32, slo_ms: u32) -> usize {
    let slo_ms = u64::from(slo_ms);
    (0..7).position(|bin| u64::from(latency_ms) * 8 <= slo_ms << bin).unwrap_or(7)
}

/// The mark under which a line's bucket waits for its slot.
pub(crate) fn give_up(line: &Line) -> u64 {
    let mut seen = line[FULL_AT].load(Acquire);
    while let Err(other) = line[FULL_AT].compare_exchange_weak(seen, word::given_up(seen), AcqRel, Acquire) {
        seen = other;
    }
    seen
}
