//! Between the file's records and the limiter's table.

use super::format::{Kept, Record};
use crate::limits::Limits;
use crate::limits::numbers::LevelOf;
use openclaw_limiter::{Key, LevelId, PolicyId, Rate, Saved, SavedState};
use std::collections::HashMap;
use std::io;
use std::sync::PoisonError;

impl Limits {
    /// Each policy's index among the scopes that are saved.
    pub(super) fn policies_saved(&self) -> (HashMap<PolicyId, u32>, Vec<u64>) {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut indexes, mut scopes) = (HashMap::new(), Vec::new());
        for (policy, scope) in registry.scopes() {
            indexes.insert(policy, scopes.len() as u32);
            scopes.push(scope);
        }
        (indexes, scopes)
    }

    /// What saved scopes are called now; nothing for those that have gone.
    pub(super) fn named(&self, scopes: &[u64]) -> Named {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let known: HashMap<u64, PolicyId> =
            registry.scopes().map(|(policy, scope)| (scope, policy)).collect();
        let policies = scopes.iter().map(|scope| known.get(scope).copied()).collect();
        let levels: HashMap<_, _> =
            registry.levels().map(|(level, scope, of)| ((scope, of), level)).collect();
        Named { scopes: scopes.to_vec(), policies, levels }
    }

    /// All shared buckets that aren't full.
    pub(super) fn each_saved_level(
        &self,
        scopes: &[u64],
        now: u64,
        mut each: impl FnMut(Record) -> io::Result<()>,
    ) -> io::Result<()> {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let levels: Vec<_> = registry.levels().collect();
        drop(registry);
        let indexes: HashMap<u64, u32> = scopes.iter().copied().zip(0..).collect();
        for (level, scope, of) in levels {
            let kept = indexes.get(&scope).zip(self.limiter.saved_level(level, now));
            let Some((&policy, (full_at, rate))) = kept else { continue };
            each(Record { key: 0, policy, kept: Kept::Level { of, full_at, rate: rate.word() } })?;
        }
        Ok(())
    }

    /// All clients that aren't as good as new.
    pub(super) fn each_saved(
        &self,
        policies: &HashMap<PolicyId, u32>,
        now: u64,
        mut each: impl FnMut(Record) -> io::Result<()>,
    ) -> io::Result<()> {
        for Saved { policy, key, state } in self.limiter.saved(0..self.limiter.slots(), now) {
            // A policy that has gone has nobody to bring back.
            let Some(&policy) = policies.get(&policy) else { continue };
            each(Record { key: key.word(), policy, kept: kept(state) })?;
        }
        Ok(())
    }

    /// Whether clients may have learned rates now.
    fn may_learn(&self, policy: PolicyId) -> bool {
        self.adaptive_policy(policy).is_some_and(|policy| policy.is_enforced)
    }

    /// Whether it was brought back.
    pub(super) fn restore(&self, record: &Record, named: &Named, now: u64) -> bool {
        let at = record.policy as usize;
        if let Kept::Level { of, full_at, rate } = record.kept {
            let level = named.scopes.get(at).and_then(|scope| named.levels.get(&(*scope, of)));
            let rate = Rate::of_word(rate);
            return level.is_some_and(|level| self.limiter.restore_level(*level, full_at, rate, now));
        }
        let policy = named.policies.get(at).copied().flatten();
        let (Some(policy), Some(state)) = (policy, state(record.kept)) else { return false };
        let state = match state {
            SavedState::Learned { full_at_nanos, rate } if !self.may_learn(policy) => {
                SavedState::Bucket { full_at_nanos, rate }
            }
            state => state,
        };
        self.limiter.restore(Saved { policy, key: Key::of_word(record.key), state }, now)
    }
}

/// What the scopes of a file are called in this process.
pub(super) struct Named {
    scopes: Vec<u64>,
    policies: Vec<Option<PolicyId>>,
    levels: HashMap<(u64, LevelOf), LevelId>,
}

fn kept(state: SavedState) -> Kept {
    match state {
        SavedState::Bucket { full_at_nanos, rate } => {
            Kept::Bucket { full_at: full_at_nanos, rate: rate.word() }
        }
        SavedState::Learned { full_at_nanos, rate } => {
            Kept::Learned { full_at: full_at_nanos, rate: rate.word() }
        }
        SavedState::Quota { window, used } => Kept::Quota { used, window: window.into() },
    }
}

fn state(kept: Kept) -> Option<SavedState> {
    Some(match kept {
        Kept::Bucket { full_at, rate } => {
            SavedState::Bucket { full_at_nanos: full_at, rate: Rate::of_word(rate) }
        }
        Kept::Learned { full_at, rate } => {
            SavedState::Learned { full_at_nanos: full_at, rate: Rate::of_word(rate) }
        }
        Kept::Quota { used, window } => SavedState::Quota { window: u32::try_from(window).ok()?, used },
        Kept::Level { .. } => return None,
    })
}
