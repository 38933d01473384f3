//! What a client is called in the table.
//!
//! A stranger chooses names, so the hash has a secret key; but nobody is ever
//! shown a hash, so it need not be a cipher. NH (of UMAC, RFC 4418) takes the
//! name, its length and the scope to 128 bits, where any two meet with a chance
//! of 2⁻⁶⁴: that is proven. One more secret product, folded (as in wyhash), takes
//! those to 64 bits, of which 48 are used: any two names meet there with a chance
//! of 2⁻⁴⁸ as far as it behaves like a random function, which `tests/hash.rs`
//! looks at. That is some 25 instructions: so few that the processor begins the
//! next decisions while it waits for the memory of one.

use siphasher::sip::SipHasher13;
use siphasher::sip128::Hasher128;
use std::hash::Hasher;

/// Pairs of words that NH has keys for: names of up to 256 bytes.
const PAIRS: usize = 16;
const PAIR_BYTES: usize = 16;

/// Secret that keeps strangers from choosing names that collide; kept over
/// restarts, or saved buckets can't be found again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    pairs: [[u64; 2]; PAIRS],
    last: [u64; 2],
    long: [u8; 16],
}

impl Seed {
    /// From 16 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        let mut count = 0;
        let mut word = || {
            count += 1;
            let mut hasher = SipHasher13::new_with_key(&bytes);
            hasher.write_u64(count);
            hasher.finish()
        };
        let pairs = std::array::from_fn(|_| [word(), word()]);
        let last = [word(), word()];
        Self { pairs, last, long: bytes }
    }

    /// Of names that are alike in length, different for different ones.
    #[inline]
    fn shortened(&self, name: &[u8]) -> u128 {
        let Some((first, _)) = name.split_first_chunk() else { return self.product(0, short(name)) };
        let Some((_, last)) = name.split_last_chunk() else { return 0 };
        if name.len() > 2 * PAIR_BYTES {
            return self.shortened_from(name, last);
        }
        let [first, last] = [first, last].map(|pair: &[u8; PAIR_BYTES]| u128::from_le_bytes(*pair));
        self.product(0, first).wrapping_add(self.product(1, last))
    }

    #[inline(never)]
    fn shortened_from(&self, name: &[u8], last: &[u8; PAIR_BYTES]) -> u128 {
        if name.len() > PAIRS * PAIR_BYTES {
            return self.shortened_long(name);
        }
        // The last pair may overlap the one before: that is why lengths count.
        let whole = name[..name.len() - 1].as_chunks::<PAIR_BYTES>().0;
        let mut sum = self.product(whole.len(), u128::from_le_bytes(*last));
        for (number, pair) in whole.iter().enumerate() {
            sum = sum.wrapping_add(self.product(number, u128::from_le_bytes(*pair)));
        }
        sum
    }

    #[inline]
    fn product(&self, number: usize, pair: u128) -> u128 {
        product(self.pairs[number % PAIRS], pair as u64, (pair >> 64) as u64)
    }

    #[cold]
    fn shortened_long(&self, name: &[u8]) -> u128 {
        let mut hasher = siphasher::sip128::SipHasher13::new_with_key(&self.long);
        hasher.write(name);
        hasher.finish128().into()
    }
}

#[inline]
fn product(keys: [u64; 2], one: u64, other: u64) -> u128 {
    u128::from(keys[0].wrapping_add(one)) * u128::from(keys[1].wrapping_add(other))
}

/// Fewer than 16 bytes as a number; different for different ones of a length.
#[inline]
fn short(name: &[u8]) -> u128 {
    if let Some((first, last)) = name.first_chunk().zip(name.last_chunk()) {
        return u128::from(u64::from_le_bytes(*first)) | (u128::from(u64::from_le_bytes(*last)) << 64);
    }
    if let Some((first, last)) = name.first_chunk().zip(name.last_chunk()) {
        return u128::from(u32::from_le_bytes(*first)) | (u128::from(u32::from_le_bytes(*last)) << 32);
    }
    name.iter().fold(0, |all, byte| (all << 8) | u128::from(*byte))
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

/// Bits of a word that are no key's: a policy's number fills it.
const POLICY_BITS: u32 = 16;
const WORD: u64 = u64::MAX << POLICY_BITS;
const LEAST: u64 = 1 << POLICY_BITS;

/// Keeps a client's quota apart from its bucket.
const QUOTA_TURN: u64 = 0x5A5A_A5A5_3C3C << POLICY_BITS;

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
    // A call would cost a third of it.
    #[inline(always)]
    pub fn new(seed: &Seed, scope: u64, client: &[u8]) -> Self {
        let around = (client.len() as u128) << 64 | u128::from(scope);
        let name = seed.shortened(client).wrapping_add(around);
        let stirred = product(seed.last, name as u64, (name >> 64) as u64);
        Self::of_hash(stirred as u64 ^ (stirred >> 64) as u64)
    }

    #[inline]
    fn of_hash(hash: u64) -> Self {
        // Never 0, which is nobody's.
        Self((hash & WORD).max(LEAST))
    }

    /// Where a policy's number takes the rest of the word.
    #[inline]
    pub(crate) fn high(self) -> u64 {
        self.0
    }

    /// What [`Key::high`] gave.
    pub(crate) fn of_high(high: u64) -> Self {
        Self::of_hash(high)
    }

    /// For saving: 48 bits, never 0.
    #[must_use]
    pub fn word(self) -> u64 {
        self.0 >> POLICY_BITS
    }

    /// What was saved.
    #[must_use]
    pub fn of_word(word: u64) -> Self {
        Self::of_hash(word << POLICY_BITS)
    }

    /// The key of the same client's quota, and the other way round.
    pub(crate) fn turned(self) -> Self {
        Self::of_hash(self.0 ^ QUOTA_TURN)
    }
}
