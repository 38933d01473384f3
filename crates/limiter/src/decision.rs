//! Questions and answers.

use crate::{Bucket, Key, LearnedId, LevelId, PolicyId, Rate};

/// The number of the thread that decides, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreId(pub u16);

/// A question: may this client go on?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Whose limit.
    pub policy: PolicyId,
    /// Who.
    pub key: Key,
    /// Tokens; 0 asks for the state alone.
    pub cost: u32,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Whether it may go on.
    pub verdict: Verdict,
    /// The client's own bucket, under which limit it was decided.
    pub rate: Rate,
    /// Where the client has learned a rate of its own.
    pub learned: Option<LearnedId>,
    /// Whether it would be worth its while: its policy adapts, it has learned
    /// nothing yet, and it was refused or owes a quarter of its bucket.
    pub should_learn: bool,
    pub(crate) bucket: Bucket,
    pub(crate) now_nanos: u64,
}

impl Decision {
    /// Tokens left in the client's own bucket. Reckoned when asked: the
    /// division costs as much as half a decision.
    #[must_use]
    #[inline]
    pub fn remaining(&self) -> u64 {
        self.bucket.available(self.rate, self.now_nanos)
    }

    /// Until the client's own bucket is full.
    #[must_use]
    #[inline]
    pub fn reset_after_nanos(&self) -> u64 {
        self.bucket.owed_nanos(self.now_nanos)
    }

    /// Whether the client may go on.
    #[must_use]
    #[inline]
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allowed
    }

    pub(crate) fn no_policy(now_nanos: u64) -> Self {
        let verdict = Verdict::Refused { by: RefusedBy::NoPolicy, retry_after_nanos: u64::MAX };
        let rate = Rate::new(0.0, 1);
        let bucket = Bucket::full_at(now_nanos.saturating_add(rate.depth_nanos()));
        Self { verdict, rate, learned: None, should_learn: false, bucket, now_nanos }
    }
}

/// Whether a client may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may; the tokens are taken at every level.
    Allowed,
    /// It may not; nothing is taken.
    Refused {
        /// Which bucket was empty.
        by: RefusedBy,
        /// Until as many tokens are there; `u64::MAX` for never.
        retry_after_nanos: u64,
    },
}

/// Which bucket was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// The client's own.
    Client,
    /// One that it shares.
    Level(LevelId),
    /// The policy isn't there.
    NoPolicy,
}
