//! What the words of the table mean.
//!
//! A client's **tag** is its key (48 bits) and its policy (16 bits). Its
//! **state** says where its tokens are:
//!
//! ```text
//! 0 p …62 bits…            when its bucket is full again; p tells which of the
//!                          policy's two last rates that was reckoned with
//! 100 …29 bits… …32 bits…  its learned line: which one, and the how many'th use
//! 101 …22 bits… …39 bits…  its quota: the window's number, what is used of it
//! 111 …                    being taken over by the client whose tag this hashes to
//! ```
//!
//! One compare-and-swap of the state moves a client from one form to another, so
//! a decision under way can't mistake one for the other.

use crate::{Bucket, Key, PolicyId};

/// Latest time that is told apart, in 2079 as a Unix time: sums with twice the
/// deepest bucket stay within 62 bits.
pub(crate) const NOW_MAX_NANOS: u64 = (1 << 62) - (1 << 60);

const PARITY: u64 = 1 << 62;
const FULL_AT: u64 = PARITY - 1;
const SPECIAL: u64 = 1 << 63;
const KIND: u64 = 0b111 << 61;
const LEARNED: u64 = 0b100 << 61;
const QUOTA: u64 = 0b101 << 61;
const MOVING: u64 = 0b111 << 61;
const USED_BITS: u32 = 39;

/// Most that a quota can count: 549 billion.
pub(crate) const USED_MAX: u64 = (1 << USED_BITS) - 1;

/// Highest number of a quota's window.
pub(crate) const WINDOW_MAX: u32 = (1 << 22) - 1;

/// A client of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u64);

impl Tag {
    /// A slot that nobody has used.
    pub(crate) const FRESH: Self = Self(0);

    /// A slot that was given up. No key is 0.
    pub(crate) const GIVEN_UP: Self = Self(u16::MAX as u64);

    #[inline]
    pub(crate) fn new(policy: PolicyId, key: Key) -> Self {
        Self(key.high() | u64::from(policy.0))
    }

    /// The same client's quota has a slot of its own.
    pub(crate) fn of_quota(policy: PolicyId, key: Key) -> Self {
        Self::new(policy, key.turned())
    }

    /// The bits that come from a hash.
    #[inline]
    pub(crate) fn hashed(self) -> u64 {
        self.0 & !u64::from(u16::MAX)
    }

    pub(crate) fn policy(self) -> PolicyId {
        PolicyId(self.0 as u16)
    }

    pub(crate) fn key(self) -> Key {
        Key::of_high(self.0)
    }
}

/// Which of two rates a bucket was reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parity(bool);

impl Parity {
    pub(crate) const FIRST: Self = Self(false);

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn other(self) -> Self {
        Self(!self.0)
    }
}

/// Which of a policy's two rates is in force, and since when: `p 1 …62 bits…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    pub(crate) fn new(parity: Parity, since_nanos: u64) -> Self {
        let flag = if parity.0 { SPECIAL } else { 0 };
        Self(flag | PARITY | since_nanos.min(FULL_AT))
    }

    pub(crate) fn of_word(word: u64) -> Self {
        Self(word)
    }

    pub(crate) fn word(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn parity(self) -> Parity {
        Parity(self.0 & SPECIAL != 0)
    }

    pub(crate) fn since_nanos(self) -> u64 {
        self.0 & FULL_AT
    }

    /// The parity in force, where a state has it.
    #[inline]
    fn parity_bit(self) -> u64 {
        (self.0 >> 1) & PARITY
    }

    /// A state's bucket where that takes no reckoning: one under the rate in
    /// force, or one that was full when the rate changed. After a change it can't
    /// be foreseen which, so both go one way: told apart by the parity bit, the
    /// ones lie below it, the others above but not beyond the time of the change,
    /// and all that is no bucket farther up.
    #[inline]
    pub(crate) fn plain_bucket(self, state: u64) -> Option<Bucket> {
        let apart = state ^ self.parity_bit();
        let is_plain = apart <= self.0 & !SPECIAL;
        // Of a full bucket any time in the past will do.
        is_plain.then(|| Bucket::full_at(if apart < PARITY { apart } else { 0 }))
    }

    /// The state of a bucket under the rate in force, which isn't farther ahead
    /// than a state can say.
    #[inline]
    pub(crate) fn state(self, bucket: Bucket) -> u64 {
        self.parity_bit() | bucket.full_at_nanos()
    }
}

