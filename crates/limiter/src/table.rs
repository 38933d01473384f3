//! Every client's slot, in a table of fixed size.
//!
//! A slot is two words, tag and state (`word.rs`). Four slots share a cache
//! line; a client lives in one of the 16 slots from its home line on. It looks at
//! those of a line in turn from its home slot on, and the first that has its tag
//! is the one that counts. A slot is never freed, only taken over: one whose
//! bucket is full has nothing to forget.
//!
//! Who takes a slot over first swaps the state for a mark, then writes the tag,
//! then swaps the mark for a full bucket. The tag changes under the mark alone,
//! so whoever has changed a state looks at the tag once more, and takes its
//! change back where the slot has become another's.

use crate::lines::LINE_BYTES;
use crate::sync::{AtomicU64, zeroed};
use crate::word::{self, Tag};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

const WAYS: usize = 4;
const LINES_SEARCHED: usize = 4;

/// Slots for 32 clients: 23.5 bytes each. The rest of the 24 bytes that a client
/// may cost is for policies and levels.
const SLOTS_FOR_32: usize = 47;

/// A client's place in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot<'t> {
    pub(crate) tag: &'t AtomicU64,
    pub(crate) state: &'t AtomicU64,
}

/// What became of an attempt to get a slot.
#[derive(Debug)]
pub(crate) enum Found<'t> {
    Slot(Slot<'t>),
    /// Another thread was faster.
    Again,
    /// All slots of the window are held.
    NoRoom,
}

#[derive(Debug)]
pub(crate) struct Table {
    /// Tag and state.
    slots: Box<[[AtomicU64; 2]]>,
    /// The first that begins a cache line.
    first: usize,
    /// Slots at which clients may be at home.
    homes: usize,
}

impl Table {
    /// Room for that many clients.
    pub(crate) fn new(clients: usize) -> Self {
        let homes = (clients * SLOTS_FOR_32).div_ceil(32 * WAYS).max(1) * WAYS;
        let slots = zeroed(homes + (LINES_SEARCHED - 1) * WAYS + WAYS - 1);
        let beyond = slots.as_ptr().addr() % LINE_BYTES;
        let first = (LINE_BYTES - beyond) % LINE_BYTES / size_of::<[u64; 2]>();
        Self { slots, first, homes }
    }

    /// The slot at which the client looks first.
    #[inline]
    fn home(&self, tag: Tag) -> usize {
        ((u128::from(tag.hashed()) * self.homes as u128) >> 64) as usize
    }

