//! Pages of other origins may call API v2, as Alertmanager lets them. They
//! need a key for it, which no browser adds by itself.

use super::Response;
use super::service::Target;
use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, ORIGIN, VARY,
};
use http::{HeaderValue, Method, Request, StatusCode};

/// What a request has to do with other origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Not API v2: nothing is said about origins.
    Closed,
    /// No page asks.
    Plain,
    /// A page of some origin asks.
    FromPage,
    /// A browser asks whether a page may.
    Preflight,
}

impl Call {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        if !Target::of(request).path.starts_with("/api/v2/") {
            Self::Closed
        } else if request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            Self::Preflight
        } else if headers.contains_key(ORIGIN) {
            Self::FromPage
        } else {
            Self::Plain
        }
    }

    /// Adds what the answer says about origins.
    pub(super) fn open(self, response: &mut Response) {
        let headers = response.headers_mut();
        if self != Self::Closed {
            headers.insert(VARY, HeaderValue::from_static("Origin"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if matches!(self, Self::FromPage | Self::Preflight) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
    }
}

/// A page may do what any client may.
pub(super) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, HEAD, POST, DELETE");
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    let allowed =
        HeaderValue::from_static("Accept, Authorization, Content-Type, X-Requested-With, X-Scope-OrgID");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}
