//! Refusals in the two shapes that Alertmanager has: a bare JSON string from a
//! handler, `{"code", "message"}` from validation.

use crate::auth::Denied;
use crate::host::Unavailable;
use crate::http::Response;
use crate::http::body::BodyError;
use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use openclaw_sources::alertmanager::{DecodeError, SilenceError};
use serde_json::Value;

/// Why a call of API v2 is refused.
#[derive(Debug)]
pub(in crate::http) enum Refusal {
    /// By its credential.
    Denied(Denied),
    /// Nothing can be promised now.
    Unavailable(Unavailable),
    /// The body didn't come.
    Unread(BodyError),
    /// The body's type is none that is read.
    MediaType(String),
    /// The body is none that can be taken, said by its decoder.
    Body(u16, String),
    /// A parameter of the path is no UUID.
    NoUuid(String),
    /// What the path names isn't there.
    Nothing,
    /// In the handler's words.
    Text(StatusCode, String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Denied(denied) => with_challenge(denied),
            Self::Unavailable(Unavailable::TooLarge) => coded(413, 413, &Unavailable::TooLarge.to_string()),
            Self::Unavailable(unavailable) => {
                let mut response = text(StatusCode::SERVICE_UNAVAILABLE, &unavailable.to_string());
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
                response
            }
            Self::Unread(error @ BodyError::TooLarge { .. }) => coded(413, 413, &error.to_string()),
            Self::Unread(error) => text(error.status(), &error.to_string()),
            Self::MediaType(given) => {
                let message =
                    format!("unsupported media type {given:?}, only [application/json] are allowed");
                coded(415, 415, &message)
            }
            Self::Body(status, body) => json(status_of(status), body),
            Self::NoUuid(given) => {
                let given = Value::String(given);
                coded(422, 601, &format!("silenceID in path must be of type uuid: {given}"))
            }
            Self::Nothing => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
            Self::Text(status, said) => text(status, &said),
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        Self::Unread(error)
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::Body(error.status(), error.body())
    }
}

impl From<SilenceError> for Refusal {
    fn from(error: SilenceError) -> Self {
        Self::Body(error.status(), error.body())
    }
}

/// Only JSON is read.
pub(in crate::http) fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let given = if given.is_empty() { "application/octet-stream" } else { given };
    Err(Refusal::MediaType(given.to_owned()))
}

fn with_challenge(denied: Denied) -> Response {
    let mut response = text(denied.status(), &denied.to_string());
    if denied.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"openclaw\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// An answer of JSON.
pub(in crate::http) fn json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(status: StatusCode, said: &str) -> Response {
    json(status, Value::from(said).to_string())
}

fn coded(status: u16, code: u16, message: &str) -> Response {
    json(status_of(status), serde_json::json!({ "code": code, "message": message }).to_string())
}

fn status_of(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A path that API v2 doesn't have.
pub(in crate::http) fn not_found(path: &str) -> Response {
    coded(404, 404, &format!("path {path} was not found"))
}

/// A method that a path of API v2 doesn't take.
pub(in crate::http) fn not_allowed(method: &Method) -> Response {
    coded(405, 405, &format!("method {method} is not allowed"))
}
