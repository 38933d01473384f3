//! Tokens that were verified, by their SHA-256, so that a signature is checked
//! once. Bounded: in a full part others make room.

use super::Token;
use openclaw_alert::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of a token's text.
pub(super) type TokenHash = [u8; 32];

/// Parts with a lock each, so that threads seldom meet.
const PARTS: usize = 64;

/// Tokens in a part.
const PART_TOKENS_MAX: usize = 256;

pub(super) struct Memory {
    parts: [Mutex<HashMap<TokenHash, Arc<Token>>>; PARTS],
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { parts: std::array::from_fn(|_| Mutex::default()) }
    }

    pub(super) fn get(&self, hash: &TokenHash) -> Option<Arc<Token>> {
        self.part(hash).get(hash).cloned()
    }

    pub(super) fn forget(&self, hash: &TokenHash) {
        self.part(hash).remove(hash);
    }

    pub(super) fn keep(&self, hash: TokenHash, token: Arc<Token>, now: Timestamp) {
        let mut part = self.part(&hash);
        if part.len() >= PART_TOKENS_MAX {
            part.retain(|_, token| now < token.until);
        }
        if part.len() >= PART_TOKENS_MAX
            && let Some(some) = part.keys().next().copied()
        {
            part.remove(&some);
        }
        part.insert(hash, token);
    }

    fn part(&self, hash: &TokenHash) -> MutexGuard<'_, HashMap<TokenHash, Arc<Token>>> {
        self.parts[usize::from(hash[0]) % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_alert::TenantName;

    fn token(until_s: i64) -> Arc<Token> {
        let tenant = TenantName::new("acme").unwrap();
        let who = crate::auth::who::Who::token(None);
        Arc::new(Token { tenant, scopes: None, who, until: Timestamp::from_secs(until_s), generation: 0 })
    }

    #[test]
    fn a_full_part_makes_room_and_expired_ones_go_first() {
        let memory = Memory::new();
        let hash = |n: usize| {
            let mut hash = [0; 32];
            hash[8..16].copy_from_slice(&n.to_le_bytes());
            hash
        };
        let now = Timestamp::from_secs(100);
        memory.keep(hash(0), token(200), now);
        for n in 1..PART_TOKENS_MAX {
            memory.keep(hash(n), token(50), now);
        }
        memory.keep(hash(1000), token(200), now);
        assert!(memory.get(&hash(0)).is_some() && memory.get(&hash(1000)).is_some());
        assert!(memory.get(&hash(1)).is_none());
        for n in 2000..2000 + 3 * PART_TOKENS_MAX {
            memory.keep(hash(n), token(200), now);
            assert!(memory.get(&hash(n)).is_some());
        }
        assert_eq!(memory.part(&hash(0)).len(), PART_TOKENS_MAX);
    }
}
