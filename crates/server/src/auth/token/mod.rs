//! JSON Web Tokens as credentials.
//!
//! A token names its tenant; that tenant's settings alone verify it. What it
//! claims before that decides only whose keys are tried, so a tenant's keys
//! can never speak for another.

mod claims;
mod keys;
mod memory;
mod remote;
mod sign;
#[cfg(test)]
mod tests;

pub use keys::KeySetError;
pub(crate) use remote::KeyFetcher;
pub use sign::{NewToken, SignError, sign};

use super::who::Who;
use crate::tenants::Tenants;
use arc_swap::ArcSwap;
use claims::Unverified;
use jsonwebtoken::{Algorithm, Header};
use keys::KeySet;
use memory::Memory;
use openclaw_alert::{TenantName, Timestamp};
use openclaw_delivery::{Secret, Target};
use openclaw_state::Scopes;
use remote::Remote;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a token is not taken. What is wrong with its claims is told only of a
/// token whose signature is good, so that nobody learns of others' settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenFault {
    /// Nobody's, or not verified.
    #[error("no key of the tenant that it names verifies it")]
    Unverified,
    /// Over.
    #[error("it has expired")]
    Expired,
    /// In the future.
    #[error("it does not hold yet (`nbf`)")]
    NotYet,
    /// From somebody else.
    #[error("its issuer (`iss`) is not the one in the tenant's settings")]
    Issuer,
    /// For somebody else.
    #[error("it is not for us: its `aud` and `audience` in the tenant's settings differ")]
    Audience,
}

/// How a tenant's tokens are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// What verifies signatures.
    pub keys: TokenKeys,
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must name; without it a token must name nobody.
    pub audience: Option<String>,
    /// Whether the scope `operator` is taken from a token.
    pub may_operate: bool,
}

/// Where the keys of tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKeys(Keys);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Keys {
    Secret(Secret, KeySet),
    Set(KeySet),
    Remote(Target),
}

impl TokenKeys {
    /// A shared secret: HS256.
    ///
    /// # Errors
    /// When it is too short to be safe.
    pub fn of_secret(secret: Secret) -> Result<Self, KeySetError> {
        let keys = KeySet::of_secret(&secret)?;
        Ok(Self(Keys::Secret(secret, keys)))
    }

    /// The text of a JSON Web Key Set from a file that is the operator's own.
    ///
    /// # Errors
    /// When it can't be read, or no key of it can be used.
    pub fn of_set(text: &Secret) -> Result<Self, KeySetError> {
        KeySet::of_file(text.expose()).map(|keys| Self(Keys::Set(keys)))
    }

    /// A JSON Web Key Set that is fetched, and fetched again.
    #[must_use]
    pub fn at(address: Target) -> Self {
        Self(Keys::Remote(address))
    }

    fn secret(&self) -> Option<&Secret> {
        match &self.0 {
            Keys::Secret(secret, _) => Some(secret),
            Keys::Set(_) | Keys::Remote(_) => None,
        }
    }
}

/// What verifies a tenant's tokens, with the keys as they are now.
pub struct TokenIssuer {
    settings: TokenSettings,
    installed: ArcSwap<Installed>,
    remote: Option<Remote>,
}

/// Keys, and a number that no others have: what was verified by others is not
/// remembered.
struct Installed {
    generation: u64,
    keys: KeySet,
}

impl Installed {
    fn new(keys: KeySet) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { generation: NEXT.fetch_add(1, Ordering::Relaxed), keys }
    }
}

impl TokenIssuer {
    /// As the settings say; keys that are elsewhere are yet to be fetched.
    #[must_use]
    pub fn new(settings: TokenSettings) -> Self {
        let (keys, remote) = match &settings.keys.0 {
            Keys::Secret(_, keys) | Keys::Set(keys) => (keys.clone(), None),
            Keys::Remote(target) => (KeySet::empty(), Some(Remote::new(target.clone()))),
        };
        Self { installed: ArcSwap::from_pointee(Installed::new(keys)), settings, remote }
    }

    /// The same as `before` where nothing has changed: what was fetched and
    /// verified is kept then.
    pub(crate) fn follow(self: Arc<Self>, before: Option<&Arc<Self>>) -> Arc<Self> {
        match before {
            Some(before) if before.settings == self.settings => Arc::clone(before),
            _ => self,
        }
    }

