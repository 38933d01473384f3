//! The key that passes are signed with.

use super::PassError;
use crate::files::{self, SECRET};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io;
use std::path::Path;

pub(super) const FILE: &str = "passes.key";

/// An ECPrivateKey (RFC 5915) on P-256 around its number.
const DER_BEFORE: &[u8] = &[0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
const DER_AFTER: &[u8] = &[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// Numbers that are tried for a new key: all but one of four billion are good.
const TRIES: usize = 8;

pub(super) struct PassKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    /// The head of every pass, as it is signed.
    head: String,
    /// The public part, as a JSON Web Key Set.
    pub(super) published: String,
}

impl PassKey {
    /// The folder's; made where there is none.
    pub(super) fn load(folder: &Path) -> Result<Self, PassError> {
        let path = folder.join(FILE);
        Self::read_or_make(&path).map_err(|source| PassError { path, source })
    }

    fn read_or_make(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes) {
                Ok(pair) => Ok(Self::of(pair)),
                Err(_) => Self::make(path),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(error) => Err(error),
        }
    }

    fn make(path: &Path) -> io::Result<Self> {
        let pair = new_pair()?;
        let document = pair.to_pkcs8v1().map_err(|_| refused())?;
        files::replace(path, document.as_ref(), SECRET)?;
        Ok(Self::of(pair))
    }

    fn of(pair: EcdsaKeyPair) -> Self {
        // Uncompressed: a mark, then both coordinates.
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        let id = thumbprint(&x, &y);
        let head = json!({ "typ": "JWT", "alg": "ES256", "kid": id }).to_string();
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": x, "y": y,
        });
        let published = json!({ "keys": [jwk] }).to_string();
        Self { pair, random: SystemRandom::new(), head: URL_SAFE_NO_PAD.encode(head), published }
    }

    /// A token of these claims; nothing if the library refuses.
    pub(super) fn sign(&self, claims: &[u8]) -> Option<String> {
        let mut token = String::with_capacity(self.head.len() + claims.len() * 4 / 3 + 100);
        token.push_str(&self.head);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(&self.random, token.as_bytes()).ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }
}

/// Of the system's random bytes: the first of the library's own take it some
/// 20 ms, which a start has better use for.
fn new_pair() -> io::Result<EcdsaKeyPair> {
    let mut number = [0; 32];
    for _ in 0..TRIES {
        getrandom::fill(&mut number).map_err(io::Error::other)?;
        let der = [DER_BEFORE, &number, DER_AFTER].concat();
        // Refused is what is not below the curve's order (FIPS 186-5, A.2.2).
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der) {
            return Ok(pair);
        }
    }
    Err(refused())
}

fn refused() -> io::Error {
    io::Error::other("no key can be made")
}

/// RFC 7638.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}
