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

/// Bits of a key: with a policy's number they fill a word.
const KEY_BITS: u32 = 48;

/// Keeps a client's quota apart from its bucket.
const QUOTA_TURN: u64 = 0x5A5A_A5A5_3C3C;

/// A client within a scope (such as a tenant's policy), as 48 bits of a keyed
/// hash.
///
/// Two clients of one policy share a bucket with a chance of 1 in 2⁴⁸: among a
/// million, that any two do is a matter of 1 in 560.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The hash of `client` within `scope`.
    #[must_use]
    #[inline]
    pub fn new(seed: &Seed, scope: u64, client: &[u8]) -> Self {
        let mut hasher = SipHasher13::new_with_key(&seed.0);
        hasher.write_u64(scope);
        hasher.write(client);
        Self::of_hash(hasher.finish())
    }

    fn of_hash(hash: u64) -> Self {
        // Never 0, which is nobody's.
        Self((hash >> (u64::BITS - KEY_BITS)).max(1))
    }

    /// For saving: 48 bits, never 0.
    #[must_use]
    pub fn word(self) -> u64 {
        self.0
    }

    /// What was saved.
    #[must_use]
    pub fn of_word(word: u64) -> Self {
        Self::of_hash(word << (u64::BITS - KEY_BITS))
    }

    /// The key of the same client's quota, and the other way round.
    pub(crate) fn turned(self) -> Self {
        Self((self.0 ^ QUOTA_TURN).max(1))
    }
}
