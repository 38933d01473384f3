//! Signatures of what comes in, checked in constant time. What is signed is
//! read once, however many signatures are given: strangers choose both.

use hmac::{Hmac, KeyInit, Mac};
use openclaw_alert::Timestamp;
use sha2::Sha256;
use std::time::Duration;
use thiserror::Error;

/// How far a signed time may be off, either way.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Signatures in one list that are looked at: more is work for nothing.
const SIGNATURES_MAX: usize = 16;

/// Why a request is not known to come from where it says. Says nothing of the
/// secret or of the signature that would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// A header that must be there is not.
    #[error("header `{header}` is missing: sign the request")]
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// A header that can't be read.
    #[error("header `{header}` can't be read: it should be {wanted}")]
    Malformed {
        /// Its name.
        header: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// The settings name a header for the time of signing, and it isn't there or
    /// is no time.
    #[error("the header for the time of signing is missing or holds no Unix seconds: have the sender set it")]
    Untimed,
    /// Signed too long ago, or in the future.
    #[error("signed more than 300 seconds away from now: set the sender's clock, and do not replay")]
    Stale,
    /// Signed with another secret, or changed since.
    #[error("the signature is not that of this body with the secret in the settings")]
    Mismatch,
}

/// Whether any of `signatures` is the HMAC-SHA256 of `parts`, one behind the
/// other; looks at all of them, and takes as long for a wrong one.
pub fn is_any_signed<S: AsRef<[u8]>>(
    key: &[u8],
    parts: &[&[u8]],
    signatures: impl Iterator<Item = S>,
) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    parts.iter().for_each(|part| mac.update(part));
    let is_it = |signature: S| mac.clone().verify_slice(signature.as_ref()).is_ok();
    signatures.take(SIGNATURES_MAX).fold(false, |found, signature| found | is_it(signature))
}

/// Bytes of hexadecimal digits in either case.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

/// Checks a time of Unix seconds, as a header gives it, against `now`.
///
/// # Errors
/// No such time, or more than [`TOLERANCE`] away.
pub fn check_time(header: &'static str, text: &str, now: Timestamp) -> Result<(), SignatureError> {
    let wanted = "Unix seconds";
    let is_plain = !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 =
        text.parse().ok().filter(|_| is_plain).ok_or(SignatureError::Malformed { header, wanted })?;
    let at = Timestamp::from_secs(seconds);
    if now.since(at) > TOLERANCE || at.since(now) > TOLERANCE {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

/// Standard Webhooks 1.0 (`v1`, the shared secret) as an intake's check.
pub mod standard_webhooks {
    use super::{SignatureError, Timestamp, check_time, is_any_signed};
    use crate::Post;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    /// Checks `webhook-id`, `webhook-timestamp` and `webhook-signature` of the
    /// request, and gives its id: the same on each repeat.
    ///
    /// `secret` is `whsec_` and base64, or the key's own bytes as text.
    ///
    /// # Errors
    /// [`SignatureError`] where it isn't known to be the secret's owner's.
    pub fn verify<'r>(secret: &str, post: &Post<'r>, now: Timestamp) -> Result<&'r str, SignatureError> {
        let header = |header| post.header(header).ok_or(SignatureError::Missing { header });
        let (id, time) = (header("webhook-id")?, header("webhook-timestamp")?);
        let signatures = header("webhook-signature")?;
        if id.is_empty() || id.len() > 255 || id.contains('.') {
            let wanted = "1 to 255 characters without a dot";
            return Err(SignatureError::Malformed { header: "webhook-id", wanted });
        }
        check_time("webhook-timestamp", time, now)?;
        let key = key_of(secret);
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", post.body];
        let given = signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
        if key.is_empty() || !is_any_signed(&key, &parts, given) {
            return Err(SignatureError::Mismatch);
        }
        Ok(id)
    }

    /// Empty, which signs nothing, where the secret is not base64.
    fn key_of(secret: &str) -> Vec<u8> {
        match secret.strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).unwrap_or_default(),
            None => secret.as_bytes().to_vec(),
        }
    }
}
