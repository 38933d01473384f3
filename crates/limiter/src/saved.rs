//! What is kept over a restart.

use crate::cell::{self, FULL_AT};
use crate::clients::{Client, Unknown};
use crate::learned;
use crate::word::{self, NOW_MAX_NANOS, State, Tag};
use crate::{Bucket, Key, LevelId, Limiter, PolicyId, Quota, Rate};
use std::ops::Range;
use std::sync::atomic::Ordering::Acquire;

/// What there is to know of a client that isn't as good as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// Its policy.
    pub policy: PolicyId,
    /// Who; found again under the same seed alone.
    pub key: Key,
    /// What is left.
    pub state: SavedState,
}

/// What is left to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SavedState {
    /// A bucket under the policy's rate.
    Bucket {
        /// When it is full.
        full_at_nanos: u64,
        /// The rate by which that was reckoned.
        rate: Rate,
    },
    /// A bucket with a rate of its own.
    Learned {
        /// When it is full.
        full_at_nanos: u64,
        /// Its rate.
        rate: Rate,
    },
    /// A quota.
    Quota {
        /// The window's number.
        window: u32,
        /// What is used of it.
        used: u64,
    },
}

impl Limiter {
    /// Slots that [`Limiter::saved`] goes through.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.clients.table.len()
    }

    /// The clients in that range of slots who aren't as good as new; to be gone
    /// through in batches, while others decide.
    pub fn saved(&self, range: Range<usize>, now_nanos: u64) -> impl Iterator<Item = Saved> + use<'_> {
        let now_nanos = now_nanos.min(NOW_MAX_NANOS);
        (range.start..range.end.min(self.slots())).filter_map(move |index| {
            let slot = self.clients.table.slot(index)?;
            let tag = Tag(slot.tag.load(Acquire));
            let state = slot.state.load(Acquire);
            // Taken over between the two: the new client is as good as new.
            (slot.tag.load(Acquire) == tag.0 && tag != Tag::FRESH).then_some(())?;
            self.saved_state(tag, state, now_nanos)
        })
    }

    fn saved_state(&self, tag: Tag, state: u64, now_nanos: u64) -> Option<Saved> {
        let policy = tag.policy();
        let (key, state) = match State::of(state) {
            State::Moving => return None,
            State::Quota { used: 0, .. } => return None,
            State::Quota { window, used } => (tag.key().turned(), SavedState::Quota { window, used }),
            State::Learned(used) => {
                let line = self.clients.learned.line(used.index)?;
                let full_at = line[FULL_AT].load(Acquire);
                let rate = Rate::of_word(cell::rate_of(line, full_at));
                (line[learned::TAG].load(Acquire) == tag.0).then_some(())?;
                let full_at_nanos = word::bucket(full_at).full_at_nanos();
                (tag.key(), SavedState::Learned { full_at_nanos, rate })
            }
            State::Bucket(..) => {
                let terms = self.clients.policies.get(policy)?;
                let full_at_nanos = terms.bucket(state).full_at_nanos();
                (full_at_nanos > now_nanos).then_some(())?;
                (tag.key(), SavedState::Bucket { full_at_nanos, rate: terms.rate })
            }
        };
        Some(Saved { policy, key, state })
    }

    /// Brings a client back that [`Limiter::saved`] gave, once its policy is
    /// there. Tells whether there was room, for its learned rate too; without
    /// that it keeps what is left under the policy's.
    pub fn restore(&self, saved: Saved, now_nanos: u64) -> bool {
        let now_nanos = now_nanos.min(NOW_MAX_NANOS);
        match saved.state {
            SavedState::Bucket { full_at_nanos, rate } => {
                self.restore_bucket(saved, full_at_nanos, rate, now_nanos)
            }
            SavedState::Learned { full_at_nanos, rate } => {
                let is_learned =
                    rate.is_whole() && self.learn(saved.policy, saved.key, rate, now_nanos).is_ok();
                self.restore_bucket(saved, full_at_nanos, rate, now_nanos) && is_learned
            }
            SavedState::Quota { window, used } => {
                let quota = Quota { policy: saved.policy, key: saved.key, limit: u64::MAX, window };
                self.restore_quota(quota, used, now_nanos)
            }
        }
    }

    /// When a shared bucket is full again, and the rate that this is reckoned
    /// with; nothing of one that is full.
    #[must_use]
    pub fn saved_level(&self, id: LevelId, now_nanos: u64) -> Option<(u64, Rate)> {
        let (rate, bucket) = self.levels.get(id)?;
        (bucket.owed_nanos(now_nanos) > 0).then(|| (bucket.full_at_nanos(), rate))
    }

    /// Brings a shared bucket back, whose rate must be in force; tells whether
    /// it was.
    pub fn restore_level(&self, id: LevelId, full_at_nanos: u64, rate: Rate, now_nanos: u64) -> bool {
        let now_nanos = now_nanos.min(NOW_MAX_NANOS);
        let is_whole = rate.is_whole();
        is_whole && self.levels.restore(id, kept(full_at_nanos, rate, now_nanos), rate, now_nanos)
    }

    fn restore_bucket(&self, saved: Saved, full_at_nanos: u64, rate: Rate, now_nanos: u64) -> bool {
        let Some(terms) = self.clients.policies.get(saved.policy).filter(|_| rate.is_whole()) else {
            return false;
        };
        let kept = kept(full_at_nanos, rate, now_nanos);
        let client = Client { terms, tag: Tag::new(saved.policy, saved.key), now_nanos };
        let unknown = if kept.owed_nanos(now_nanos) == 0 { Unknown::Leave } else { Unknown::Insert };
        self.clients.change(&client, unknown, |bucket, in_force| {
            *bucket = if rate == in_force { kept } else { kept.under(rate, in_force, now_nanos) };
        });
        true
    }
}

/// A bucket is at most one burst in debt, whatever was saved.
fn kept(full_at_nanos: u64, rate: Rate, now_nanos: u64) -> Bucket {
    let deepest = now_nanos.saturating_add(2 * rate.depth_nanos());
    Bucket::full_at(full_at_nanos.min(deepest))
}
