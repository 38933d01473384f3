//! What a receiver's owner may set of the requests themselves.

use crate::Secret;
use crate::connect::Way;
use crate::outgoing::Proxy;
use crate::tls::{TlsSettings, TlsSettingsError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::sync::Arc;

const HEADERS_MAX: usize = 64;
/// Set by us, or about the connection and not the message.
const RESERVED: [&str; 16] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Credentials and headers of requests, and the way they go. All of it is
/// secret to `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HttpConfig {
    headers: HeaderMap,
    way: Way,
}

/// Settings that no request can carry. Says nothing of values, since they are
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpConfigError {
    /// Two ways to say who is asking.
    #[error("only one of `basic_auth`, `authorization` and `bearer_token` can be set")]
    TwoCredentials,
    /// Basic authentication can't tell a name with a colon from the password.
    #[error("`username` must not hold a `:`")]
    Username,
    /// A scheme such as `Bearer` is one word.
    #[error("`{scheme}` is no authorization type: use a word such as `Bearer`")]
    Scheme {
        /// As given.
        scheme: String,
    },
    /// Not a header's name.
    #[error("`{name}` is not a header's name: use letters, digits and `-`")]
    HeaderName {
        /// As given.
        name: String,
    },
    /// One that is set by the service.
    #[error("header `{name}` can't be set here: it is the service's own, or has a setting of its own")]
    Reserved {
        /// As given.
        name: String,
    },
    /// A line break or another control character.
    #[error("the value of `{name}` can't be sent: it holds line breaks or control characters")]
    Value {
        /// The header.
        name: String,
    },
    /// More headers than servers take.
    #[error("more than {HEADERS_MAX} headers")]
    TooMany,
}

impl HttpConfig {
    /// A user's name and password.
    ///
    /// # Errors
    /// When other credentials are set, or the name holds a colon.
    pub fn set_basic_auth(&mut self, username: &str, password: &Secret) -> Result<(), HttpConfigError> {
        if username.contains(':') {
            return Err(HttpConfigError::Username);
        }
        let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
        self.set_credentials(&format!("Basic {pair}"))
    }

    /// Credentials of a scheme such as `Bearer`.
    ///
    /// # Errors
    /// When other credentials are set, or these can't be sent.
    pub fn set_authorization(&mut self, scheme: &str, credentials: &Secret) -> Result<(), HttpConfigError> {
        let is_word = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if scheme.is_empty() || !is_word {
            return Err(HttpConfigError::Scheme { scheme: scheme.escape_debug().to_string() });
        }
        self.set_credentials(&format!("{scheme} {}", credentials.expose()))
    }

    /// A header more; the same name may come again.
    ///
    /// # Errors
    /// For names that are the service's own, and values that can't be sent.
    pub fn add_header(&mut self, name: &str, value: &Secret) -> Result<(), HttpConfigError> {
        let shown = || name.escape_debug().to_string();
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let key = parsed.map_err(|_| HttpConfigError::HeaderName { name: shown() })?;
        if RESERVED.contains(&key.as_str()) || key.as_str().starts_with("webhook-") {
            return Err(HttpConfigError::Reserved { name: shown() });
        }
        if self.headers.len() >= HEADERS_MAX {
            return Err(HttpConfigError::TooMany);
        }
        let value = sensitive(value.expose()).ok_or_else(|| HttpConfigError::Value { name: shown() })?;
        self.headers.append(key, value);
        Ok(())
    }

    /// How the server is known, and how we are known to it.
    ///
    /// # Errors
    /// When no connection could be made so.
    pub fn set_tls(&mut self, tls: TlsSettings) -> Result<(), TlsSettingsError> {
        tls.check()?;
        self.way.tls = tls;
        Ok(())
    }

    /// By this proxy, in place of the operator's.
    pub fn set_proxy(&mut self, proxy: Proxy) {
        self.way.proxy = Some(Arc::new(proxy));
    }

    pub(crate) fn way(&self) -> &Way {
        &self.way
    }

    fn set_credentials(&mut self, value: &str) -> Result<(), HttpConfigError> {
        if self.headers.contains_key(AUTHORIZATION) {
            return Err(HttpConfigError::TwoCredentials);
        }
        let value = sensitive(value);
        let value = value.ok_or_else(|| HttpConfigError::Value { name: "authorization".to_owned() })?;
        self.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    /// The headers to begin a request with.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }
}

/// A header for a proxy alone.
///
/// # Errors
/// For what is no header.
pub fn proxy_header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), HttpConfigError> {
    let shown = || name.escape_debug().to_string();
    let key =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| HttpConfigError::HeaderName { name: shown() })?;
    let value = sensitive(value.expose()).ok_or_else(|| HttpConfigError::Value { name: shown() })?;
    Ok((key, value))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::default() { "none" } else { "<secret>" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_credential_and_own_headers() {
        let mut config = HttpConfig::default();
        config.set_basic_auth("ann", &Secret::new("hunter2")).unwrap();
        assert_eq!(config.headers()[AUTHORIZATION], "Basic YW5uOmh1bnRlcjI=");
        let again = config.set_authorization("Bearer", &Secret::new("hunter2"));
        assert_eq!(again, Err(HttpConfigError::TwoCredentials));
        config.add_header("X-Scope-OrgID", &Secret::new("hunter2")).unwrap();
        assert_eq!(config.headers()["x-scope-orgid"], "hunter2");
        assert_eq!(format!("{config:?}"), "<secret>");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_without_showing_it() {
        let mut config = HttpConfig::default();
        let bad = Secret::new("hunter2\r\nX: y");
        for error in [
            config.set_basic_auth("a:b", &bad).unwrap_err(),
            config.set_authorization("Bearer", &bad).unwrap_err(),
            config.set_authorization("Bea rer", &bad).unwrap_err(),
            config.add_header("X-A", &bad).unwrap_err(),
            config.add_header("Content-Type", &bad).unwrap_err(),
            config.add_header("webhook-id", &bad).unwrap_err(),
            config.add_header("X A", &bad).unwrap_err(),
        ] {
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert_eq!(config, HttpConfig::default());
    }
}
