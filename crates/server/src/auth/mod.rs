//! Who is calling, and for which tenant.
//!
//! The credential alone decides. `X-Scope-OrgID` and `/t/<tenant>/…` only
//! select among what it allows; nothing in a body names a tenant.

mod certificate;
mod denied;
mod pass;
mod token;
mod uses;
mod who;

pub use certificate::{CertificateRule, CertificateSubject};
pub(crate) use certificate::{Certificates, Peer};
pub(crate) use denied::Denied;
pub use pass::PassError;
pub(crate) use pass::{Bearer, Passes, Unsigned};
pub(crate) use token::KeyFetcher;
pub use token::{KeySetError, NewToken, SignError, TokenIssuer, TokenKeys, TokenSettings, sign};
pub(crate) use uses::keep_uses;
pub(crate) use who::Who;

use crate::clock::Clock;
use crate::host::Host;
use crate::tenants::{Sources, TenantConfig, TenantHandle, Tenants};
use arc_swap::{ArcSwap, Guard};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use certificate::Owner;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use openclaw_alert::TenantName;
use openclaw_state::{Credential, KeyTable, Scope, Scopes};
use std::sync::Arc;
use token::{Missing, Token, Tokens};

/// Header by which an operator selects a tenant, as Mimir and Loki name it.
pub(crate) const TENANT_HEADER: HeaderName = HeaderName::from_static("x-scope-orgid");

/// Longest `Authorization` that is looked at.
const AUTHORIZATION_BYTES_MAX: usize = 8 << 10;

/// Longer than the header of any key, shorter than that of any token that a
/// published key can have signed: its signature alone has 86 characters.
const PUBLISHED_TOKEN_BYTES_MIN: usize = 140;

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

/// What a request shows of who makes it.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'r> {
    /// `Authorization`.
    pub(crate) authorization: Option<&'r str>,
    /// [`TENANT_HEADER`], or why it can't be taken.
    pub(crate) tenant: Result<Option<&'r str>, Denied>,
    /// The name in `/t/<tenant>/…`.
    pub(crate) path_tenant: Option<&'r str>,
    /// The connection's client certificate.
    pub(crate) peer: Option<&'r Peer>,
}

/// What a credential says, whatever its kind. It borrows what all requests of
/// a tenant share: threads that count would take turns at it.
struct Verified<'c> {
    who: Who,
    scopes: Option<Scopes>,
    /// Nothing for an operator's key of no tenant.
    tenant: Option<&'c TenantName>,
}

impl Auth {
    pub(crate) fn new(
        keys: KeyTable,
        tenants: Arc<Tenants>,
        fetcher: Arc<KeyFetcher>,
        clock: Arc<Clock>,
    ) -> Arc<Self> {
        let tokens = Tokens::new(Arc::clone(&tenants));
        Arc::new(Self { keys: ArcSwap::from_pointee(keys), tokens, tenants, fetcher, clock })
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
        let authorization = single(headers, &AUTHORIZATION)?;
        let tenant = single(headers, &TENANT_HEADER);
        self.check_shown(Shown { authorization, tenant, path_tenant, peer })
    }

    /// [`Auth::check`] of a request whose headers are in no map.
    pub(crate) fn check_shown(&self, shown: Shown<'_>) -> Result<Caller, Denied> {
        let named = (shown.tenant, shown.path_tenant);
        match (shown.authorization, shown.peer) {
            (Some(text), _) => self.by_header(text, named),
            (None, Some(peer)) => self.by_certificate(peer, named),
            (None, None) => Err(Denied::Unauthorized),
        }
    }

    /// [`Auth::check`] of a key that stands where the sender's format has its
    /// place for one, such as PagerDuty's `routing_key`: a key or nothing.
    pub(crate) fn check_key(
        &self,
        key: &str,
        headers: &HeaderMap,
        path_tenant: Option<&str>,
    ) -> Result<Caller, Denied> {
        let named = (single(headers, &TENANT_HEADER), path_tenant);
        let keys = self.keys.load();
        let credential = keys.verify(key).ok_or(Denied::Unauthorized)?;
        self.caller(Verified::by_key(credential), named)
    }

    /// The way to the tenant of a path, for a request that is signed with a
    /// secret of that tenant's settings, which `is_signed` checks.
    pub(crate) fn check_signed(
        &self,
        host: &Arc<Host>,
        headers: &HeaderMap,
        path_tenant: &str,
        is_signed: impl FnOnce(&Sources) -> bool,
    ) -> Result<TenantHandle, Denied> {
        if single(headers, &TENANT_HEADER)?.is_some_and(|named| named != path_tenant) {
            return Err(Denied::Ambiguous);
        }
        let tenant = self.tenants.find(path_tenant).ok_or(Denied::Unauthorized)?;
        if is_signed(&tenant.sources) {
            Ok(TenantHandle::new(Arc::clone(host), tenant))
        } else {
            Err(Denied::Unauthorized)
        }
    }

    /// Waits where a token names a key that may be fetched; to be called
    /// before [`Self::check`]. A key never waits.
    pub(crate) async fn settle(&self, headers: &HeaderMap) {
        if let Some(missing) = self.waits_for(headers) {
            self.fetcher.ask(missing).await;
        }
    }

