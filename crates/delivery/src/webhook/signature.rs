//! Standard Webhooks 1.0: who receives a message can tell that it is ours,
//! whole, and recent.

use crate::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use openclaw_alert::Timestamp;
use sha2::Sha256;
use std::fmt;

const PREFIX: &str = "whsec_";

/// Shorter keys can be guessed; the specification asks for 24 to 64 bytes, and
/// plain text of other systems may be less, but never trivial.
const KEY_BYTES_MIN: usize = 8;
const KEY_BYTES_MAX: usize = 1024;

/// While one key takes another's place there are two; more would be a mistake.
const KEYS_MAX: usize = 4;

/// The keys that sign messages, mostly one. `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<Key>);

#[derive(Clone)]
struct Key {
    key: Vec<u8>,
    /// Has taken the key in already, which is half the work of a short text.
    keyed: Hmac<Sha256>,
}

/// A secret that can't sign. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// `whsec_` and then something else than base64.
    #[error("after `whsec_` the secret must be base64: copy it whole, with its `=` signs")]
    Base64,
    /// Too short to be safe, or too long to be a key.
    #[error(
        "the secret has {length_bytes} bytes: use {KEY_BYTES_MIN} to {KEY_BYTES_MAX}, best `whsec_` and the base64 of 32 random bytes"
    )]
    Length {
        /// Bytes of the key.
        length_bytes: usize,
    },
    /// More than a change of keys needs.
    #[error("the secret holds {count} keys: at most {KEYS_MAX}, with spaces between")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl SigningKey {
    /// Reads `whsec_` and base64, also several of them with spaces between, or
    /// takes any other text as the key's bytes.
    ///
    /// # Errors
    /// Says what is wrong without repeating the text.
    pub fn parse(secret: &Secret) -> Result<Self, SigningKeyError> {
        let text = secret.expose();
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() < 2 || !words.iter().all(|word| word.starts_with(PREFIX)) {
            return Ok(Self(vec![Key::parse(text)?]));
        }
        if words.len() > KEYS_MAX {
            return Err(SigningKeyError::TooMany { count: words.len() });
        }
        Ok(Self(words.into_iter().map(Key::parse).collect::<Result<_, _>>()?))
    }

    /// The value of `webhook-signature` for a message sent `at`: a signature
    /// of each key, so that a receiver who has changed to the newer one and one
    /// who hasn't both find theirs.
    pub(crate) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        self.0.iter().map(|key| key.sign(id, at, body)).collect::<Vec<_>>().join(" ")
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self, SigningKeyError> {
        let key = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| SigningKeyError::Base64)?,
            None => text.as_bytes().to_vec(),
        };
        if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) {
            return Err(SigningKeyError::Length { length_bytes: key.len() });
        }
        let keyed =
            Hmac::new_from_slice(&key).map_err(|_| SigningKeyError::Length { length_bytes: key.len() })?;
        Ok(Self { key, keyed })
    }

    fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let mut mac = self.keyed.clone();
        mac.update(id.as_bytes());
        mac.update(format!(".{}.", at.secs()).as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Key {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<SigningKey, SigningKeyError> {
        SigningKey::parse(&Secret::new(text))
    }

    #[test]
    fn signs_as_the_specification_does() {
        let signature = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_secs(1_614_265_330),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    /// HMAC from its definition: H((key ^ 5c) || H((key ^ 36) || text)).
    #[test]
    fn plain_text_is_the_key_itself() {
        use sha2::Digest;
        let secret = "correct horse battery staple";
        let mut block = [0_u8; 64];
        block[..secret.len()].copy_from_slice(secret.as_bytes());
        let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(b"k1.7.{}").finalize();
        let outer = Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize();
        let want = format!("v1,{}", STANDARD.encode(outer));
        assert_eq!(key(secret).unwrap().sign("k1", Timestamp::from_nanos(7_999_999_999), b"{}"), want);
    }

    #[test]
    fn while_keys_change_each_signs() {
        let (old, new) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQ=");
        let sign = |text: &str| key(text).unwrap().sign("m", Timestamp::from_secs(7), b"{}");
        assert_eq!(sign(&format!("{new} {old}\n")), format!("{} {}", sign(new), sign(old)));
        assert!(!sign("plain text whsec_of words").contains(' '), "a key that is words is one key");
        assert_eq!(key(&[old; 5].join(" ")), Err(SigningKeyError::TooMany { count: 5 }));
        assert_eq!(key(&format!("{old} whsec_!")), Err(SigningKeyError::Base64));
    }

    #[test]
    fn secrets_that_cannot_sign_are_refused() {
        assert_eq!(key("whsec_!!!"), Err(SigningKeyError::Base64));
        assert_eq!(key("whsec_"), Err(SigningKeyError::Length { length_bytes: 0 }));
        assert_eq!(key(""), Err(SigningKeyError::Length { length_bytes: 0 }));
        assert_eq!(key("short"), Err(SigningKeyError::Length { length_bytes: 5 }));
        assert_eq!(format!("{:?}", key("long enough").unwrap()), "<secret>");
    }
}
