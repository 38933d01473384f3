//! Who is calling, and for which tenant.
//!
//! The credential alone decides. `X-Scope-OrgID` and `/t/<tenant>/…` only
//! select among what it allows; nothing in a body names a tenant.

use crate::host::Host;
use crate::tenants::{Sources, TenantConfig, TenantHandle, Tenants};
use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use openclaw_alert::TenantName;
use openclaw_state::{Credential, KeyId, KeyTable, Scope};
use std::sync::Arc;

/// Header by which an operator selects a tenant, as Mimir and Loki name it.
pub(crate) const TENANT_HEADER: &str = "x-scope-orgid";

/// Longest `Authorization` that is looked at.
const AUTHORIZATION_BYTES_MAX: usize = 1024;

/// Why a caller is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// No credential, or one that is not live.
    #[error("a live key is needed, as `Authorization: Bearer KEY` or as the Basic password")]
    Unauthorized,
    /// The credential lacks a scope.
    #[error("the key lacks the scope `{0}`")]
    Scope(Scope),
    /// The credential doesn't allow the tenant that was named.
    #[error("the key does not allow the tenant that the request names")]
    Tenant,
    /// A credential or tenant was given twice, or in two ways that differ.
    #[error("the request names its credential or tenant more than once")]
    Ambiguous,
}

impl Denied {
    /// The answer's status.
    pub(crate) fn status(self) -> http::StatusCode {
        match self {
            Denied::Unauthorized => http::StatusCode::UNAUTHORIZED,
            Denied::Scope(_) | Denied::Tenant => http::StatusCode::FORBIDDEN,
            Denied::Ambiguous => http::StatusCode::BAD_REQUEST,
        }
    }
}

/// Checks credentials against the live keys.
pub(crate) struct Auth {
    keys: ArcSwap<KeyTable>,
    tenants: Arc<Tenants>,
}

/// A caller whose credential has been checked.
pub(crate) struct Caller {
    credential: Credential,
    /// The tenant that the request is for.
    tenant: Option<Arc<TenantConfig>>,
}

impl Auth {
    pub(crate) fn new(keys: KeyTable, tenants: Arc<Tenants>) -> Self {
        Self { keys: ArcSwap::from_pointee(keys), tenants }
    }

    /// Swaps in the live keys.
    pub(crate) fn set_keys(&self, keys: KeyTable) {
        self.keys.store(Arc::new(keys));
    }

    /// Checks the credential and which tenant it is used for. `path_tenant` is
    /// the name in `/t/<tenant>/…`.
    pub(crate) fn check(&self, headers: &HeaderMap, path_tenant: Option<&str>) -> Result<Caller, Denied> {
        let credential = self.credential(headers)?;
        self.caller(credential, headers, path_tenant)
    }

    /// [`Auth::check`] of a key that stands where the sender's format has its
    /// place for one, and not in the head.
    pub(crate) fn check_key(
        &self,
        key: &str,
        headers: &HeaderMap,
        path_tenant: Option<&str>,
    ) -> Result<Caller, Denied> {
        let credential = self.keys.load().verify(key).cloned().ok_or(Denied::Unauthorized)?;
        self.caller(credential, headers, path_tenant)
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
        if single(headers, TENANT_HEADER)?.is_some_and(|named| named != path_tenant) {
            return Err(Denied::Ambiguous);
        }
        let tenant = self.tenants.find(path_tenant).ok_or(Denied::Unauthorized)?;
        if is_signed(&tenant.sources) {
            Ok(TenantHandle::new(Arc::clone(host), tenant))
        } else {
            Err(Denied::Unauthorized)
        }
    }

    fn caller(
        &self,
        credential: Credential,
        headers: &HeaderMap,
        path_tenant: Option<&str>,
    ) -> Result<Caller, Denied> {
        let header_tenant = single(headers, TENANT_HEADER)?;
        let named = match (path_tenant, header_tenant) {
            (Some(path), Some(header)) if path != header => return Err(Denied::Ambiguous),
            (path, header) => path.or(header),
        };
        let is_operator = credential.allows(Scope::Operator);
        let tenant = match (named, &credential.tenant) {
            (None, own) => own.as_ref().and_then(|own| self.tenants.get(own)),
            (Some(name), Some(own)) if name == own.as_str() => self.tenants.get(own),
            (Some(name), _) if is_operator => Some(self.tenants.find(name).ok_or(Denied::Tenant)?),
            (Some(_), _) => return Err(Denied::Tenant),
        };
        Ok(Caller { credential, tenant })
    }

    fn credential(&self, headers: &HeaderMap) -> Result<Credential, Denied> {
        let text = single(headers, AUTHORIZATION.as_str())?.ok_or(Denied::Unauthorized)?;
        if text.len() > AUTHORIZATION_BYTES_MAX {
            return Err(Denied::Unauthorized);
        }
        let (scheme, rest) = text.split_once(' ').ok_or(Denied::Unauthorized)?;
        let rest = rest.trim();
        let keys = self.keys.load();
        if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("geniekey") {
            return keys.verify(rest).cloned().ok_or(Denied::Unauthorized);
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Denied::Unauthorized);
        }
        let decoded = STANDARD.decode(rest).map_err(|_| Denied::Unauthorized)?;
        let (user, key) =
            std::str::from_utf8(&decoded).ok().and_then(|t| t.split_once(':')).ok_or(Denied::Unauthorized)?;
        let credential = keys.verify(key).cloned().ok_or(Denied::Unauthorized)?;
        // The user is the tenant; an operator's key of no tenant takes any name.
        match &credential.tenant {
            Some(own) if own.as_str() != user => Err(Denied::Unauthorized),
            _ => Ok(credential),
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
        let allowed = self.credential.allows(scope) || self.credential.allows(Scope::Operator);
        if !allowed {
            return Err(Denied::Scope(scope));
        }
        let tenant = self.tenant.as_ref().ok_or(Denied::Tenant)?;
        Ok(TenantHandle::new(Arc::clone(host), Arc::clone(tenant)))
    }

    /// The tenant that the request is for.
    pub(crate) fn tenant_name(&self) -> Option<&TenantName> {
        self.tenant.as_ref().map(|tenant| tenant.name())
    }

    /// The public part of the key.
    pub(crate) fn key(&self) -> &KeyId {
        &self.credential.id
    }

    /// Whether the credential is an operator's.
    pub(crate) fn operator(&self) -> Result<(), Denied> {
        if self.credential.allows(Scope::Operator) { Ok(()) } else { Err(Denied::Scope(Scope::Operator)) }
    }
}
