//! A key's text: `oc` and 30 characters of base62, some 178 random bits.

use crate::StateError;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Characters in a key.
pub const KEY_LENGTH: usize = 32;

/// Characters in a key's id, which are the key's first.
pub const KEY_ID_LENGTH: usize = 10;

const PREFIX: &[u8] = b"oc";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The first ten characters of a key: they name it and may be shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_LENGTH]);

/// Text that is neither a key's id nor its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTextError {
    /// Not an id.
    #[error("`{text}` is not a key's id: expected `oc` and 8 letters or digits")]
    Id {
        /// The text, at most 80 characters of it.
        text: String,
    },
    /// A whole key where its id was asked for; it is not repeated.
    #[error("this is a whole key: only its first 10 characters are its id")]
    WholeKey,
    /// Not a name.
    #[error("`{text}` is not a key's name: use 1 to 63 of letters, digits, `-`, `_`, `.`, `,`")]
    Name {
        /// The text, at most 80 characters of it.
        text: String,
    },
}

impl KeyId {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyId {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        if split_key(text).is_some() {
            return Err(KeyTextError::WholeKey);
        }
        <[u8; KEY_ID_LENGTH]>::try_from(text.as_bytes())
            .ok()
            .filter(|bytes| is_key_text(bytes))
            .map(Self)
            .ok_or_else(|| KeyTextError::Id { text: shortened(text) })
    }
}

/// What a key is for, in its owner's words; two live keys may share a name, so
/// that one can be rotated without a gap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Checks the text.
    ///
    /// # Errors
    /// Names the text and the rule.
    pub fn new(text: &str) -> Result<Self, KeyTextError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,".contains(&byte);
        if (1..=63).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyTextError::Name { text: shortened(text) })
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole key; `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// The text, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A key just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its public part.
    pub id: KeyId,
    /// All of it; this is the only time it is known.
    pub key: SecretKey,
}

impl NewKey {
    /// Draws a key from the system's random bytes.
    pub(crate) fn random() -> Result<Self, StateError> {
        let mut text = PREFIX.to_vec();
        let mut pool = [0_u8; 64];
        while text.len() < KEY_LENGTH {
            getrandom::fill(&mut pool).map_err(|source| StateError::Random { source })?;
            let missing = KEY_LENGTH - text.len();
            text.extend(pool.iter().filter_map(|&byte| base62(byte)).take(missing));
        }
        let (&id, _) = text.split_first_chunk().unwrap_or((&[0; KEY_ID_LENGTH], &[]));
        let key = text.into_iter().map(char::from).collect();
        Ok(Self { id: KeyId(id), key: SecretKey(key) })
    }

    pub(crate) fn hash(&self) -> KeyHash {
        hash_key(self.key.0.as_bytes())
    }
}

/// SHA-256 of a whole key.
pub(crate) type KeyHash = [u8; 32];

pub(crate) fn hash_key(key: &[u8]) -> KeyHash {
    Sha256::digest(key).into()
}

/// The id in front of text that has a key's form.
#[inline]
pub(crate) fn split_key(text: &str) -> Option<KeyId> {
    let bytes: &[u8; KEY_LENGTH] = text.as_bytes().try_into().ok()?;
    let (id, _) = bytes.split_first_chunk()?;
    is_key_text(bytes).then_some(KeyId(*id))
}

fn is_key_text(bytes: &[u8]) -> bool {
    bytes.starts_with(PREFIX) && bytes.iter().all(u8::is_ascii_alphanumeric)
}

/// 248 is the largest multiple of 62 in a byte: what lies beyond is drawn
/// again, or the first eight characters would come up more often.
fn base62(byte: u8) -> Option<u8> {
    (byte < 248).then(|| ALPHABET[usize::from(byte % 62)])
}

fn shortened(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_has_four_bytes() {
        let mut counts = [0_u32; 256];
        for byte in (0..=u8::MAX).filter_map(base62) {
            counts[usize::from(byte)] += 1;
        }
        for (byte, &count) in counts.iter().enumerate() {
            assert_eq!(count, if (byte as u8).is_ascii_alphanumeric() { 4 } else { 0 });
        }
    }

    #[test]
    fn drawn_keys_use_the_alphabet_evenly() {
        let mut counts = std::collections::BTreeMap::new();
        let draws = 2_000_u32;
        for _ in 0..draws {
            let new = NewKey::random().unwrap();
            assert_eq!(new.key.expose().len(), KEY_LENGTH);
            assert_eq!(split_key(new.key.expose()), Some(new.id));
            for char in new.key.expose().chars().skip(2) {
                *counts.entry(char).or_insert(0_u32) += 1;
            }
        }
        let mean = f64::from(draws * 30) / 62.0;
        let chi_square: f64 = counts.values().map(|&n| (f64::from(n) - mean).powi(2) / mean).sum();
        assert_eq!(counts.len(), 62);
        // 61 degrees of freedom: 150 is exceeded once in some 10^9 runs.
        assert!(chi_square < 150.0, "chi-square {chi_square}");
    }

    #[test]
    fn an_id_is_not_a_key() {
        let new = NewKey::random().unwrap();
        assert_eq!(new.id.to_string().parse::<KeyId>(), Ok(new.id));
        let error = new.key.expose().parse::<KeyId>().unwrap_err();
        assert_eq!(error, KeyTextError::WholeKey);
        assert!("oc1234567".parse::<KeyId>().is_err());
        assert!("xx12345678".parse::<KeyId>().is_err());
        assert!("oc1234567é".parse::<KeyId>().is_err());
    }

    #[test]
    fn debug_hides_the_key() {
        let new = NewKey::random().unwrap();
        assert!(!format!("{new:?}").contains(&new.key.expose()[10..]));
    }
}
