//! Tokens that a tenant's own secret signs.

use super::TokenSettings;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_state::{Scope, Scopes};
use serde::Serialize;
use std::time::Duration;

/// What a new token says.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// Whose.
    pub tenant: &'a TenantName,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Whom it is for, to be told to people.
    pub subject: Option<&'a str>,
    /// From when on it holds.
    pub from: Timestamp,
    /// For how long.
    pub ttl: Duration,
}

/// Why a token can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Another holds the keys that sign.
    #[error("the tenant's `jwt` has no `secret`, so its tokens come from whoever holds the private keys")]
    NoSecret,
    /// The settings keep this scope from tokens.
    #[error("tokens of this tenant can't have the scope `operator`")]
    Operator,
    /// The library refuses.
    #[error("the token can't be signed: {0}")]
    Sign(String),
}

#[derive(Serialize)]
struct Claims<'a> {
    tenant: &'a str,
    scope: String,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

/// Makes a token (HS256).
///
/// # Errors
/// When these settings can't sign what was asked for.
pub fn sign(settings: &TokenSettings, new: &NewToken<'_>) -> Result<String, SignError> {
    let secret = settings.keys.secret().ok_or(SignError::NoSecret)?;
    if new.scopes.contains(Scope::Operator) && !settings.may_operate {
        return Err(SignError::Operator);
    }
    let words: Vec<_> = new.scopes.iter().map(Scope::name).collect();
    let claims = Claims {
        tenant: new.tenant.as_str(),
        scope: words.join(" "),
        iat: new.from.secs(),
        exp: new.from.plus(new.ttl).secs(),
        iss: settings.issuer.as_deref(),
        aud: settings.audience.as_deref(),
        sub: new.subject,
    };
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|error| SignError::Sign(error.to_string()))
}
