//! A document that settings name, such as the keys of who signs tokens: one
//! GET, bounded in time and bytes, over the connections of all sends.

use super::{OUR_NAME, OneShot, authorize_at, root_cause};
use crate::connect::{Connections, Way};
use crate::{Sender, Target};
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A document, and how long it is fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// All of it.
    pub body: Vec<u8>,
    /// `max-age` of `Cache-Control`, if it was given; zero for `no-cache`.
    pub max_age: Option<Duration>,
}

/// Why a document can't be had. Names the host alone: the rest of an address
/// may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No whole answer came.
    #[error("`{host}`: {detail}")]
    Unanswered {
        /// Host and port.
        host: String,
        /// What went wrong.
        detail: String,
    },
    /// Another answer than 200.
    #[error("`{host}` answered {status}; redirects are not followed")]
    Status {
        /// Host and port.
        host: String,
        /// What it answered.
        status: StatusCode,
    },
}

impl Sender {
    /// Gets a document of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// When no whole answer came by `deadline`, or not a 200.
    pub async fn fetch(
        &self,
        target: &Target,
        bytes_max: usize,
        deadline: Instant,
    ) -> Result<Fetched, FetchError> {
        let host = || target.host().to_owned();
        match timeout_at(deadline, get(self.connections(), target, bytes_max)).await {
            Ok(Ok((StatusCode::OK, fetched))) => Ok(fetched),
            Ok(Ok((status, _))) => Err(FetchError::Status { host: host(), status }),
            Ok(Err(detail)) => Err(FetchError::Unanswered { host: host(), detail }),
            Err(_) => {
                let detail = "no whole answer within the time-out".to_owned();
                Err(FetchError::Unanswered { host: host(), detail })
            }
        }
    }
}

async fn get(
    connections: &Connections,
    target: &Target,
    bytes_max: usize,
) -> Result<(StatusCode, Fetched), String> {
    let way = Way::default();
    let client = connections.client(&way).map_err(|error| error.to_string())?;
    let mut request = request(target);
    if let Some(proxy) = connections.proxy(&way, request.uri()) {
        authorize_at(proxy, &mut request);
    }
    let response = client.request(request).await.map_err(|error| root_cause(&error))?;
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Ok((head.status, Fetched { body: Vec::new(), max_age: None }));
    }
    let body = Limited::new(body, bytes_max).collect().await;
    let body = body.map_err(|error| root_cause(&*error))?.to_bytes().to_vec();
    Ok((head.status, Fetched { body, max_age: max_age(&head.headers) }))
}

fn request(target: &Target) -> Request<OneShot> {
    let mut request = Request::new(OneShot::new(None));
    *request.method_mut() = Method::GET;
    *request.uri_mut() = target.uri().clone();
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, OUR_NAME);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(credential) = target.authorization() {
        headers.insert(AUTHORIZATION, credential.clone());
    }
    request
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives = values.flat_map(|value| value.split(',')).map(str::trim);
    directives.fold(None, |found, directive| match directive.split_once('=') {
        None if directive.eq_ignore_ascii_case("no-cache") || directive.eq_ignore_ascii_case("no-store") => {
            Some(Duration::ZERO)
        }
        Some((name, seconds)) if name.eq_ignore_ascii_case("max-age") && found.is_none() => {
            seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
        }
        _ => found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Reply, Sink};
    use crate::{Outgoing, Secret, SenderOptions};

    async fn fetch(answer: &str) -> Result<Fetched, FetchError> {
        let sink = Sink::new(vec![Reply::Stay(answer.as_bytes().to_vec())]).await;
        let target = Target::parse(&Secret::new(format!("http://{}/keys", sink.address))).unwrap();
        let sender =
            Sender::new(SenderOptions { outgoing: Outgoing::with_loopback(), ..SenderOptions::default() })
                .unwrap();
        sender.fetch(&target, 10, Instant::now() + Duration::from_secs(2)).await
    }

    #[tokio::test]
    async fn a_document_is_bounded_and_knows_its_age() {
        let good = "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=90\r\nContent-Length: 2\r\n\r\n{}";
        let fetched = fetch(good).await.unwrap();
        assert_eq!(fetched, Fetched { body: b"{}".to_vec(), max_age: Some(Duration::from_secs(90)) });
        let long = fetch("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890").await.unwrap_err();
        assert!(matches!(long, FetchError::Unanswered { .. }), "{long}");
        let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        let moved = fetch(moved).await.unwrap_err();
        assert!(matches!(moved, FetchError::Status { status: StatusCode::FOUND, .. }), "{moved}");
        assert!(!moved.to_string().contains("/keys"), "{moved}");
    }

    #[test]
    fn an_age_is_read_or_left() {
        let age = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, value.parse().unwrap());
            max_age(&headers).map(|age| age.as_secs())
        };
        assert_eq!(age("max-age=60"), Some(60));
        assert_eq!(age("no-cache, max-age=60"), Some(0));
        assert_eq!(age("max-age=60, no-store"), Some(0));
        assert_eq!(age("Max-Age=\"5\", private"), Some(5));
        assert_eq!(age("max-age=-1"), None);
        assert_eq!(age("private"), None);
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}
