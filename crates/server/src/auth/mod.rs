//! Who is calling, and for which tenant.
//!
//! The credential alone decides. `X-Scope-OrgID` and `/t/<tenant>/…` only
//! select among what it allows; nothing in a body names a tenant.

mod certificate;
mod denied;
mod token;
mod uses;
mod who;

pub use certificate::{CertificateRule, CertificateSubject};
pub(crate) use certificate::{Certificates, Peer};
pub(crate) use denied::Denied;
pub(crate) use token::KeyFetcher;
pub use token::{KeySetError, NewToken, SignError, TokenIssuer, TokenKeys, TokenSettings, sign};
pub(crate) use uses::keep_uses;
pub(crate) use who::Who;

use crate::clock::Clock;
use crate::host::Host;
use crate::tenants::{TenantConfig, TenantHandle, Tenants};
use arc_swap::{ArcSwap, Guard};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use certificate::Owner;
use http::header::{AUTHORIZATION, HeaderMap};
use openclaw_alert::TenantName;
use openclaw_state::{Credential, KEY_LENGTH, KeyTable, Scope, Scopes};
use std::sync::Arc;
use token::Tokens;

/// Header by which an operator selects a tenant, as Mimir and Loki name it.
pub(crate) const TENANT_HEADER: &str = "x-scope-orgid";

/// Longest `Authorization` that is looked at.
const AUTHORIZATION_BYTES_MAX: usize = 8 << 10;

/// Checks credentials.
pub(crate) struct Auth {
    keys: ArcSwap<KeyTable>,
    tokens: Tokens,
    tenants: Arc<Tenants>,
    fetcher: Arc<KeyFetcher>,
    clock: Arc<Clock>,
}

/// A caller whose credential has been checked.
pub(crate) struct Caller {
    who: Who,
    /// A token may have none of ours.
    scopes: Option<Scopes>,
    /// The tenant that the request is for.
    tenant: Option<Arc<TenantConfig>>,
}

/// What a credential says, whatever its kind.
struct Verified {
    who: Who,
    scopes: Option<Scopes>,
    /// Nothing for an operator's key of no tenant.
    tenant: Option<TenantName>,
}

impl Auth {
    pub(crate) fn new(
        keys: KeyTable,
        tenants: Arc<Tenants>,
        fetcher: Arc<KeyFetcher>,
        clock: Arc<Clock>,
    ) -> Self {
        let tokens = Tokens::new(Arc::clone(&tenants));
        Self { keys: ArcSwap::from_pointee(keys), tokens, tenants, fetcher, clock }
    }

    /// Swaps in the live keys.
    pub(crate) fn set_keys(&self, mut keys: KeyTable) {
        keys.follow(&self.keys.load());
        self.keys.store(Arc::new(keys));
    }

    fn keys(&self) -> Guard<Arc<KeyTable>> {
        self.keys.load()
    }

