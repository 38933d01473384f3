//! One limit, several replicas: how much of it each may give out.
//!
//! Replicas keep their shares in a ledger that all of them reach (a script in
//! Redis; `tests/shares/ledger.rs` is the same in Rust). Nothing here waits for
//! it: a [`Replica`] says what it holds and wants in a [`Report`], and takes on
//! what the [`Answer`] grants when there is one.
//!
//! Why the shares of a limit never add up to more than the whole:
//! - **What is written in the ledger is never less than what is held.** Who
//!   lowers does so first and reports then; who raises waits for the answer, and
//!   the ledger grants only what the others leave, one report at a time.
//! - **A limit that nobody has reported on is held in equal parts**, and counts
//!   so, so that most limits need no word at all.
//! - **Who the others are is an epoch.** When it changes, everybody lowers to
//!   its part of the new number and says so; until all have, nothing is raised,
//!   and who is new holds nothing.
//!
//! A replica that the ledger has not heard of for a lease is left out, and its
//! share goes to the others. If it lives, cut off, it still gives out the last
//! share that it had: then the sum is the whole and as much.

mod hot;
mod replica;
mod wanted;

pub use replica::{Answer, Entry, Grant, HOT_MAX, OWN_HOT_MAX, Replica, Report};

/// A whole limit, in the parts that shares are counted in.
pub const WHOLE: u32 = 1_000_000;

/// A part of a whole limit, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Share(u32);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// All of it.
    pub const WHOLE: Self = Self(WHOLE);

    /// So many millionths, the whole at most.
    #[must_use]
    pub fn of_parts(parts: u32) -> Self {
        Self(parts.min(WHOLE))
    }

    /// An equal part among so many.
    #[must_use]
    pub fn among(replicas: u32) -> Self {
        Self(WHOLE / replicas.max(1))
    }

    /// In millionths.
    #[must_use]
    pub fn parts(self) -> u32 {
        self.0
    }

    /// Of a rate.
    #[must_use]
    pub fn of_rate(self, whole_per_s: f64) -> f64 {
        whole_per_s * f64::from(self.0) / f64::from(WHOLE)
    }

    /// Of a number of tokens, rounded down; one at least, without which nothing
    /// could ever pass.
    #[must_use]
    pub fn of_burst(self, whole: u32) -> u32 {
        let tokens = u64::from(whole) * u64::from(self.0) / u64::from(WHOLE);
        (tokens as u32).max(1)
    }
}

/// A limit that replicas share, by a name that is the same on all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SharedKey(pub u128);
