//! Where a client's tokens are, and how they change.

use crate::cell::{self, FULL_AT};
use crate::learned::{self, Free, LearnedLines};
use crate::lines::Line;
use crate::policy::{Policies, Terms};
use crate::sync::AtomicU64;
use crate::table::{Found, Slot, Table, change_owned, swap_owned};
use crate::word::{self, LineUse, State, Tag};
use crate::{Bucket, LearnedId, NoRoom, PolicyId, Rate};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Times that a decision looks for its client anew when others move it; then
/// the policy's overflow bucket decides.
const TRIES: usize = 16;

/// A client and its policy, as a decision sees them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'l> {
    pub(crate) terms: Terms<'l>,
    pub(crate) tag: Tag,
    pub(crate) now_nanos: u64,
}

/// What a change said, and the bucket as it then is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed<'l, T> {
    pub(crate) told: T,
    pub(crate) bucket: Bucket,
    pub(crate) rate: Rate,
    pub(crate) line: Option<(LearnedId, &'l Line)>,
}

impl<'l, T> Changed<'l, T> {
    pub(crate) fn told<U>(self, told: U) -> Changed<'l, U> {
        Changed { told, bucket: self.bucket, rate: self.rate, line: self.line }
    }
}

/// Whether a client that has no slot gets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Insert,
    Leave,
}

#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) policies: Policies,
    pub(crate) table: Table,
    pub(crate) learned: LearnedLines,
}

