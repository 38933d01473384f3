//! What a token says.

use super::TokenFault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use openclaw_alert::Timestamp;
use openclaw_state::{Scope, Scopes};
use serde::Deserialize;
use std::time::Duration;

/// How far two clocks may be apart.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);

/// Later than any time we can speak of.
const SECONDS_MAX: f64 = 9e9;

/// What a token says that nobody has verified yet.
pub(super) struct Unverified<'t> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// What was signed.
    pub(super) message: &'t [u8],
    pub(super) signature: &'t str,
}

/// What we read of a token. A claim that stands twice is an error.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) tenant: String,
    exp: f64,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Option<Audience>,
    pub(super) sub: Option<String>,
    scope: Option<String>,
    scopes: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

impl<'t> Unverified<'t> {
    /// `None` for what is no token that we could verify.
    pub(super) fn read(token: &'t str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        // What must be understood isn't: there is no such thing here.
        if header.crit.is_some() {
            return None;
        }
        Some(Self { header, claims, message: message.as_bytes(), signature })
    }
}

impl Claims {
    /// Until when the token holds. Only of a token whose signature is good.
    pub(super) fn check(
        &self,
        issuer: Option<&str>,
        audience: Option<&str>,
        now: Timestamp,
    ) -> Result<Timestamp, TokenFault> {
        let until = at(self.exp).ok_or(TokenFault::Expired)?.plus(LEEWAY);
        if now >= until {
            return Err(TokenFault::Expired);
        }
        if let Some(from) = self.nbf
            && at(from).is_none_or(|from| now.plus(LEEWAY) < from)
        {
            return Err(TokenFault::NotYet);
        }
        if issuer.is_some() && self.iss.as_deref() != issuer {
            return Err(TokenFault::Issuer);
        }
        let is_for_us = match (&self.aud, audience) {
            (None, None) => true,
            (Some(given), Some(ours)) => given.names(ours),
            // RFC 7519, 4.1.3: who is not named must refuse.
            (Some(_), None) | (None, Some(_)) => false,
        };
        if is_for_us { Ok(until) } else { Err(TokenFault::Audience) }
    }

    /// `None` where the token names no scope of ours. Words that belong to
    /// others, such as `openid`, are passed over.
    pub(super) fn scopes(&self, may_operate: bool) -> Option<Scopes> {
        if self.scope.is_none() && self.scopes.is_none() {
            return Some(Scope::Ingest | Scope::Read);
        }
        let one = self.scope.iter().flat_map(|text| text.split_ascii_whitespace());
        let many = self.scopes.iter().flatten().map(String::as_str);
        let known = one.chain(many).filter_map(Scope::named);
        Scopes::of(known.filter(|scope| may_operate || *scope != Scope::Operator))
    }
}

fn at(seconds: f64) -> Option<Timestamp> {
    (0.0..=SECONDS_MAX).contains(&seconds).then(|| Timestamp::from_secs(seconds as i64))
}
