//! A request's body: bounded in size and in time, for every route alike.

use super::problem::Problem;
use super::{BODY_BYTES_MAX, BODY_TIMEOUT};
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::error::Error;
use std::time::Duration;

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// More than may be sent.
    #[error("the body is larger than {bytes_max} bytes; send less at a time")]
    TooLarge {
        /// How much may be sent here.
        bytes_max: usize,
    },
    /// The client went away.
    #[error("the body ended early")]
    CutOff,
    /// The client didn't go on.
    #[error("the body took too long")]
    Slow,
}

impl BodyError {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::CutOff => StatusCode::BAD_REQUEST,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// Reads a body whole. One that is announced as too large is not read at all.
pub(super) async fn read<B>(body: B, bytes_max: usize) -> Result<Bytes, BodyError>
where
    B: HttpBody,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    read_within(body, bytes_max, BODY_TIMEOUT).await
}

/// [`read`], in less time.
pub(super) async fn read_within<B>(body: B, bytes_max: usize, time_max: Duration) -> Result<Bytes, BodyError>
where
    B: HttpBody,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(BodyError::TooLarge { bytes_max });
    }
    match tokio::time::timeout(time_max, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge { bytes_max }),
        Ok(Err(_)) => Err(BodyError::CutOff),
        Err(_) => Err(BodyError::Slow),
    }
}

/// A body for the handlers of our own API; errors are problem documents.
pub(super) struct Whole(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Problem> {
        let read = read(request.into_body(), BODY_BYTES_MAX).await;
        read.map(Self).map_err(Problem::from)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}
