//! Alertmanager's API, as far as it is compared.

use crate::cli::CliError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::time::Duration;

/// More than 100,000 alerts take.
const ANSWER_BYTES_MAX: usize = 256 << 20;

const TIMEOUT: Duration = Duration::from_secs(30);

/// One side.
pub(super) struct Api {
    /// Without credentials, for messages too.
    base: String,
    authorization: Option<HeaderValue>,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Api {
    /// `key` stands before what the address says of credentials.
    pub(super) fn new(url: &str, key: Option<&str>) -> Result<Self, CliError> {
        let (base, user) = without_user(url.trim_end_matches('/'));
        let authorization = match (key, user) {
            (Some(key), _) => Some(format!("Bearer {key}")),
            (None, Some(user)) => Some(format!("Basic {}", STANDARD.encode(user))),
            (None, None) => None,
        };
        let bad = |detail: &dyn std::fmt::Display| CliError::Remote {
            url: base.clone(),
            detail: detail.to_string(),
        };
        let authorization =
            authorization.map(HeaderValue::try_from).transpose().map_err(|error| bad(&error))?;
        base.parse::<Uri>().map_err(|error| bad(&error))?;
        let connector = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| bad(&error))?;
        let client =
            Client::builder(TokioExecutor::new()).build(connector.https_or_http().enable_http1().build());
        Ok(Self { base, authorization, client })
    }

    /// The version that it says it has.
    pub(super) async fn version(&self) -> Result<String, CliError> {
        let status = self.get("/api/v2/status").await?;
        let version = status["versionInfo"]["version"].as_str();
        Ok(version.filter(|version| !version.is_empty()).unwrap_or("unknown").to_owned())
    }

    /// All groups of alerts.
    pub(super) async fn groups(&self) -> Result<Value, CliError> {
        self.get("/api/v2/alerts/groups").await
    }

    async fn get(&self, path: &str) -> Result<Value, CliError> {
        let url = format!("{}{path}", self.base);
        let failed = |detail: String| CliError::Remote { url: url.clone(), detail };
        let mut request = Request::get(&url);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new()).map_err(|error| failed(error.to_string()))?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| failed(whole(&error)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| failed(error.to_string()))?.to_bytes();
            Ok((status, body))
        };
        let answer = tokio::time::timeout(TIMEOUT, exchange).await;
        let (status, body) = answer.unwrap_or_else(|_| Err(failed("no answer in time".to_owned())))?;
        if !status.is_success() {
            return Err(failed(format!("it answers {status}")));
        }
        serde_json::from_slice(&body).map_err(|error| failed(format!("no Alertmanager's answer: {error}")))
    }
}

/// An error with what led to it, which alone says what is wrong.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Takes `user:password@` out of an address, with `%XX` decoded.
fn without_user(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        None => (url.to_owned(), None),
        Some((user, host)) => (format!("{scheme}://{host}{}", &rest[end..]), Some(decoded(user))),
    }
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        let rest = bytes.as_slice();
        let code = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| byte == b'%') {
            Some(code) => {
                out.push(code);
                bytes.nth(1);
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_address() {
        let (url, user) = without_user("https://me:p%40ss@am.example:9093/prefix");
        assert_eq!((url.as_str(), user.as_deref()), ("https://am.example:9093/prefix", Some("me:p@ss")));
        let (url, user) = without_user("http://am.example/a@b");
        assert_eq!((url.as_str(), user), ("http://am.example/a@b", None));
    }
}