    /// Checks the credential and which tenant it is used for. `path_tenant` is
    /// the name in `/t/<tenant>/…`. A header counts before the connection's
    /// certificate, also a bad one.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        path_tenant: Option<&str>,
        peer: Option<&Peer>,
    ) -> Result<Caller, Denied> {
        let verified = match (single(headers, AUTHORIZATION.as_str())?, peer) {
            (Some(text), _) => self.by_header(text)?,
            (None, Some(peer)) => self.by_certificate(peer)?,
            (None, None) => return Err(Denied::Unauthorized),
        };
        let header_tenant = single(headers, TENANT_HEADER)?;
        match (path_tenant, header_tenant) {
            (Some(path), Some(header)) if path != header => Err(Denied::Ambiguous),
            (path, header) => self.select(verified, path.or(header)),
        }
    }

    /// For formats that carry the key in the body, such as PagerDuty's
    /// `routing_key`: a key or nothing.
    #[allow(dead_code, reason = "intakes that read a key from the body call it")]
    pub(crate) fn check_key_in_body(&self, key: &str, path_tenant: Option<&str>) -> Result<Caller, Denied> {
        let verified = self.by_key(key).ok_or(Denied::Unauthorized)?;
        self.select(verified, path_tenant)
    }

    /// Waits where a token names a key that may be fetched; to be called
    /// before [`Self::check`]. A key never waits.
    pub(crate) async fn settle(&self, headers: &HeaderMap) {
        if let Some((tenant, issuer)) = self.waits_for(headers) {
            self.fetcher.ask(tenant, issuer).await;
        }
    }

    fn waits_for(&self, headers: &HeaderMap) -> Option<(TenantName, Arc<TokenIssuer>)> {
        let text = single(headers, AUTHORIZATION.as_str()).ok()??;
        if text.len() <= KEY_LENGTH * 2 {
            return None;
        }
        let given = Given::read(text)?;
        self.tokens.waits_for(given.secret(), self.clock.now())
    }

    /// The tenant named must be one that the credential allows.
    fn select(&self, verified: Verified, named: Option<&str>) -> Result<Caller, Denied> {
        let Verified { who, scopes, tenant: own } = verified;
        let is_operator = scopes.is_some_and(|scopes| scopes.contains(Scope::Operator));
        let tenant = match (named, &own) {
            (None, own) => own.as_ref().and_then(|own| self.tenants.get(own)),
            (Some(name), Some(own)) if name == own.as_str() => self.tenants.get(own),
            (Some(name), _) if is_operator => Some(self.tenants.find(name).ok_or(Denied::Tenant)?),
            (Some(_), _) => return Err(Denied::Tenant),
        };
        Ok(Caller { who, scopes, tenant })
    }

    fn by_header(&self, text: &str) -> Result<Verified, Denied> {
        let given = Given::read(text).ok_or(Denied::Unauthorized)?;
        let verified = match self.by_key(given.secret()) {
            Some(verified) => verified,
            None => self.by_token(given.secret())?,
        };
        // The user is the tenant; an operator's key of no tenant takes any name.
        match (&verified.tenant, given.user()) {
            (Some(own), Some(user)) if own.as_str() != user => Err(Denied::Unauthorized),
            _ => Ok(verified),
        }
    }

    fn by_key(&self, key: &str) -> Option<Verified> {
        let keys = self.keys.load();
        let Credential { id, tenant, scopes } = keys.verify(key)?;
        Some(Verified { who: Who::Key(*id), scopes: Some(*scopes), tenant: tenant.clone() })
    }

    fn by_token(&self, text: &str) -> Result<Verified, Denied> {
        if text.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(Denied::Unauthorized);
        }
        let token = self.tokens.verify(text, self.clock.now()).inspect_err(|fault| {
            tracing::debug!(%fault, "a token is refused");
        })?;
        Ok(Verified { who: token.who.clone(), scopes: token.scopes, tenant: Some(token.tenant.clone()) })
    }

    fn by_certificate(&self, peer: &Peer) -> Result<Verified, Denied> {
        match self.tenants.certificates().owner(peer) {
            Owner::One(tenant, scopes) => {
                Ok(Verified { who: peer.who(), scopes: Some(scopes), tenant: Some(tenant) })
            }
            Owner::Many => Err(Denied::Ambiguous),
            Owner::Nobody => Err(Denied::Unauthorized),
        }
    }
}

/// What an `Authorization` header gives.
enum Given<'h> {
    Bearer(&'h str),
    /// `user:password`, and where the password begins.
    Basic {
        pair: String,
        password_at: usize,
    },
}

impl<'h> Given<'h> {
    fn read(text: &'h str) -> Option<Self> {
        if text.len() > AUTHORIZATION_BYTES_MAX {
            return None;
        }
        let (scheme, rest) = text.split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("geniekey") {
            return Some(Self::Bearer(rest));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        let password_at = pair.find(':')? + 1;
        Some(Self::Basic { pair, password_at })
    }

    /// Of Basic.
    fn user(&self) -> Option<&str> {
        match self {
            Self::Bearer(_) => None,
            Self::Basic { pair, password_at } => Some(&pair[..password_at - 1]),
        }
    }

    /// A key or a token.
    fn secret(&self) -> &str {
        match self {
            Self::Bearer(secret) => secret,
            Self::Basic { pair, password_at } => &pair[*password_at..],
        }
    }
}

/// A header that may stand once; text that is no ASCII is no credential.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Denied> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Denied::Ambiguous);
    }
    first.map(|value| value.to_str().map_err(|_| Denied::Unauthorized)).transpose()
}

impl Caller {
    /// The way to the tenant that the request is for, if the credential has
    /// `scope`. An operator's scope includes the others.
    pub(crate) fn tenant(&self, host: &Arc<Host>, scope: Scope) -> Result<TenantHandle, Denied> {
        if !self.allows(scope) && !self.allows(Scope::Operator) {
            return Err(Denied::Scope(scope));
        }
        let tenant = self.tenant.as_ref().ok_or(Denied::Tenant)?;
        Ok(TenantHandle::new(Arc::clone(host), Arc::clone(tenant)))
    }

    /// The tenant that the request is for.
    pub(crate) fn tenant_name(&self) -> Option<&TenantName> {
        self.tenant.as_ref().map(|tenant| tenant.name())
    }

    /// Who it is, for what people are told.
    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    fn allows(&self, scope: Scope) -> bool {
        self.scopes.is_some_and(|scopes| scopes.contains(scope))
    }

    /// Whether the credential is an operator's.
    pub(crate) fn operator(&self) -> Result<(), Denied> {
        if self.allows(Scope::Operator) { Ok(()) } else { Err(Denied::Scope(Scope::Operator)) }
    }
}
