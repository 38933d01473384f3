//! The running service: sockets and threads around the pure core.
//!
//! ```text
//! acceptor ─► I/O threads (one runtime each): ingest inline ─┐
//! work runtime: everything else, sends, deadlines, snapshots ─┼─► step under the partition's lock ─► log thread
//! ```
//!
//! [`Server::start`] opens the journal, recovers, listens; [`Server::stop`]
//! drains. Nothing here decides about an alert.

#![forbid(unsafe_code)]

mod auth;
mod clock;
mod doors;
mod edge;
mod files;
mod grpc;
mod handover;
mod host;
mod http;
mod limits;
mod models;
mod observe;
mod operator;
mod reload;
mod removal;
mod server;
mod shares;
mod sockets;
mod tenants;
mod trainer;

pub use auth::{
    CertificateRule, CertificateSubject, KeySetError, NewToken, PassError, SignError, TokenIssuer, TokenKeys,
    TokenSettings, sign,
};
pub use clock::Clock;
pub use edge::{EdgeOptions, EdgeServer, UpstreamError, UpstreamOptions};
pub use handover::{Follower, TakeOverError, take_over};
pub use host::{RecoveryError, SnapshotPolicy};
pub use http::tls::{ClientAuth, TlsFault, TlsOptions};
pub use limits::SeedError;
pub use models::{
    ModelsOptions, ModelsStartError, ROLLOUT_HOLD_MAX, RolloutMode, Wish, WishError, ask_of_models,
    running_model,
};
pub use observe::Totals;
pub use reload::{NotInForce, ReloadError, Reloaded};
pub use server::{Opened, Server, ServerOptions, StartError};
pub use shares::{RedisOptions, SharesOptions};
pub use sockets::Inherited;
pub use tenants::{Origin, SettingsSource, Signing, Source, Sources, TenantConfig};
pub use trainer::TrainerOptions;
