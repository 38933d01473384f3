//! Tenants and the partitions they belong to.

use std::fmt;
use std::sync::Arc;

/// Number of partitions, fixed for ever: ids and the scale-out log depend on it.
pub const PARTITIONS: usize = 64;

/// One of the [`PARTITIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(u8);

impl PartitionId {
    /// `None` for a number outside the fixed range.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (usize::from(number) < PARTITIONS).then_some(Self(number))
    }

    /// All partitions in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS as u8).map(Self)
    }

    /// As a number below [`PARTITIONS`].
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }

    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A tenant's name: 1 to 63 of `a-z 0-9 - _`, starting with a letter or digit,
/// so that it can be a file name, a path segment and a Kubernetes label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantName(Arc<str>);

/// A name that can't be a tenant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantNameError(String);

impl fmt::Display for TenantNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a tenant name: use 1 to 63 of `a-z`, `0-9`, `-`, `_`, starting with a letter or digit",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for TenantNameError {}

impl TenantName {
    /// Checks the rule above.
    ///
    /// # Errors
    /// Names the text and the rule.
    pub fn new(name: &str) -> Result<Self, TenantNameError> {
        let ok = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = name.as_bytes();
        let valid = (1..=63).contains(&bytes.len())
            && ok(bytes[0])
            && bytes.iter().all(|&byte| ok(byte) || byte == b'-' || byte == b'_');
        if valid { Ok(Self(name.into())) } else { Err(TenantNameError(name.chars().take(80).collect())) }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition it belongs to: murmur2 as Kafka's default partitioner
    /// computes it, so that the scale-out log agrees.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        let positive = murmur2(self.0.as_bytes()) & 0x7fff_ffff;
        PartitionId((positive % PARTITIONS as u32) as u8)
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl std::borrow::Borrow<str> for TenantName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Austin Appleby's MurmurHash2 with the seed of Kafka's `Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32 ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (shift, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * shift);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_kafkas() {
        // Vectors of Kafka's own UtilsTest.
        for (text, want) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, want, "{text}");
        }
    }

    #[test]
    fn names_are_safe_in_paths() {
        for bad in ["", "A", "..", "a/b", "-a", "a b", "é", &"a".repeat(64)] {
            assert!(TenantName::new(bad).is_err(), "{bad}");
        }
        assert!(TenantName::new("team-7_eu").is_ok());
    }
}
