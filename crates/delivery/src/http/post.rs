//! Bodies for one address that the operator has named, such as another process
//! of this service: what tenants may reach does not apply, nor does the proxy
//! to receivers.

use super::fetch::FetchError;
use super::{ANSWER_BYTES_MAX, OUR_NAME, OneShot, read_bounded, root_cause};
use crate::connect::{Client, Connections, Way};
use crate::outgoing::{Network, Outgoing};
use crate::target::TargetError;
use crate::{Secret, Target, TlsSettings, TlsSettingsError};
use http::header::{AUTHORIZATION, ETAG, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use tokio::time::{Instant, timeout_at};

/// Posts to, or gets from, one address over connections that stay warm. Must be used within a
/// Tokio runtime.
pub struct Poster {
    client: Client,
    target: Target,
    key: HeaderValue,
}

/// Why nothing can be posted.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
    /// TLS can't be spoken with these settings.
    #[error("`tls`: {0}")]
    Tls(#[from] TlsSettingsError),
    /// The path doesn't fit behind the address.
    #[error("`url`: {0}")]
    Target(#[from] TargetError),
    /// The key can't be a header's value.
    #[error("`key` holds characters that no key has: give it as `openclaw tenant key add` showed it")]
    Key,
}

/// What was answered, up to 4 KiB of it after a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The answer's status.
    pub status: StatusCode,
    /// What stands for what was asked for, where it is told.
    pub etag: Option<HeaderValue>,
    /// The beginning of its body.
    pub body: Vec<u8>,
}

impl Poster {
    /// For `path` below `base`, with `key` as the bearer's.
    ///
    /// # Errors
    /// Names the setting at fault.
    pub fn new(base: &Target, path: &[&str], key: &Secret, tls: TlsSettings) -> Result<Self, PosterError> {
        let connections = Connections::new(Outgoing { allow: Network::ALL.into(), proxy: None })?;
        let client = connections.client(&Way { proxy: None, tls })?;
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| PosterError::Key)?;
        value.set_sensitive(true);
        Ok(Self { client, target: base.join(path, &[])?, key: value })
    }

    /// Host and port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.target.host()
    }

    /// Posts once.
    ///
    /// # Errors
    /// When no whole answer came by `deadline`.
    pub async fn post(
        &self,
        headers: HeaderMap,
        body: Vec<u8>,
        deadline: Instant,
    ) -> Result<Posted, FetchError> {
        self.within(self.request(headers, body), ANSWER_BYTES_MAX, deadline).await
    }

    /// Gets once, up to `most_bytes` of the answer.
    ///
    /// # Errors
    /// When no whole answer came by `deadline`.
    pub async fn get(
        &self,
        headers: HeaderMap,
        most_bytes: usize,
        deadline: Instant,
    ) -> Result<Posted, FetchError> {
        let mut request = self.request(headers, Vec::new());
        *request.method_mut() = Method::GET;
        *request.body_mut() = OneShot::new(None);
        self.within(request, most_bytes, deadline).await
    }

    async fn within(
        &self,
        request: Request<OneShot>,
        most_bytes: usize,
        deadline: Instant,
    ) -> Result<Posted, FetchError> {
        let detail = match timeout_at(deadline, self.exchange(request, most_bytes)).await {
            Ok(Ok(posted)) => return Ok(posted),
            Ok(Err(detail)) => detail,
            Err(_) => "no whole answer within the time-out".to_owned(),
        };
        Err(FetchError::Unanswered { host: self.host().to_owned(), detail })
    }

    fn request(&self, headers: HeaderMap, body: Vec<u8>) -> Request<OneShot> {
        let mut request = Request::new(OneShot::new(Some(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.uri().clone();
        *request.headers_mut() = headers;
        request.headers_mut().insert(USER_AGENT, OUR_NAME);
        request.headers_mut().insert(AUTHORIZATION, self.key.clone());
        request
    }

    async fn exchange(&self, request: Request<OneShot>, most_bytes: usize) -> Result<Posted, String> {
        let response = self.client.request(request).await.map_err(|error| root_cause(&error))?;
        let (status, etag) = (response.status(), response.headers().get(ETAG).cloned());
        let body = read_bounded(response.into_body(), most_bytes).await;
        Ok(Posted { status, etag, body: body.map_err(|error| root_cause(&error))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Reply, Sink};
    use std::time::Duration;

    #[tokio::test]
    async fn loopback_is_reached_with_the_key_and_nothing_shows_it() {
        let answer = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
        let sink = Sink::new(vec![Reply::Stay(answer.as_bytes().to_vec())]).await;
        let base = Target::parse(&Secret::new(format!("http://{}/under/", sink.address))).unwrap();
        let poster =
            Poster::new(&base, &["api", "v1"], &Secret::new("oc_secret"), TlsSettings::default()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(2);
        let posted = poster.post(HeaderMap::new(), b"a\n".to_vec(), deadline).await.unwrap();
        assert_eq!(posted, Posted { status: StatusCode::ACCEPTED, etag: None, body: b"{}".to_vec() });
        let request = poster.request(HeaderMap::new(), Vec::new());
        assert_eq!(request.uri().path(), "/under/api/v1");
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer oc_secret");
        assert!(!format!("{:?}", request.headers()).contains("oc_secret"));
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_being_shown() {
        let base = Target::parse(&Secret::new("http://upstream")).unwrap();
        let refused = Poster::new(&base, &["x"], &Secret::new("oc_a\nb"), TlsSettings::default());
        let said = refused.err().unwrap().to_string();
        assert!(!said.contains("oc_a"), "{said}");
    }
}
