//! Keys that verify tokens: one shared secret, or a JSON Web Key Set.
//!
//! What a key is decides the one algorithm it verifies: whoever writes another
//! one, or `none`, into a token's header is refused.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use openclaw_delivery::Secret;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt;

/// Bytes in a set.
pub(super) const SET_BYTES_MAX: usize = 256 << 10;

/// Keys in a set; the rest of a longer one is not looked at.
const KEYS_MAX: usize = 64;

/// Keys that a token without `kid` is tried with.
const TRIED_MAX: usize = 8;

/// Below this a secret could be guessed from one token (RFC 7518, 3.2).
pub(super) const SECRET_BYTES_MIN: usize = 32;

/// Keys of one document.
#[derive(Clone)]
pub(super) struct KeySet {
    /// SHA-256 of what it was read from.
    source: [u8; 32],
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Text that is no key set. It may hold secrets, so nothing of it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than any real one.
    #[error("the key set is longer than {SET_BYTES_MAX} bytes")]
    TooLong,
    /// Not JSON, or without `keys`.
    #[error("not a JSON Web Key Set: `{{\"keys\": [...]}}` is expected (line {line}, column {column})")]
    Syntax {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// None of the keys can be used.
    #[error("no key for RS256, ES256 (P-256) or EdDSA (Ed25519) is in the key set")]
    NoKey,
    /// Too short to be safe.
    #[error("a secret for HS256 must have at least {SECRET_BYTES_MIN} bytes, this one has {bytes}")]
    ShortSecret {
        /// Its length.
        bytes: usize,
    },
}

/// Where a set comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A file that nobody else reads: it may hold shared secrets.
    File,
    /// An address that anybody can read.
    Public,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// A set in a file of the operator's; `oct` keys are shared secrets.
    pub(super) fn of_file(text: &str) -> Result<Self, KeySetError> {
        Self::parse(text.as_bytes(), Place::File)
    }

    /// A set with one shared secret.
    ///
    /// # Errors
    /// When it is too short to be safe.
    pub(super) fn of_secret(secret: &Secret) -> Result<Self, KeySetError> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(KeySetError::ShortSecret { bytes: bytes.len() });
        }
        let key = DecodingKey::from_secret(bytes);
        let keys = vec![Key { id: None, algorithm: Algorithm::HS256, key }];
        Ok(Self { source: Sha256::digest(bytes).into(), keys })
    }

    /// No keys: nothing is verified.
    pub(super) fn empty() -> Self {
        Self { source: [0; 32], keys: Vec::new() }
    }

    pub(super) fn parse(text: &[u8], place: Place) -> Result<Self, KeySetError> {
        if text.len() > SET_BYTES_MAX {
            return Err(KeySetError::TooLong);
        }
        let syntax =
            |error: serde_json::Error| KeySetError::Syntax { line: error.line(), column: error.column() };
        let document: Document = serde_json::from_slice(text).map_err(syntax)?;
        // Whoever publishes no key at all has withdrawn them.
        let is_withdrawn = document.keys.is_empty() && place == Place::Public;
        let given = document.keys.into_iter().take(KEYS_MAX);
        let keys: Vec<Key> = given.filter_map(|key| Key::read(key, place)).collect();
        if keys.is_empty() && !is_withdrawn {
            return Err(KeySetError::NoKey);
        }
        Ok(Self { source: Sha256::digest(text).into(), keys })
    }

    /// Keys that may have signed a token with this header.
    pub(super) fn candidates(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> impl Iterator<Item = &DecodingKey> {
        let fits = move |key: &&Key| {
            let is_named = key.id.is_none() || id.is_none() || key.id.as_deref() == id;
            key.algorithm == algorithm && is_named
        };
        self.keys.iter().filter(fits).take(TRIED_MAX).map(|key| &key.key)
    }
}

impl Key {
    /// Nothing for a key that is for something else, or damaged: its
    /// neighbours still count.
    fn read(value: Value, place: Place) -> Option<Self> {
        let stated = value.get("alg").cloned();
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let algorithm = algorithm_of(&jwk.algorithm, place)?;
        let is_for_signatures =
            jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        let is_as_stated = stated.is_none_or(|stated| stated == format!("{algorithm:?}"));
        if !is_for_signatures || !is_as_stated {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        if algorithm == Algorithm::HS256 && key.try_get_as_bytes().ok()?.len() < SECRET_BYTES_MIN {
            return None;
        }
        Some(Self { id: jwk.common.key_id, algorithm, key })
    }
}

/// The one algorithm that a key of this kind is for.
fn algorithm_of(parameters: &AlgorithmParameters, place: Place) -> Option<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(Algorithm::ES256),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some(Algorithm::EdDSA)
        }
        AlgorithmParameters::OctetKey(_) if place == Place::File => Some(Algorithm::HS256),
        _ => None,
    }
}

/// The same document.
impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for KeySet {}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.keys.len())
    }
}