    /// The slot at which a client looks after so many others: those of its home
    /// line in turn, then those of the next.
    #[inline]
    fn after(&self, home: usize, others: usize) -> Option<Slot<'_>> {
        self.slot(home / WAYS * WAYS + others / WAYS * WAYS + (home + others) % WAYS)
    }

    /// The slots in which the client may be, in its order.
    #[inline]
    fn slots(&self, tag: Tag) -> impl Iterator<Item = Slot<'_>> {
        let home = self.home(tag);
        (0..LINES_SEARCHED * WAYS).filter_map(move |others| self.after(home, others))
    }

    /// Asks for the client's home line; a caller that does so for many clients
    /// waits for memory once.
    #[inline]
    pub(crate) fn touch(&self, tag: Tag) -> u64 {
        self.slot(self.home(tag)).map_or(0, |slot| slot.tag.load(Relaxed))
    }

    /// A slot that has the client's tag; another client may be about to take it
    /// over.
    ///
    /// By reckoning two of three are in the first slot that is looked at. That is for the
    /// processor to guess: while memory answers it goes on with that slot, and
    /// with the next decision. Were the slots of a line compared before a branch, the
    /// slot's address would be known only afterwards, and all would wait for it.
    #[inline]
    pub(crate) fn near_home(&self, tag: Tag) -> Option<Slot<'_>> {
        let home = self.home(tag);
        let first = self.slot(home)?;
        match first.tag.load(Acquire) == tag.0 {
            true => Some(first),
            false => self.beyond(tag, home),
        }
    }

    #[inline(never)]
    fn beyond(&self, tag: Tag, home: usize) -> Option<Slot<'_>> {
        let mut others = (1..LINES_SEARCHED * WAYS).filter_map(|others| self.after(home, others));
        others.find(|slot| slot.tag.load(Acquire) == tag.0)
    }

    /// The client's slot, if it has one.
    pub(crate) fn find(&self, tag: Tag) -> Option<Slot<'_>> {
        for slot in self.slots(tag) {
            let owner = Tag(slot.tag.load(Acquire));
            // Slots fill in each client's order and are never emptied.
            let is_last = owner == Tag::FRESH;
            if (is_last || owner == tag) && !leaves(slot.state.load(Acquire), owner) {
                return (!is_last).then_some(slot);
            }
        }
        None
    }

    /// A slot for a client that has none: one that nobody has used, or else the
    /// one with the least loss, as long as that is finite.
    #[cold]
    pub(crate) fn insert(&self, tag: Tag, full: u64, loss: impl Fn(Tag, u64) -> f64) -> Found<'_> {
        let Some((slot, state)) = self.least(tag, loss) else { return Found::NoRoom };
        if !take_over(slot, state, tag, full) {
            return Found::Again;
        }
        Found::Slot(self.only(slot, tag, full))
    }

    /// Of two slots that threads gave the same client at once, the earlier
    /// counts; what has been taken in the later one goes with it.
    fn only<'t>(&'t self, own: Slot<'t>, tag: Tag, full: u64) -> Slot<'t> {
        let mut is_later = false;
        for slot in self.slots(tag) {
            let state = slot.state.load(Acquire);
            if std::ptr::eq(slot.tag, own.tag) {
                is_later = true;
            } else if slot.tag.load(Acquire) != tag.0 || leaves(state, tag) {
                continue;
            } else if is_later {
                let _ = own.state.compare_exchange(full, state, AcqRel, Relaxed);
                take_over(slot, state, Tag::GIVEN_UP, 0);
            } else {
                take_over(own, full, Tag::GIVEN_UP, 0);
                return slot;
            }
        }
        own
    }

    fn least(&self, tag: Tag, loss: impl Fn(Tag, u64) -> f64) -> Option<(Slot<'_>, u64)> {
        let mut least = None;
        let mut least_loss = f64::INFINITY;
        for slot in self.slots(tag) {
            let (owner, state) = (slot.tag.load(Acquire), slot.state.load(Acquire));
            if owner == Tag::FRESH.0 && state == 0 {
                return Some((slot, state));
            }
            let loss = loss(Tag(owner), state);
            if loss < least_loss {
                (least, least_loss) = (Some((slot, state)), loss);
            }
        }
        least
    }

    /// Slots of the table, for walks through it.
    pub(crate) fn len(&self) -> usize {
        self.homes + (LINES_SEARCHED - 1) * WAYS
    }

    #[inline]
    pub(crate) fn slot(&self, index: usize) -> Option<Slot<'_>> {
        let [tag, state] = self.slots.get(self.first + index)?;
        Some(Slot { tag, state })
    }
}

/// Whether another client takes the slot over.
#[inline]
fn leaves(state: u64, tag: Tag) -> bool {
    word::is_special(state) && state != word::moving(tag) && is_moving(state)
}

fn is_moving(state: u64) -> bool {
    word::State::of(state) == word::State::Moving
}

/// `full` is the newcomer's state: of this moment, so that a thread which has
/// seen the slot before can't take it for unchanged.
fn take_over(slot: Slot<'_>, state: u64, tag: Tag, full: u64) -> bool {
    let mark = word::moving(tag);
    if slot.state.compare_exchange(state, mark, AcqRel, Relaxed).is_err() {
        return false;
    }
    slot.tag.store(tag.0, Release);
    // Who finds the mark under its own tag may have been faster.
    let _ = slot.state.compare_exchange(mark, full, AcqRel, Relaxed);
    true
}

/// Changes a word that belongs to `tag` as it was seen; tells whether it counts.
#[inline]
pub(crate) fn swap_owned(word: &AtomicU64, owner: &AtomicU64, tag: Tag, seen: u64, next: u64) -> bool {
    word.compare_exchange(seen, next, AcqRel, Relaxed).is_ok()
        && (owner.load(Acquire) == tag.0 || is_carried_on(word, seen, next))
}

/// Of a change to what is another's by now: where it can't be taken back, someone
/// has seen it and carried it on: it counts.
#[cold]
fn is_carried_on(word: &AtomicU64, seen: u64, next: u64) -> bool {
    word.compare_exchange(next, seen, AcqRel, Relaxed).is_err()
}

/// Changes a word that belongs to `tag`, in one step; `None` where it doesn't,
/// or where `change` can't read it.
#[inline]
pub(crate) fn change_owned<T>(
    word: &AtomicU64,
    owner: &AtomicU64,
    tag: Tag,
    mut change: impl FnMut(u64) -> Option<(u64, T)>,
) -> Option<T> {
    let mut seen = word.load(Acquire);
    loop {
        let (next, told) = change(seen)?;
        if next == seen {
            return (owner.load(Acquire) == tag.0).then_some(told);
        }
        match word.compare_exchange_weak(seen, next, AcqRel, Acquire) {
            Ok(_) if owner.load(Acquire) == tag.0 => return Some(told),
            Ok(_) => return is_carried_on(word, seen, next).then_some(told),
            Err(other) => seen = other,
        }
    }
}
