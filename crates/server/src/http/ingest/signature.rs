//! Whether a request is signed as its source's settings ask for.

use crate::tenants::{Signing, Source};
use http::HeaderMap;
use http::request::Parts;
use openclaw_alert::Timestamp;
use openclaw_sources::{Format, Post, SignatureError, grafana, standard_webhooks};

/// Headers that a signature may be in.
const HEADERS: [&str; 3] = ["webhook-signature", "x-grafana-alerting-signature", "x-grafana-alert-signature"];

/// Whether a request seems to be signed.
pub(super) fn is_there(headers: &HeaderMap) -> bool {
    HEADERS.iter().any(|name| headers.contains_key(*name))
}

fn is_signed(signing: &Signing, post: &Post<'_>) -> bool {
    let own = signing.headers.signature.as_deref();
    HEADERS.into_iter().chain(own).any(|name| post.header(name).is_some())
}

/// Checks what a request with a key is signed with: a wrong signature is never
/// let pass, and a missing one where the key is enough.
pub(super) fn check(source: &Source, post: &Post<'_>) -> Result<(), SignatureError> {
    let Some(signing) = &source.signing else { return Ok(()) };
    match verify(source.format, signing, post) {
        Err(SignatureError::Missing { .. }) if !signing.is_required && !is_signed(signing, post) => Ok(()),
        verified => verified,
    }
}

/// Whether the signature alone says that the request is its source's.
pub(super) fn vouches(source: &Source, parts: &Parts, body: &[u8], now: Timestamp) -> bool {
    let Some(signing) = &source.signing else { return false };
    let headers = parts.headers.iter();
    let headers: Vec<_> =
        headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let query = parts.uri.query().unwrap_or_default();
    let post =
        Post { method: parts.method.as_str(), path: "", query, headers: &headers, body, received_at: now };
    verify(source.format, signing, &post).is_ok()
}

fn verify(format: Format, signing: &Signing, post: &Post<'_>) -> Result<(), SignatureError> {
    let (secret, now) = (signing.secret.expose(), post.received_at);
    match format {
        Format::Grafana => grafana::verify(secret, &signing.headers, post, now),
        _ => standard_webhooks::verify(secret, post, now).map(drop),
    }
}
