//! What a client is called in the table.

use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// Secret that keeps strangers from choosing names that collide; kept over
/// restarts, or saved buckets can't be found again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 16]);

impl Seed {
    /// From 16 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

/// A client within a scope (such as a tenant's policy), as a keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The hash of `client` within `scope`.
    #[must_use]
    pub fn new(seed: &Seed, scope: u64, client: &[u8]) -> Self {
        let mut hasher = SipHasher13::new_with_key(&seed.0);
        hasher.write_u64(scope);
        hasher.write(client);
        Self(hasher.finish())
    }

    /// For saving.
    #[must_use]
    pub fn word(self) -> u64 {
        self.0
    }

    /// What was saved.
    #[must_use]
    pub fn of_word(word: u64) -> Self {
        Self(word)
    }
}