    /// Whether [`Self::settle`] has nothing to wait for.
    pub(crate) fn is_settled(&self, headers: &HeaderMap) -> bool {
        self.waits_for(headers).is_none()
    }

    /// [`Auth::check`] of somebody who has shown no credential and is taken
    /// for `tenant`: no other may be named.
    pub(crate) fn check_anonymous(&self, headers: &HeaderMap, tenant: &TenantName) -> Result<(), Denied> {
        match single(headers, &TENANT_HEADER)? {
            Some(named) if named != tenant.as_str() => Err(Denied::Tenant),
            _ => Ok(()),
        }
    }

    fn waits_for(&self, headers: &HeaderMap) -> Option<Missing> {
        self.missing_of(single(headers, &AUTHORIZATION).ok()??)
    }

    /// Whether [`Self::settle`] would wait, for a request that has this
    /// `Authorization`.
    pub(crate) fn has_to_wait(&self, authorization: &str) -> bool {
        self.missing_of(authorization).is_some()
    }

    fn missing_of(&self, text: &str) -> Option<Missing> {
        if text.len() < PUBLISHED_TOKEN_BYTES_MIN {
            return None;
        }
        let given = Given::read(text)?;
        self.tokens.waits_for(given.secret(), self.clock.now())
    }

    /// The tenant that is named must be one that the credential allows.
    fn caller(
        &self,
        verified: Verified<'_>,
        (header_tenant, path_tenant): Named<'_>,
    ) -> Result<Caller, Denied> {
        let named = match (path_tenant, header_tenant?) {
            (Some(path), Some(header)) if path != header => return Err(Denied::Ambiguous),
            (path, header) => path.or(header),
        };
        let Verified { who, scopes, tenant: own } = verified;
        let is_operator = scopes.is_some_and(|scopes| scopes.contains(Scope::Operator));
        let tenant = match (named, own) {
            (None, own) => own.and_then(|own| self.tenants.get(own)),
            (Some(name), Some(own)) if name == own.as_str() => self.tenants.get(own),
            (Some(name), _) if is_operator => Some(self.tenants.find(name).ok_or(Denied::Tenant)?),
            (Some(_), _) => return Err(Denied::Tenant),
        };
        Ok(Caller { who, scopes, tenant })
    }

    fn by_header(&self, text: &str, named: Named<'_>) -> Result<Caller, Denied> {
        let given = Given::read(text).ok_or(Denied::Unauthorized)?;
        let keys = self.keys.load();
        if let Some(credential) = keys.verify(given.secret()) {
            return self.given(&given, Verified::by_key(credential), named);
        }
        let token = self.by_token(given.secret())?;
        let verified = Verified { who: token.who.clone(), scopes: token.scopes, tenant: Some(&token.tenant) };
        self.given(&given, verified, named)
    }

    /// The user is the tenant; an operator's key of no tenant takes any name.
    fn given(&self, given: &Given<'_>, verified: Verified<'_>, named: Named<'_>) -> Result<Caller, Denied> {
        match (verified.tenant, given.user()) {
            (Some(own), Some(user)) if own.as_str() != user => Err(Denied::Unauthorized),
            _ => self.caller(verified, named),
        }
    }

    fn by_token(&self, text: &str) -> Result<Arc<Token>, Denied> {
        if text.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(Denied::Unauthorized);
        }
        let token = self.tokens.verify(text, self.clock.now());
        Ok(token.inspect_err(|fault| tracing::debug!(%fault, "a token is refused"))?)
    }

    fn by_certificate(&self, peer: &Peer, named: Named<'_>) -> Result<Caller, Denied> {
        match self.tenants.certificates().owner(peer) {
            Owner::One(tenant, scopes) => {
                let verified = Verified { who: peer.who(), scopes: Some(scopes), tenant: Some(&tenant) };
                self.caller(verified, named)
            }
            Owner::Many => Err(Denied::Ambiguous),
            Owner::Nobody => Err(Denied::Unauthorized),
        }
    }
}

impl<'c> Verified<'c> {
    fn by_key(credential: &'c Credential) -> Self {
        let Credential { id, tenant, scopes } = credential;
        Self { who: Who::Key(*id), scopes: Some(*scopes), tenant: tenant.as_ref() }
    }
}

/// The tenant that a header names, or why it can't be taken, and the one that a
/// path names.
type Named<'r> = (Result<Option<&'r str>, Denied>, Option<&'r str>);

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
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Denied> {
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
        Ok(TenantHandle::new(Arc::clone(host), Arc::clone(self.allowed(scope)?)))
    }

    /// The name of the tenant that the request is for, if the credential has
    /// `scope`.
    pub(crate) fn tenant_for(&self, scope: Scope) -> Result<&TenantName, Denied> {
        Ok(self.allowed(scope)?.name())
    }

    fn allowed(&self, scope: Scope) -> Result<&Arc<TenantConfig>, Denied> {
        if !self.allows(scope) && !self.allows(Scope::Operator) {
            return Err(Denied::Scope(scope));
        }
        self.tenant.as_ref().ok_or(Denied::Tenant)
    }

    /// What the credential may be used for; a token may have nothing.
    pub(crate) fn scopes(&self) -> Option<Scopes> {
        self.scopes
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
