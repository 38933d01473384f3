//! Errors of our own API: RFC 9457 problem documents.

use super::Response;
use super::service::{App, Core, allowed, caller};
use crate::auth::Denied;
use crate::host::Unavailable;
use crate::limits::TenantLimits;
use crate::tenants::{ReadError, TenantHandle};
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use openclaw_state::Scope;
use serde_json::json;
use std::sync::Arc;

/// An error with its status, and where in the body it lies.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// Where, and what is wrong there.
    errors: Vec<(Place, String)>,
}

/// How a credential can be shown, for a 401.
const CHALLENGE: &str = "Basic realm=\"openclaw\", charset=\"UTF-8\"";

/// Where in a request something is wrong.
#[derive(Debug)]
enum Place {
    /// JSON pointer into the body.
    Body(String),
    /// Name of a parameter.
    Parameter(String),
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new() }
    }

    /// The body is wrong at `pointer`.
    pub(crate) fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let errors = vec![(Place::Body(pointer.into()), detail.clone())];
        Self { status: StatusCode::BAD_REQUEST, errors, detail }
    }

    /// The parameter `name` is wrong; `fault` follows its name in a sentence.
    pub(crate) fn parameter(name: &str, fault: impl Into<String>) -> Self {
        let (name, fault) = (name.chars().take(80).collect::<String>(), fault.into());
        let detail = format!("parameter `{name}` {fault}");
        Self { status: StatusCode::BAD_REQUEST, errors: vec![(Place::Parameter(name), fault)], detail }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such thing here")
    }
}

impl Problem {
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Headers beside those that every answer has.
    pub(super) fn headers(&self) -> impl Iterator<Item = (HeaderName, &'static str)> {
        let more = match self.status {
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, CHALLENGE)),
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "5")),
            _ => None,
        };
        [(CONTENT_TYPE, "application/problem+json")].into_iter().chain(more)
    }

    pub(super) fn body(&self) -> String {
        let errors: Vec<_> = self
            .errors
            .iter()
            .map(|(place, detail)| match place {
                Place::Body(pointer) => json!({ "pointer": pointer, "detail": detail }),
                Place::Parameter(name) => json!({ "parameter": name, "detail": detail }),
            })
            .collect();
        let document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "errors": errors,
        });
        document.to_string()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status;
        for (name, value) in self.headers() {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::new(denied.status(), denied.to_string())
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, unavailable.to_string())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let status = match &error {
            ReadError::NotFound => StatusCode::NOT_FOUND,
            ReadError::Journal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            ReadError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

/// The answer where a handler was cut off.
pub(crate) fn internal() -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error; see the log of the server")
        .into_response()
}

/// A caller that may read its tenant.
pub(crate) struct Read(pub(crate) TenantHandle);

/// A caller that may act on its tenant's alerts.
pub(crate) struct Respond(pub(crate) TenantHandle);

/// A caller that may send alerts, or have them scored.
pub(crate) struct Ingest(pub(crate) TenantHandle);

impl FromRequestParts<Arc<App>> for Read {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        Ok(Self(allowed(parts, app, Scope::Read)?))
    }
}

impl FromRequestParts<Arc<App>> for Respond {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        Ok(Self(allowed(parts, app, Scope::Respond)?))
    }
}

impl FromRequestParts<Arc<App>> for Ingest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        Ok(Self(allowed(parts, app, Scope::Ingest)?))
    }
}

/// The limits of a tenant that the caller may read; in every role.
pub(super) struct ReadLimits(pub(super) Arc<TenantLimits>);

/// The limits of a tenant whose clients the caller may ask about, and report
/// on; in every role.
pub(super) struct AskLimits(pub(super) Arc<TenantLimits>);

impl FromRequestParts<Arc<Core>> for ReadLimits {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Problem> {
        limits(parts, core, Scope::Read).map(Self)
    }
}

impl FromRequestParts<Arc<Core>> for AskLimits {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Problem> {
        limits(parts, core, Scope::Limit).map(Self)
    }
}

fn limits(parts: &Parts, core: &Core, scope: Scope) -> Result<Arc<TenantLimits>, Problem> {
    let tenant = caller(parts)?.tenant_for(scope)?;
    core.limits.of(tenant).ok_or_else(Problem::not_found)
}
