//! Keys that sign models and keys that are trusted: Ed25519, or ECDSA on
//! P-256 as `cosign` makes them, in PEM.

use crate::artifact::{BEGINNING, Digest, FileError, read_file, unique};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What stands before the 32 bytes of an Ed25519 key in a public key's DER.
const ED25519_PREFIX: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The same before the 65 bytes of a point on P-256.
const P256_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const PEM_BYTES_MAX: usize = 16 << 10;

/// Why text is no key. Says nothing of the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A private key was expected.
    #[error(
        "no private key: expected PEM, `-----BEGIN PRIVATE KEY-----`, as `openssl genpkey -algorithm ed25519` makes it"
    )]
    NoPrivateKey,
    /// A public key was expected.
    #[error("no public key: expected PEM, `-----BEGIN PUBLIC KEY-----`, as `openssl pkey -pubout` makes it")]
    NoPublicKey,
    /// A private key that is encrypted.
    #[error(
        "the private key is encrypted; keep it unencrypted in a file or variable that only the service can read"
    )]
    Encrypted,
    /// Another kind of key.
    #[error("the key is neither Ed25519 nor ECDSA on P-256")]
    Algorithm,
}

/// Which key: the first half of its public part's SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Ed25519,
    P256,
}

/// A key that models are trusted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    der: Vec<u8>,
}

impl VerifyingKey {
    /// From `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    /// [`KeyError`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = der(pem, "PUBLIC KEY").ok_or(KeyError::NoPublicKey)?;
        let is = |prefix: &[u8], bytes: usize| der.starts_with(prefix) && der.len() == prefix.len() + bytes;
        if is(ED25519_PREFIX, 32) {
            Ok(Self { algorithm: Algorithm::Ed25519, der })
        } else if is(P256_PREFIX, 65) {
            Ok(Self { algorithm: Algorithm::P256, der })
        } else {
            Err(KeyError::Algorithm)
        }
    }

    /// As PEM, for others to trust.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.der)
    }

    /// Which key it is.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut id = [0; 16];
        id.copy_from_slice(&Digest::of(&self.der).bytes()[..16]);
        KeyId(id)
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Ed25519 => {
                UnparsedPublicKey::new(&ED25519, &self.der[ED25519_PREFIX.len()..]).verify(message, signature)
            }
            Algorithm::P256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.der[P256_PREFIX.len()..])
                    .verify(message, signature)
            }
        }
        .is_ok()
    }
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

/// A key that signs models.
pub struct SigningKey {
    pair: Pair,
    public: VerifyingKey,
}

/// Without the key: what is public of it says which it is.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id())
    }
}

impl SigningKey {
    /// From `-----BEGIN PRIVATE KEY-----` (PKCS #8, not encrypted).
    ///
    /// # Errors
    /// [`KeyError`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if pem.contains("ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        let der = der(pem, "PRIVATE KEY").ok_or(KeyError::NoPrivateKey)?;
        Self::from_der(&der)
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            let der = [ED25519_PREFIX, pair.public_key().as_ref()].concat();
            let public = VerifyingKey { algorithm: Algorithm::Ed25519, der };
            return Ok(Self { pair: Pair::Ed25519(pair), public });
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der)
            .map_err(|_| KeyError::Algorithm)?;
        let der = [P256_PREFIX, pair.public_key().as_ref()].concat();
        let public = VerifyingKey { algorithm: Algorithm::P256, der };
        Ok(Self { pair: Pair::P256(pair), public })
    }

    /// The key in a file; where there is none, a new one is made, that only
    /// this user can read. Two processes that do so at once get the same key.
    ///
    /// # Errors
    /// [`KeyFileError`] where it can't be read or made.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        if let Some(key) = Self::load(path)? {
            return Ok(key);
        }
        create(path).map_err(|source| FileError::Write { path: path.to_owned(), source })?;
        Self::read(path)
    }

    /// The key in a file; nothing where there is none.
    ///
    /// # Errors
    /// [`KeyFileError`] where it can't be read.
    pub fn load(path: &Path) -> Result<Option<Self>, KeyFileError> {
        match Self::read(path) {
            Err(KeyFileError::File(error)) if error.is_missing() => Ok(None),
            other => other.map(Some),
        }
    }

    fn read(path: &Path) -> Result<Self, KeyFileError> {
        let bytes = read_file(path, PEM_BYTES_MAX)?;
        let text = String::from_utf8(bytes).map_err(|_| KeyError::NoPrivateKey);
        let key = text.and_then(|text| Self::from_pem(&text));
        key.map_err(|error| KeyFileError::Key { path: path.display().to_string(), error })
    }

    /// Its public part.
    #[must_use]
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.try_sign(message),
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), message),
        };
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| SigningError)
    }
}

