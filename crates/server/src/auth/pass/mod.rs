//! Passes: short-lived tokens that say to what stands behind a proxy whom we
//! have let through.
//!
//! They are signed with a key of this installation (ES256), whose public part
//! anybody may fetch, and are no credential here: what verifies credentials is
//! in tenants' settings alone.

mod kept;
mod key;

use super::Who;
use kept::Kept;
use key::PassKey;
use openclaw_alert::{TenantName, Timestamp};
use openclaw_state::{Scope, Scopes};
use serde::Serialize;
use smallvec::SmallVec;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a pass holds.
const LIFE: Duration = Duration::from_secs(300);

/// A pass is given out again this long, and up to [`GIVEN_MORE`] longer: it
/// still holds for a while, and those that were signed together aren't signed
/// together again.
const GIVEN: Duration = Duration::from_secs(120);
const GIVEN_MORE: Duration = Duration::from_secs(30);

/// Who makes passes and is their `iss`.
const ISSUER: &str = "openclaw";

/// Why there is no key to sign passes with.
#[derive(Debug, thiserror::Error)]
#[error("the key of internal tokens `{path}` can't be kept: {source}")]
pub struct PassError {
    path: PathBuf,
    source: io::Error,
}

/// A pass can't be signed.
#[derive(Debug)]
pub(crate) struct Unsigned;

/// Makes passes.
pub(crate) struct Passes {
    key: PassKey,
    kept: Kept,
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

/// Nearly all passes, with whom they are for, need less.
const BYTES: usize = 768;

/// A pass that has been signed, and for whom. All of it lies in one piece: what
/// a look costs is waiting for memory.
struct Pass {
    at: Timestamp,
    /// From when on another is signed.
    until: Timestamp,
    scopes: Option<Scopes>,
    /// Whose name stands at the front.
    name: Name<usize>,
    /// The name, then the header fields as they go out.
    bytes: SmallVec<[u8; BYTES]>,
}

/// What tells bearers of the same scopes apart: the texts, or their lengths.
#[derive(Clone, Copy)]
struct Name<T> {
    client: T,
    kind: u8,
    who: T,
    tenant: T,
}

impl Passes {
    /// With the folder's key; made where there is none.
    pub(crate) fn load(folder: &Path) -> Result<Self, PassError> {
        Ok(Self { key: PassKey::load(folder)?, kept: Kept::default() })
    }

    /// What verifies passes.
    pub(crate) fn published(&self) -> &str {
        &self.key.published
    }

    /// Adds the header fields that tell whom we let through, with a pass that
    /// holds for some time yet.
    pub(crate) fn write(
        &self,
        bearer: Bearer<'_>,
        now: Timestamp,
        out: &mut Vec<u8>,
    ) -> Result<(), Unsigned> {
        let place = self.kept.place(bearer);
        if let Some(known) = self.kept.get(place, bearer)
            && let Some(pass) = known.as_ref().filter(|pass| pass.is_given_at(now))
        {
            out.extend_from_slice(pass.fields());
            return Ok(());
        }
        let given = GIVEN + GIVEN_MORE.mul_f64(place.spread());
        let pass = Pass::new(bearer, now, given, &self.sign(bearer, now)?);
        out.extend_from_slice(pass.fields());
        self.kept.put(place, bearer, Arc::new(pass));
        Ok(())
    }

    /// The first random bytes of the library that signs take it some 20 ms,
    /// which nobody should have to wait for.
    pub(crate) fn warm() {
        let _ = aws_lc_rs::rand::fill(&mut [0]);
    }

    fn sign(&self, bearer: Bearer<'_>, now: Timestamp) -> Result<String, Unsigned> {
        let claims = Claims {
            iss: ISSUER,
            sub: bearer.who.to_string(),
            tenant: bearer.tenant.as_str(),
            client: bearer.client,
            scopes: bearer.scopes.iter().flat_map(|scopes| scopes.iter()).map(Scope::name).collect(),
            iat: now.secs(),
            exp: now.plus(LIFE).secs(),
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| Unsigned)?;
        self.key.sign(&claims).ok_or_else(|| {
            tracing::error!("a pass can't be signed");
            Unsigned
        })
    }
}

impl Pass {
    fn new(bearer: Bearer<'_>, now: Timestamp, given: Duration, token: &str) -> Self {
        let Name { client, kind, who, tenant } = bearer.name();
        let mut bytes = SmallVec::new();
        for text in [client, who, tenant] {
            bytes.extend_from_slice(text.as_bytes());
        }
        write_fields(&mut bytes, bearer, token);
        let name = Name { client: client.len(), kind, who: who.len(), tenant: tenant.len() };
        Self { at: now, until: now.plus(given), scopes: bearer.scopes, name, bytes }
    }

    fn is_of(&self, bearer: Bearer<'_>) -> bool {
        let (lengths, Name { client, kind, who, tenant }) = (self.name, bearer.name());
        let (own_client, rest) = self.bytes.split_at(lengths.client);
        let (own_who, rest) = rest.split_at(lengths.who);
        own_client == client.as_bytes()
            && (lengths.kind, own_who) == (kind, who.as_bytes())
            && rest[..lengths.tenant] == *tenant.as_bytes()
            && self.scopes == bearer.scopes
    }

    fn fields(&self) -> &[u8] {
        &self.bytes[self.name.client + self.name.who + self.name.tenant..]
    }

    /// A clock that was set back doesn't make passes of the future.
    fn is_given_at(&self, now: Timestamp) -> bool {
        (self.at..self.until).contains(&now)
    }
}

impl<'a> Bearer<'a> {
    fn name(self) -> Name<&'a str> {
        let (kind, who) = match self.who {
            Who::Key(id) => (0, id.as_str()),
            Who::Token(Some(subject)) => (1, &**subject),
            Who::Token(None) => (2, ""),
            Who::Certificate(start) => (3, &**start),
        };
        Name { client: self.client, kind, who, tenant: self.tenant.as_str() }
    }
}

fn write_fields(out: &mut SmallVec<[u8; BYTES]>, bearer: Bearer<'_>, token: &str) {
    out.extend_from_slice(b"x-openclaw-tenant: ");
    out.extend_from_slice(bearer.tenant.as_str().as_bytes());
    out.extend_from_slice(b"\r\nx-openclaw-client: ");
    for part in visible(bearer.client) {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\nx-openclaw-token: ");
    out.extend_from_slice(token.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A client's name as a header's value: bytes that a header can't hold, and
/// `%`, are percent-encoded.
fn visible(name: &str) -> percent_encoding::PercentEncode<'_> {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%').add(b' ');
    percent_encoding::utf8_percent_encode(name, KEPT)
}

#[cfg(test)]
mod tests;
