//! What a client is called in the table.
//!
//! A stranger chooses names, so the hash has a secret key; but nobody is ever
//! shown a hash, so it need not be a cipher. NH (of UMAC, RFC 4418) takes the
//! name to 128 bits, where two names of one length meet with a chance of 2⁻⁶⁴,
//! whatever they are; multiply-add-shift (Dietzfelbinger) takes that, the
//! length and the scope to 64 bits; stirring these (MurmurHash3's last step,
//! which is one to one) keeps names that count upwards from standing in rows.
//! Of the 48 bits that are used, any two names meet with a chance of 2⁻⁴⁸. That
//! is proven, and half the instructions of SipHash 1-3, so that the
//! processor can wait for several clients' memory at once.

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
    last: [u128; 5],
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
        let last = std::array::from_fn(|_| (u128::from(word()) << 64) | u128::from(word()));
        Self { pairs, last, long: bytes }
    }

    /// Of names that are alike in length, different for different ones.
    #[inline]
    fn shortened(&self, name: &[u8]) -> u128 {
        if name.len() > PAIRS * PAIR_BYTES {
            return self.shortened_long(name);
        }
        let (whole, rest) = name.as_chunks::<PAIR_BYTES>();
        let mut sum = 0_u128;
        for (pair, keys) in whole.iter().zip(&self.pairs) {
            sum = sum.wrapping_add(product(*keys, u128::from_le_bytes(*pair)));
        }
        match name.last_chunk::<PAIR_BYTES>() {
            _ if rest.is_empty() => sum,
            Some(last) => {
                sum.wrapping_add(product(self.pairs[whole.len() % PAIRS], u128::from_le_bytes(*last)))
            }
            None => product(self.pairs[0], short(rest)),
        }
    }

    #[cold]
    fn shortened_long(&self, name: &[u8]) -> u128 {
        let mut hasher = siphasher::sip128::SipHasher13::new_with_key(&self.long);
        hasher.write(name);
        hasher.finish128().into()
    }
}

#[inline]
fn product(keys: [u64; 2], pair: u128) -> u128 {
    u128::from(keys[0].wrapping_add(pair as u64)) * u128::from(keys[1].wrapping_add((pair >> 64) as u64))
}

#[inline]
fn stirred(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
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
        let name = seed.shortened(client);
        let words = [name as u64, (name >> 64) as u64, client.len() as u64, scope];
        let mut sum = seed.last[4];
        for (word, key) in words.iter().zip(&seed.last) {
            sum = sum.wrapping_add(key.wrapping_mul(u128::from(*word)));
        }
        Self::of_hash(stirred((sum >> 64) as u64))
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
