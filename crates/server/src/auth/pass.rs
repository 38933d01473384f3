//! Passes: short-lived tokens that say to what stands behind a proxy whom we
//! have let through.
//!
//! They are signed with a key of this installation (ES256), whose public part
//! anybody may fetch, and are no credential here: what verifies credentials is
//! in tenants' settings alone.

use super::Who;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_state::{Scope, Scopes};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const FILE: &str = "passes.key";

/// How long a pass holds.
const LIFE: Duration = Duration::from_secs(60);

/// A pass is given out again this long, so that it still holds for a while.
const GIVEN_S: i64 = 30;

/// Passes that a thread remembers; beyond it forgets all.
const REMEMBERED_MAX: usize = 16_384;

/// Who makes passes and is their `iss`.
const ISSUER: &str = "openclaw";

/// Why there is no key to sign passes with.
#[derive(Debug, thiserror::Error)]
#[error("the key of internal tokens `{path}` can't be kept: {source}")]
pub struct PassError {
    path: PathBuf,
    source: io::Error,
}

/// Makes passes.
pub(crate) struct Passes {
    key: EncodingKey,
    header: Header,
    /// The public part, as a JSON Web Key Set.
    published: String,
}

/// Whom a pass is for.
#[derive(Clone, Copy)]
pub(crate) struct Bearer<'a> {
    /// Whose they are.
    pub(crate) tenant: &'a TenantName,
    /// By their credential.
    pub(crate) who: &'a Who,
    pub(crate) scopes: Option<Scopes>,
    /// As limits know them.
    pub(crate) client: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    tenant: &'a str,
    client: &'a str,
    scopes: Vec<&'static str>,
    iat: i64,
    exp: i64,
}

/// A pass that has been signed.
struct Signed {
    at_s: i64,
    pass: Arc<str>,
}

thread_local! {
    /// By whom they are for, so that a signature is made once in a while; and
    /// room for the name that is looked up.
    static SIGNED: RefCell<(String, HashMap<Box<str>, Signed>)> = RefCell::default();
}

impl Passes {
    /// With the folder's key; made where there is none.
    pub(crate) fn load(folder: &Path) -> Result<Self, PassError> {
        let path = folder.join(FILE);
        Self::read_or_make(&path).map_err(|source| PassError { path, source })
    }

    fn read_or_make(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => match Self::of(&bytes) {
                Some(passes) => Ok(passes),
                None => Self::make(path),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(error) => Err(error),
        }
    }

    fn make(path: &Path) -> io::Result<Self> {
        let refused = |_| io::Error::other("no key can be made");
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(refused)?;
        crate::limits::keep_secret(path, document.as_ref())?;
        Self::of(document.as_ref()).ok_or_else(|| io::Error::other("a new key can't be read"))
    }

    /// `None` for what is no key of ours.
    fn of(pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        // Uncompressed: a mark, then both coordinates.
        let point = pair.public_key().as_ref();
        let coordinate = |from: usize| Some(URL_SAFE_NO_PAD.encode(point.get(from..from + 32)?));
        let (x, y) = (coordinate(1)?, coordinate(33)?);
        let id = thumbprint(&x, &y);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": x, "y": y,
        });
        let header = Header { kid: Some(id), ..Header::new(Algorithm::ES256) };
        let published = json!({ "keys": [jwk] }).to_string();
        Some(Self { key: EncodingKey::from_ec_der(pkcs8), header, published })
    }

    /// What verifies passes.
    pub(crate) fn published(&self) -> &str {
        &self.published
    }

    /// A pass that holds for some time yet; nothing if the library refuses.
    pub(crate) fn pass(&self, bearer: Bearer<'_>, now: Timestamp) -> Option<Arc<str>> {
        let now_s = now.secs();
        SIGNED.with_borrow_mut(|(name, signed)| {
            bearer.write_name(name);
            match signed.get(name.as_str()) {
                Some(known) if (known.at_s..known.at_s + GIVEN_S).contains(&now_s) => {
                    return Some(Arc::clone(&known.pass));
                }
                _ => {}
            }
            let pass = self.sign(bearer, now)?;
            if signed.len() >= REMEMBERED_MAX {
                signed.clear();
            }
            signed.insert(name.as_str().into(), Signed { at_s: now_s, pass: Arc::clone(&pass) });
            Some(pass)
        })
    }

    fn sign(&self, bearer: Bearer<'_>, now: Timestamp) -> Option<Arc<str>> {
        let claims = Claims {
            iss: ISSUER,
            sub: bearer.who.to_string(),
            tenant: bearer.tenant.as_str(),
            client: bearer.client,
            scopes: bearer.scopes.iter().flat_map(|scopes| scopes.iter()).map(Scope::name).collect(),
            iat: now.secs(),
            exp: now.plus(LIFE).secs(),
        };
        let signed = jsonwebtoken::encode(&self.header, &claims, &self.key);
        signed.inspect_err(|error| tracing::error!(%error, "a pass can't be signed")).ok().map(Into::into)
    }
}

