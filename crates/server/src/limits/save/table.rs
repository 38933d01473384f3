//! Between the file's records and the limiter's table.

use super::format::{Kept, Record};
use crate::limits::Limits;
use openclaw_limiter::{Key, PolicyId, Rate, Saved, SavedState};
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

    /// The policies of saved scopes; nothing for those that have gone.
    pub(super) fn policies_of(&self, scopes: &[u64]) -> Vec<Option<PolicyId>> {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let known: HashMap<u64, PolicyId> =
            registry.scopes().map(|(policy, scope)| (scope, policy)).collect();
        scopes.iter().map(|scope| known.get(scope).copied()).collect()
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
    pub(super) fn restore(&self, record: &Record, policies: &[Option<PolicyId>], now: u64) -> bool {
        let policy = policies.get(record.policy as usize).copied().flatten();
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
    })
}