/// Use of a learned line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineUse {
    pub(crate) index: u32,
    /// The how many'th use of any line: a decision that slept over the end of
    /// one use can't end the next.
    pub(crate) turn: u32,
}

/// What a state word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Bucket(Parity, Bucket),
    Learned(LineUse),
    Quota { window: u32, used: u64 },
    Moving,
}

impl State {
    pub(crate) fn of(word: u64) -> Self {
        if let Some(line) = line(word) {
            return Self::Learned(line);
        }
        match word & KIND {
            _ if !is_special(word) => Self::Bucket(parity(word), bucket(word)),
            QUOTA => Self::Quota { window: (word >> USED_BITS) as u32 & WINDOW_MAX, used: word & USED_MAX },
            _ => Self::Moving,
        }
    }
}

pub(crate) const TURN_MASK: u32 = (1 << 29) - 1;

#[inline]
pub(crate) fn is_special(word: u64) -> bool {
    word & SPECIAL != 0
}

/// Of a word that isn't special.
#[inline]
pub(crate) fn parity(word: u64) -> Parity {
    Parity(word & PARITY != 0)
}

/// The learned line that a state says.
#[inline]
pub(crate) fn line(word: u64) -> Option<LineUse> {
    let line = LineUse { index: word as u32, turn: (word >> 32) as u32 & TURN_MASK };
    (word & KIND == LEARNED).then_some(line)
}

/// Of any word that holds a time.
#[inline]
pub(crate) fn bucket(word: u64) -> Bucket {
    Bucket::full_at(word & FULL_AT)
}

#[inline]
pub(crate) fn of_bucket(parity: Parity, bucket: Bucket) -> u64 {
    bucket.full_at_nanos().min(FULL_AT) | if parity.0 { PARITY } else { 0 }
}

/// A word that isn't special, with another bucket, which isn't farther ahead
/// than a word can say.
#[inline]
pub(crate) fn with_bucket(word: u64, bucket: Bucket) -> u64 {
    word & PARITY | bucket.full_at_nanos()
}

pub(crate) fn of_line(line: LineUse) -> u64 {
    LEARNED | (u64::from(line.turn & TURN_MASK) << 32) | u64::from(line.index)
}

pub(crate) fn of_quota(window: u32, used: u64) -> u64 {
    QUOTA | (u64::from(window.min(WINDOW_MAX)) << USED_BITS) | used.min(USED_MAX)
}

/// While `tag` takes the slot over.
pub(crate) fn moving(tag: Tag) -> u64 {
    MOVING | (tag.0 ^ (tag.0 >> 32)) & !KIND
}

/// A time that a learned line shows while it is given up.
pub(crate) fn given_up(word: u64) -> u64 {
    word | SPECIAL
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_state_is_read_as_it_was_written(
            at in 0..=FULL_AT,
            flag: bool,
            index: u32,
            turn in 0..=TURN_MASK,
            window in 0..=WINDOW_MAX,
            used in 0..=USED_MAX,
            tag: u64,
        ) {
            let (parity, bucket) = (Parity(flag), Bucket::full_at(at));
            prop_assert_eq!(State::of(of_bucket(parity, bucket)), State::Bucket(parity, bucket));
            let line = LineUse { index, turn };
            prop_assert_eq!(State::of(of_line(line)), State::Learned(line));
            prop_assert_eq!(State::of(of_quota(window, used)), State::Quota { window, used });
            prop_assert_eq!(State::of(moving(Tag(tag))), State::Moving);
        }
    }
}
