//! Why a caller is turned away.

use super::token::TokenFault;
use http::StatusCode;
use openclaw_state::Scope;

/// Why a caller is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// No credential, or one that is not live.
    #[error("a live key is needed, as `Authorization: Bearer KEY` or as the Basic password")]
    Unauthorized,
    /// A token that is not taken.
    #[error("the token is refused: {0}")]
    Token(#[from] TokenFault),
    /// The credential lacks a scope.
    #[error("the key lacks the scope `{0}`")]
    Scope(Scope),
    /// The credential doesn't allow the tenant that was named.
    #[error("the key does not allow the tenant that the request names")]
    Tenant,
    /// The tenant is there for its clients' limits alone.
    #[error("the tenant takes no alerts: its settings have no `route`")]
    NoRoute,
    /// A credential or tenant was given twice, or in two ways that differ.
    #[error("the request names its credential or tenant more than once")]
    Ambiguous,
    /// A browser adds a password that it remembers for whatever page asks.
    #[error(
        "a page of another site can't change anything with a browser's password: \
         send the key as `Authorization: Bearer KEY`"
    )]
    OtherSite,
}

impl Denied {
    /// The answer's status.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Denied::Unauthorized | Denied::Token(_) => StatusCode::UNAUTHORIZED,
            Denied::Scope(_) | Denied::Tenant | Denied::NoRoute | Denied::OtherSite => StatusCode::FORBIDDEN,
            Denied::Ambiguous => StatusCode::BAD_REQUEST,
        }
    }
}
