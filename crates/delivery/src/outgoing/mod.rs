//! Where messages may go and which way: the operator's part of it.

mod address;
mod guard;
mod network;
mod proxy;

pub(crate) use guard::{Guard, Refused, ResolveError};
pub use network::{Network, NetworkError};
pub use proxy::{NamedBy, NoProxy, Proxy};

use std::sync::Arc;

/// What the operator says of connections to receivers. By default tenants
/// reach the public Internet and nothing else, directly.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// Networks beyond the public Internet that tenants may reach.
    pub allow: Vec<Network>,
    /// For receivers that name no proxy of their own.
    pub proxy: Option<Arc<Proxy>>,
}

impl Outgoing {
    /// Also this machine itself: for a trial on one machine, and for tests.
    #[must_use]
    pub fn with_loopback() -> Self {
        Self { allow: Network::LOOPBACK.into(), proxy: None }
    }
}
