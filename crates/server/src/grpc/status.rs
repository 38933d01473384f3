//! How a call ends, in gRPC's words.

use crate::auth::Denied;
use bytes::Bytes;
use h2::server::SendResponse;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What can't stand in a header as it is.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

pub(super) const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// gRPC's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// A call that isn't answered with what was asked for.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    code: Code,
    said: String,
}

impl Refusal {
    pub(super) fn new(code: Code, said: impl Into<String>) -> Self {
        Self { code, said: said.into() }
    }

    /// As HTTP would have it, for the request's metrics.
    pub(super) fn http_status(&self) -> u16 {
        match self.code {
            Code::InvalidArgument => 400,
            Code::DeadlineExceeded => 408,
            Code::PermissionDenied => 403,
            Code::ResourceExhausted => 413,
            Code::Unimplemented => 404,
            Code::Unavailable => 503,
            Code::Unauthenticated => 401,
        }
    }

    pub(super) fn send(&self, respond: &mut SendResponse<Bytes>) {
        let mut response = Response::new(());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, GRPC);
        self.write(headers);
        // An error means that nobody waits any more.
        let _ = respond.send_response(response, true);
    }

    /// Puts it into headers or trailers.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(GRPC_STATUS, HeaderValue::from(self.code as u16));
        let said = utf8_percent_encode(&self.said, ESCAPED).to_string();
        if let Ok(said) = HeaderValue::try_from(said) {
            headers.insert(GRPC_MESSAGE, said);
        }
    }
}

impl From<Refusal> for tonic::Status {
    fn from(refusal: Refusal) -> Self {
        Self::new(tonic::Code::from_i32(refusal.code as i32), refusal.said)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let code = match denied.status() {
            StatusCode::UNAUTHORIZED => Code::Unauthenticated,
            StatusCode::FORBIDDEN => Code::PermissionDenied,
            _ => Code::InvalidArgument,
        };
        Self::new(code, denied.to_string())
    }
}
