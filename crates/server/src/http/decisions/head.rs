//! What is asked, whoever has read the request.

use crate::auth::{Caller, Denied};
use crate::observe::DecisionRoute;
use http::Method;

/// What a proxy says beside its question, in [`Head`].
pub(crate) const PROXY_HEADERS: [&str; 3] = ["x-openclaw-client", "x-original-uri", "x-original-method"];

/// Which question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// `GET /api/v1/rate`
    Rate,
    /// `POST /api/v1/decisions`
    Decisions,
    /// `/auth`
    Auth,
}

impl Question {
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        match (path, method) {
            ("/api/v1/rate", &Method::GET | &Method::HEAD) => Some(Self::Rate),
            ("/api/v1/decisions", &Method::POST) => Some(Self::Decisions),
            ("/auth", _) => Some(Self::Auth),
            _ => None,
        }
    }

    pub(crate) fn route(self) -> DecisionRoute {
        match self {
            Self::Rate => DecisionRoute::Rate,
            Self::Decisions => DecisionRoute::Decisions,
            Self::Auth => DecisionRoute::Auth,
        }
    }
}

/// What matters of a request's head.
pub(crate) struct Head<'r> {
    /// Who asks, or why they are turned away.
    pub(crate) caller: Result<Caller, Denied>,
    /// Whether a credential was shown, good or bad.
    pub(crate) has_credential: bool,
    /// The tenant that a path or a header names.
    pub(crate) named_tenant: Option<&'r str>,
    /// The other end of the connection.
    pub(crate) address: &'r str,
    pub(crate) query: &'r str,
    /// `X-OpenClaw-Client`, which a proxy sets.
    pub(crate) client: Option<&'r [u8]>,
    /// `X-Original-URI`, which a proxy sets.
    pub(crate) original_uri: Option<&'r [u8]>,
    /// `X-Original-Method`, which a proxy sets.
    pub(crate) original_method: Option<&'r [u8]>,
}