/// The library could not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model can't be signed with this key; make a new one")]
pub struct SigningError;

/// Why there is no key in a file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It can't be read or made.
    #[error(transparent)]
    File(#[from] FileError),
    /// It holds something else.
    #[error("`{path}`: {error}")]
    Key {
        /// Which file.
        path: String,
        /// What is wrong.
        error: KeyError,
    },
}

/// Writes a new key beside its place and links it there, so that the file is
/// whole when it appears, and never replaces another.
fn create(path: &Path) -> io::Result<()> {
    let text = new_key()?;
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let beside = folder.join(format!("{BEGINNING}{}-{}", std::process::id(), unique()));
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

/// Of the system's random bytes: the first of the library's own take it some
/// 20 ms, which a start has better use for.
fn new_key() -> io::Result<String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(io::Error::other)?;
    let der = pair.to_pkcs8v1().map_err(|_| io::Error::other("no key can be made"))?;
    Ok(pem("PRIVATE KEY", der.as_ref()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + &format!("-----END {label}-----\n")
}

fn der(pem: &str, label: &str) -> Option<Vec<u8>> {
    if pem.len() > PEM_BYTES_MAX {
        return None;
    }
    let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    // Of RFC 8410, section 10.3; its public key is in section 10.1.
    const RFC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    fn p256() -> SigningKey {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        SigningKey::from_der(pair.to_pkcs8v1().unwrap().as_ref()).unwrap()
    }

    #[test]
    fn the_standards_example_is_read() {
        let key = SigningKey::from_pem(RFC_PRIVATE).unwrap();
        assert_eq!(key.public(), &VerifyingKey::from_pem(RFC_PUBLIC).unwrap());
        assert_eq!(key.public().to_pem(), RFC_PUBLIC);
        assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.public().id()));
    }

    #[test]
    fn each_key_verifies_what_it_signed_and_nothing_else() {
        let keys = [SigningKey::from_pem(RFC_PRIVATE).unwrap(), p256(), p256()];
        for (index, key) in keys.iter().enumerate() {
            let signature = key.sign(b"a message").unwrap();
            for (other, verifier) in keys.iter().enumerate() {
                assert_eq!(verifier.public().verifies(b"a message", &signature), index == other);
            }
            assert!(!key.public().verifies(b"a messagf", &signature));
            assert!(!key.public().verifies(b"a message", &signature[1..]));
            assert_eq!(VerifyingKey::from_pem(&key.public().to_pem()).as_ref(), Ok(key.public()));
        }
    }

    #[test]
    fn other_text_is_no_key() {
        let cosign = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----";
        assert_eq!(SigningKey::from_pem(cosign).unwrap_err(), KeyError::Encrypted);
        assert_eq!(SigningKey::from_pem(RFC_PUBLIC).unwrap_err(), KeyError::NoPrivateKey);
        assert_eq!(VerifyingKey::from_pem(RFC_PRIVATE).unwrap_err(), KeyError::NoPublicKey);
        let rsa = pem("PRIVATE KEY", &[0x30, 0x03, 0x02, 0x01, 0x00]);
        assert_eq!(SigningKey::from_pem(&rsa).unwrap_err(), KeyError::Algorithm);
        assert_eq!(
            VerifyingKey::from_pem(&pem("PUBLIC KEY", &[0x30; 300])).unwrap_err(),
            KeyError::Algorithm
        );
        for text in ["", "-----BEGIN PUBLIC KEY-----", &RFC_PUBLIC.replace('M', "*"), &"x".repeat(1 << 20)] {
            assert!(VerifyingKey::from_pem(text).is_err() && SigningKey::from_pem(text).is_err());
        }
    }

    #[test]
    fn one_key_is_made_by_whoever_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/key.pem");
        let ids: Vec<KeyId> = std::thread::scope(|scope| {
            let make = || scope.spawn(|| SigningKey::load_or_create(&path).unwrap().public().id());
            let threads: Vec<_> = (0..8).map(|_| make()).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::write(&path, "nonsense").unwrap();
        let error = SigningKey::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("no private key") && !error.contains("nonsense"), "{error}");
    }
}