impl Clients {
    /// Changes a client's bucket in one step. Of a client that is unknown and
    /// stays so, nothing changes: `None`.
    pub(crate) fn change<T>(
        &self,
        client: &Client<'_>,
        unknown: Unknown,
        mut change: impl FnMut(&mut Bucket, Rate) -> T,
    ) -> Option<Changed<'_, T>> {
        for _ in 0..TRIES {
            let slot = match self.table.find(client.tag) {
                Some(slot) => slot,
                None if unknown == Unknown::Leave => return None,
                None => match self.insert(client) {
                    Found::Slot(slot) => slot,
                    Found::Again => continue,
                    Found::NoRoom => break,
                },
            };
            if let Some(changed) = self.change_in(client, slot, &mut change) {
                return Some(changed);
            }
        }
        self.change_overflow(client, change)
    }

    /// Takes tokens of a client that is near its home, the way of nearly every
    /// decision: few enough instructions that memory is waited for by several at
    /// once. `None` where it is another's way, and nothing is taken then.
    #[inline]
    pub(crate) fn take_near_home(&self, client: Client<'_>, cost: u64) -> Option<Changed<'_, ()>> {
        let slot = self.table.near_home(client.tag)?;
        let state = slot.state.load(Acquire);
        let Some(bucket) = client.terms.plain_bucket(state) else {
            return self.take_learned(client, word::line(state)?, cost);
        };
        let rate = client.terms.rate;
        let bucket = bucket.less(rate, cost, client.now_nanos)?;
        let next = client.terms.word_taken(bucket);
        let is_taken = swap_owned(slot.state, slot.tag, client.tag, state, next);
        is_taken.then_some(Changed { told: (), bucket, rate, line: None })
    }

    #[inline]
    fn take_learned(&self, client: Client<'_>, used: LineUse, cost: u64) -> Option<Changed<'_, ()>> {
        let line = self.learned.line(used.index)?;
        let full_at = line[FULL_AT].load(Acquire);
        if word::is_special(full_at) {
            return None;
        }
        let rate = Rate::of_word(cell::rate_of(line, full_at));
        let bucket = word::bucket(full_at).less(rate, cost, client.now_nanos)?;
        let next = word::with_bucket(full_at, bucket);
        let is_taken = swap_owned(&line[FULL_AT], &line[learned::TAG], client.tag, full_at, next);
        is_taken.then_some(Changed { told: (), bucket, rate, line: Some((LearnedId(used.index), line)) })
    }

    fn insert(&self, client: &Client<'_>) -> Found<'_> {
        let full = client.terms.word(Bucket::full_at(client.now_nanos));
        self.table.insert(client.tag, full, |tag, state| self.policies.loss(tag, state, client.now_nanos))
    }

    fn change_in<T>(
        &self,
        client: &Client<'_>,
        slot: Slot<'_>,
        mut change: impl FnMut(&mut Bucket, Rate) -> T,
    ) -> Option<Changed<'_, T>> {
        let terms = &client.terms;
        let mark = word::moving(client.tag);
        let mut line = None;
        let changed = change_owned(slot.state, slot.tag, client.tag, |state| {
            let mut bucket = match word::is_special(state) {
                false => terms.bucket(state),
                true if state == mark => Bucket::default(),
                true => {
                    line = Some(state);
                    return None;
                }
            };
            let told = change(&mut bucket, terms.rate);
            Some((terms.word(bucket), Changed { told, bucket, rate: terms.rate, line: None }))
        });
        match line.map(State::of) {
            Some(State::Learned(line)) => self.change_learned(client, slot, line, change),
            _ => changed,
        }
    }

    fn change_learned<T>(
        &self,
        client: &Client<'_>,
        slot: Slot<'_>,
        used: LineUse,
        mut change: impl FnMut(&mut Bucket, Rate) -> T,
    ) -> Option<Changed<'_, T>> {
        let line = self.learned.line(used.index)?;
        let shown = Some((LearnedId(used.index), line));
        let mut waits = None;
        let changed = change_owned(&line[FULL_AT], &line[learned::TAG], client.tag, |full_at| {
            if word::is_special(full_at) {
                waits = Some(full_at);
                return None;
            }
            let mut bucket = word::bucket(full_at);
            let rate = Rate::of_word(cell::rate_of(line, full_at));
            let told = change(&mut bucket, rate);
            let next = word::of_bucket(word::parity(full_at), bucket);
            Some((next, Changed { told, bucket, rate, line: shown }))
        });
        if let Some(full_at) = waits {
            self.move_back(client, slot.state, used, full_at);
        }
        changed
    }

    fn change_overflow<T>(
        &self,
        client: &Client<'_>,
        mut change: impl FnMut(&mut Bucket, Rate) -> T,
    ) -> Option<Changed<'_, T>> {
        let word = self.policies.overflow(client.tag.policy())?;
        let mut seen = word.load(Acquire);
        loop {
            let mut bucket = client.terms.bucket(seen);
            let told = change(&mut bucket, client.terms.rate);
            match word.compare_exchange_weak(seen, client.terms.word(bucket), AcqRel, Acquire) {
                Ok(_) => return Some(Changed { told, bucket, rate: client.terms.rate, line: None }),
                Err(other) => seen = other,
            }
        }
    }

    /// The bucket as it is, and where; of an unknown client none.
    pub(crate) fn look(&self, client: &Client<'_>) -> Option<Changed<'_, ()>> {
        self.change(client, Unknown::Leave, |_, _| ())
    }

    /// Gives the client a line; what is left stays.
    pub(crate) fn learn(
        &self,
        client: &Client<'_>,
        rate: Rate,
        free: &mut Free,
    ) -> Result<LearnedId, NoRoom> {
        let used = free.take(&self.learned).ok_or(NoRoom)?;
        let line = self.learned.line(used.index).ok_or(NoRoom)?;
        for _ in 0..TRIES {
            let slot = match self.table.find(client.tag).map_or_else(|| self.insert(client), Found::Slot) {
                Found::Slot(slot) => slot,
                Found::Again => continue,
                Found::NoRoom => break,
            };
            if move_over(client, slot, line, used, rate) {
                return Ok(LearnedId(used.index));
            }
        }
        learned::clear(line);
        free.give(used.index);
        Err(NoRoom)
    }

    /// Gives the line up; what is left goes back to the slot.
    pub(crate) fn forget(&self, id: LearnedId, now_nanos: u64, free: &mut Free) -> bool {
        let Some((line, tag)) = self.learned.owned(id) else { return false };
        let waits = learned::give_up(line);
        if let Some(slot) = self.table.find(tag) {
            let state = slot.state.load(Acquire);
            if let State::Learned(used) = State::of(state)
                && used.index == id.0
            {
                match self.policies.get(tag.policy()) {
                    Some(terms) => self.move_back(&Client { terms, tag, now_nanos }, slot.state, used, waits),
                    None => drop(slot.state.compare_exchange(state, 0, AcqRel, Relaxed)),
                }
            }
        }
        learned::clear(line);
        free.give(id.0);
        true
    }

    #[cold]
    fn move_back(&self, client: &Client<'_>, state: &AtomicU64, used: LineUse, full_at: u64) {
        let Some(line) = self.learned.line(used.index) else { return };
        let rate = Rate::of_word(cell::rate_of(line, full_at));
        if rate.word() == 0 {
            return;
        }
        let bucket = word::bucket(full_at).under(rate, client.terms.rate, client.now_nanos);
        let _ = state.compare_exchange(word::of_line(used), client.terms.word(bucket), AcqRel, Relaxed);
    }

    /// The line of a client that has one.
    pub(crate) fn line(&self, tag: Tag) -> Option<&Line> {
        let slot = self.table.find(tag)?;
        let State::Learned(used) = State::of(slot.state.load(Acquire)) else { return None };
        self.learned.line(used.index).filter(|line| line[learned::TAG].load(Acquire) == tag.0)
    }

    /// Asks for the client's learned line, if it has one.
    pub(crate) fn touch_line(&self, tag: Tag) -> u64 {
        let slot = self.table.find(tag);
        match slot.map(|slot| State::of(slot.state.load(Relaxed))) {
            Some(State::Learned(used)) => {
                self.learned.line(used.index).map_or(0, |line| line[FULL_AT].load(Relaxed))
            }
            _ => 0,
        }
    }

    /// Reads all buckets of these policies by the rate in force, so that the
    /// one before can be given up.
    pub(crate) fn bring_over(&self, policies: &BTreeSet<PolicyId>) {
        let over =
            |terms: Terms<'_>, state| (!word::is_special(state)).then(|| terms.word(terms.bucket(state)));
        for slot in (0..self.table.len()).filter_map(|index| self.table.slot(index)) {
            let tag = Tag(slot.tag.load(Acquire));
            if tag == Tag::FRESH || !policies.contains(&tag.policy()) {
                continue;
            }
            if let Some(terms) = self.policies.get(tag.policy()) {
                change_owned(slot.state, slot.tag, tag, |state| Some((over(terms, state)?, ())));
            }
        }
        for (policy, word) in
            policies.iter().filter_map(|id| Some((self.policies.get(*id)?, self.policies.overflow(*id)?)))
        {
            let _ = word.fetch_update(AcqRel, Acquire, |state| over(policy, state));
        }
    }
}

/// Moves a bucket from its slot to a line that nobody knows of yet.
fn move_over(client: &Client<'_>, slot: Slot<'_>, line: &Line, used: LineUse, rate: Rate) -> bool {
    line[learned::TAG].store(client.tag.0, Release);
    let moved = change_owned(slot.state, slot.tag, client.tag, |state| {
        let bucket = (!word::is_special(state)).then(|| client.terms.bucket(state))?;
        cell::fill(line, rate, bucket.under(client.terms.rate, rate, client.now_nanos));
        Some((word::of_line(used), ()))
    });
    moved.is_some()
}