    fn install(&self, keys: KeySet) {
        if self.installed.load().keys != keys {
            self.installed.store(Arc::new(Installed::new(keys)));
        }
    }

    fn verify(&self, token: &Unverified<'_>, now: Timestamp) -> Result<Token, TokenFault> {
        let installed = self.installed.load();
        let mut keys = installed.keys.candidates(token.header.alg, token.header.kid.as_deref());
        let is_signed = keys.any(|key| {
            let verified =
                jsonwebtoken::crypto::verify(token.signature, token.message, key, token.header.alg);
            verified.unwrap_or(false)
        });
        if !is_signed {
            return Err(TokenFault::Unverified);
        }
        let TokenSettings { issuer, audience, may_operate, .. } = &self.settings;
        let claims = &token.claims;
        Ok(Token {
            until: claims.check(issuer.as_deref(), audience.as_deref(), now)?,
            tenant: TenantName::new(&claims.tenant).map_err(|_| TokenFault::Unverified)?,
            scopes: claims.scopes(*may_operate),
            who: Who::token(claims.sub.as_deref()),
            generation: installed.generation,
        })
    }

    /// Whether newer keys may verify what has such a header.
    fn lacks(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        let installed = self.installed.load();
        let mut keys = installed.keys.candidates(algorithm, id);
        self.remote.is_some() && keys.next().is_none()
    }
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.settings)
    }
}

/// A key that a token names and that isn't among those that were fetched.
pub(crate) struct Missing {
    tenant: TenantName,
    issuer: Arc<TokenIssuer>,
    algorithm: Algorithm,
    id: Option<String>,
}

impl Missing {
    fn is_missing(&self) -> bool {
        self.issuer.lacks(self.algorithm, self.id.as_deref())
    }
}

/// A token that was verified.
pub(super) struct Token {
    pub(super) tenant: TenantName,
    /// None of ours: it may do nothing.
    pub(super) scopes: Option<Scopes>,
    pub(super) who: Who,
    until: Timestamp,
    generation: u64,
}

/// Verifies tokens, each once.
pub(super) struct Tokens {
    tenants: Arc<Tenants>,
    memory: Memory,
}

impl Tokens {
    pub(super) fn new(tenants: Arc<Tenants>) -> Self {
        Self { tenants, memory: Memory::new() }
    }

    pub(super) fn verify(&self, text: &str, now: Timestamp) -> Result<Arc<Token>, TokenFault> {
        let hash = Sha256::digest(text.as_bytes()).into();
        if let Some(token) = self.memory.get(&hash) {
            if self.holds(&token, now) {
                return Ok(token);
            }
            self.memory.forget(&hash);
        }
        let (unverified, issuer) = self.read(text).ok_or(TokenFault::Unverified)?;
        let token = Arc::new(issuer.verify(&unverified, now)?);
        self.memory.keep(hash, Arc::clone(&token), now);
        Ok(token)
    }

    /// Whose keys have to be fetched before this can be judged.
    pub(super) fn waits_for(&self, text: &str, now: Timestamp) -> Option<Missing> {
        let hash = Sha256::digest(text.as_bytes()).into();
        if self.memory.get(&hash).is_some_and(|token| self.holds(&token, now)) {
            return None;
        }
        let (unverified, issuer) = self.read(text)?;
        let tenant = TenantName::new(&unverified.claims.tenant).ok()?;
        let Header { alg: algorithm, kid: id, .. } = unverified.header;
        let missing = Missing { tenant, issuer, algorithm, id };
        missing.is_missing().then_some(missing)
    }

    fn read<'t>(&self, text: &'t str) -> Option<(Unverified<'t>, Arc<TokenIssuer>)> {
        let unverified = Unverified::read(text)?;
        let issuer = self.tenants.find(&unverified.claims.tenant)?.tokens.clone()?;
        Some((unverified, issuer))
    }

    /// Not over, and the tenant's keys are those that verified it.
    fn holds(&self, token: &Token, now: Timestamp) -> bool {
        let config = self.tenants.get(&token.tenant);
        let issuer = config.as_ref().and_then(|config| config.tokens.as_ref());
        now < token.until
            && issuer.is_some_and(|issuer| issuer.installed.load().generation == token.generation)
    }
}
