//! Grafana's webhook contact point: Alertmanager's notification and more.

use crate::alertmanager_webhook::notification;
use crate::draft::Draft;
use crate::signature::{SignatureError, check_time, from_hex, is_any_signed};
use crate::tree::Node;
use crate::{Decoded, Format, Post, Refusal};
use openclaw_alert::Timestamp;

/// Fields of its alerts that people like to see, with the annotations that
/// they become.
const EXTRAS: [(&str, &str); 6] = [
    ("silenceURL", "silence_url"),
    ("dashboardURL", "dashboard_url"),
    ("panelURL", "panel_url"),
    ("imageURL", "image_url"),
    ("valueString", "value_string"),
    ("values", "values"),
];

/// Names of the signature's header: the one of the documentation, the one of
/// the library.
const SIGNATURES: [&str; 2] = ["x-grafana-alerting-signature", "x-grafana-alert-signature"];

/// Headers of a contact point's HMAC, in lower case, as its settings name
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HmacHeaders {
    /// The signature's; without it both of Grafana's own names are tried.
    pub signature: Option<String>,
    /// The time's; without it the time is not signed.
    pub timestamp: Option<String>,
}

/// Checks the HMAC of a request over its body as received. Without a header
/// for the time a recorded request can be sent again by whoever has it.
///
/// # Errors
/// [`SignatureError`] where it isn't known to be the secret's owner's.
pub fn verify(
    secret: &str,
    headers: &HmacHeaders,
    post: &Post<'_>,
    now: Timestamp,
) -> Result<(), SignatureError> {
    let named = headers.signature.as_deref();
    let found = match named {
        Some(name) => post.header(name),
        None => SIGNATURES.iter().find_map(|name| post.header(name)),
    };
    let found = found.ok_or(SignatureError::Missing { header: SIGNATURES[0] })?;
    let wanted = "hexadecimal digits";
    let signature = from_hex(found).ok_or(SignatureError::Malformed { header: SIGNATURES[0], wanted })?;
    let time = match &headers.timestamp {
        Some(name) => Some(signed_time(post.header(name), now)?),
        None => None,
    };
    let (time, colon) = time.map_or((&b""[..], &b""[..]), |time| (time.as_bytes(), b":"));
    let is_signed = is_any_signed(secret.as_bytes(), &[time, colon, post.body], std::iter::once(signature));
    if secret.is_empty() || !is_signed {
        return Err(SignatureError::Mismatch);
    }
    Ok(())
}

fn signed_time(time: Option<&str>, now: Timestamp) -> Result<&str, SignatureError> {
    let time = time.ok_or(SignatureError::Untimed)?;
    check_time("timestamp", time, now).map_err(|error| match error {
        SignatureError::Stale => error,
        _ => SignatureError::Untimed,
    })?;
    Ok(time)
}

/// Reads a notification.
pub(crate) fn decode(post: &Post<'_>) -> Result<Decoded, Refusal> {
    notification(Format::Grafana, post, extras)
}

fn extras(draft: &mut Draft, alert: &Node<'_>) {
    for (field, annotation) in EXTRAS {
        if let Some(value) = alert.get(field) {
            draft.annotation(annotation, &value.shown());
        }
    }
}

#[cfg(test)]
mod tests;
