//! Every client's slot, in a table of fixed size.
//!
//! A slot is two words, tag and state (`word.rs`). Four slots share a cache
//! line; a client lives in one of the 16 slots from its home line on, and the
//! first that has its tag is the one that counts. A slot is never freed, only
//! taken over: one whose bucket is full has nothing to forget.
//!
//! Who takes a slot over first swaps the state for a mark, then writes the tag,
//! then swaps the mark for a full bucket. The tag changes under the mark alone,
//! so whoever has changed a state looks at the tag once more, and takes its
//! change back where the slot has become another's.

use crate::lines::{Line, Lines, WORDS};
use crate::sync::AtomicU64;
use crate::word::{self, Tag};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

const WAYS: usize = 4;
const LINES_SEARCHED: usize = 4;
const WINDOW_WORDS: usize = LINES_SEARCHED * WORDS;

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
    lines: Lines,
    homes: u64,
}

impl Table {
    /// Room for that many clients: three slots for two, 24 bytes each.
    pub(crate) fn new(clients: usize) -> Self {
        let homes = (clients * 3 / 2).div_ceil(WAYS).max(1);
        Self { lines: Lines::new(homes + LINES_SEARCHED - 1), homes: homes as u64 }
    }

    #[inline]
    fn window(&self, tag: Tag) -> Option<&[AtomicU64; WINDOW_WORDS]> {
        let key = u128::from(tag.0 & !u64::from(u16::MAX));
        self.lines.run(((key * u128::from(self.homes)) >> 64) as usize)
    }

    #[inline]
    fn slots(&self, tag: Tag) -> impl Iterator<Item = Slot<'_>> {
        let pairs = self.window(tag).map_or(&[][..], |window| window.as_chunks().0);
        pairs.iter().map(|[tag, state]| Slot { tag, state })
    }

    /// Asks for the client's home line; a caller that does so for many clients
    /// waits for memory once.
    #[inline]
    pub(crate) fn touch(&self, tag: Tag) -> u64 {
        self.window(tag).map_or(0, |window| window[0].load(Relaxed))
    }

    /// The client's slot, if it has one.
    #[inline]
    pub(crate) fn find(&self, tag: Tag) -> Option<Slot<'_>> {
        let window = self.window(tag)?;
        for line in window.as_chunks::<WORDS>().0 {
            let tags = [0, 2, 4, 6].map(|at| line[at].load(Acquire));
            // All four are compared before there is a branch: which of them it
            // is can't be foreseen, and a wrong guess would hold up what comes
            // after the decision until memory has answered.
            let hits = bits(tags, tag.0);
            if hits != 0
                && let Some(slot) = staying(line, hits, tag)
            {
                return Some(slot);
            }
            // Slots fill from the front and are never emptied.
            if hits == 0 && staying(line, bits(tags, Tag::FRESH.0), Tag::FRESH).is_some() {
                return None;
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
        self.lines.count() * WAYS
    }

    pub(crate) fn slot(&self, index: usize) -> Option<Slot<'_>> {
        let [tag, state] = self.lines.get(index / WAYS)?.as_chunks().0.get(index % WAYS)?;
        Some(Slot { tag, state })
    }
}

/// Which of a line's tags are this one.
#[inline]
fn bits(tags: [u64; WAYS], tag: u64) -> u32 {
    let bit = |way: usize| u32::from(tags[way] == tag) << way;
    bit(0) | bit(1) | bit(2) | bit(3)
}

/// The first of these slots that nobody takes over.
#[inline]
fn staying(line: &Line, mut hits: u32, tag: Tag) -> Option<Slot<'_>> {
    while hits != 0 {
        let at = hits.trailing_zeros() as usize * 2 % WORDS;
        let slot = Slot { tag: &line[at], state: &line[at + 1] };
        if !leaves(slot.state.load(Acquire), tag) {
            return Some(slot);
        }
        hits &= hits - 1;
    }
    None
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
            // Another's by now. Where the change can't be taken back, someone has
            // seen it and carried it on: it counts.
            Ok(_) => return word.compare_exchange(next, seen, AcqRel, Relaxed).is_err().then_some(told),
            Err(other) => seen = other,
        }
    }
}