impl Bearer<'_> {
    /// No two bearers have the same.
    fn write_name(&self, name: &mut String) {
        name.clear();
        let _ = write!(name, "{}\0{}\0", self.tenant, self.who);
        for scope in self.scopes.iter().flat_map(|scopes| scopes.iter()) {
            name.push_str(scope.name());
            name.push(' ');
        }
        name.push('\0');
        name.push_str(self.client);
    }
}

/// RFC 7638.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    fn bearer<'a>(tenant: &'a TenantName, who: &'a Who, client: &'a str) -> Bearer<'a> {
        Bearer { tenant, who, scopes: Some(Scope::Limit.into()), client }
    }

    #[test]
    fn a_pass_is_verified_by_what_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let passes = Passes::load(folder.path()).unwrap();
        let (tenant, who) = (TenantName::new("acme").unwrap(), Who::Key("ocAAAAAAAA".parse().unwrap()));
        let at = Timestamp::from_secs(1_772_368_496);
        let pass = passes.pass(bearer(&tenant, &who, "shop"), at).unwrap();
        let set: JwkSet = serde_json::from_str(passes.published()).unwrap();
        let header = jsonwebtoken::decode_header(&*pass).unwrap();
        let jwk = set.find(header.kid.as_deref().unwrap()).unwrap();
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_issuer(&["openclaw"]);
        rules.validate_exp = false;
        let key = DecodingKey::from_jwk(jwk).unwrap();
        let claims = jsonwebtoken::decode::<Value>(&*pass, &key, &rules).unwrap().claims;
        assert_eq!(claims["tenant"], "acme");
        assert_eq!(claims["client"], "shop");
        assert_eq!(claims["sub"], "key ocAAAAAAAA");
        assert_eq!(claims["scopes"], json!(["limit"]));
        assert_eq!((&claims["iat"], &claims["exp"]), (&at.secs().into(), &(at.secs() + 60).into()));
    }

    #[test]
    fn a_pass_is_signed_again_while_it_still_holds() {
        let folder = tempfile::tempdir().unwrap();
        let passes = Passes::load(folder.path()).unwrap();
        let (tenant, who) = (TenantName::new("acme").unwrap(), Who::token(Some("ci")));
        let at = |s: i64| passes.pass(bearer(&tenant, &who, "a"), Timestamp::from_secs(1000 + s)).unwrap();
        let first = at(0);
        assert_eq!(at(29), first);
        assert_ne!(at(30), first);
        // A clock that was set back doesn't make passes of the future.
        assert_ne!(at(-100), first);
        let other = passes.pass(bearer(&tenant, &who, "b"), Timestamp::from_secs(1000)).unwrap();
        assert_ne!(other, first);
    }

    #[test]
    fn a_folder_keeps_its_key_and_nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let published = || Passes::load(folder.path()).unwrap().published().to_owned();
        let first = published();
        assert_eq!(published(), first);
        let path = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, b"cut").unwrap();
        assert_ne!(published(), first);
    }
}
