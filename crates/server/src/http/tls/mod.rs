//! TLS on the HTTP listener: certificates that are read again when their files
//! change, and a bound on handshakes, so that connections that say nothing
//! don't keep others out.

mod files;

pub use files::{ClientAuth, TlsFault, TlsOptions};

use super::room::Room;
use crate::auth::Peer;
use crate::observe::Metrics;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often it is looked whether files have changed. They are read once they
/// have stayed as they are for as long.
const LOOK: Duration = Duration::from_millis(400);

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Handshakes under way; the oldest makes room for one more.
const HANDSHAKES_MAX: usize = 512;

/// What connections are secured with.
pub(crate) struct Tls {
    options: TlsOptions,
    config: ArcSwap<ServerConfig>,
    /// The same for HTTP/2.
    config_h2: ArcSwap<ServerConfig>,
    handshakes: Room,
    metrics: Arc<Metrics>,
    /// Of the files as they were before they were first read.
    first_stamp: u64,
}

impl Tls {
    pub(crate) fn new(options: TlsOptions, metrics: Arc<Metrics>) -> Result<Self, TlsFault> {
        let first_stamp = options.stamp();
        let config = options.load()?;
        let (config_h2, config) = (ArcSwap::from(for_h2(&config)), ArcSwap::from(config));
        let handshakes = Room::new(HANDSHAKES_MAX);
        Ok(Self { options, config, config_h2, handshakes, metrics, first_stamp })
    }

    /// Shakes hands for HTTP/2; see [`Tls::accept`].
    pub(crate) async fn accept_h2(&self, socket: TcpStream) -> Option<TlsStream<TcpStream>> {
        self.accept_as(self.config_h2.load_full(), socket).await
    }

    /// Shakes hands. Nothing where it fails, takes too long, or has to make
    /// room; why is counted.
    pub(super) async fn accept(&self, socket: TcpStream) -> Option<TlsStream<TcpStream>> {
        self.accept_as(self.config.load_full(), socket).await
    }

    async fn accept_as(&self, config: Arc<ServerConfig>, socket: TcpStream) -> Option<TlsStream<TcpStream>> {
        let mut ticket = self.handshakes.begin();
        let acceptor = TlsAcceptor::from(config);
        let (stream, result) = tokio::select! {
            accepted = acceptor.accept(socket) => match accepted {
                Ok(stream) => (Some(stream), "success"),
                Err(error) => {
                    tracing::debug!(%error, "a TLS handshake has failed");
                    (None, failure(&error))
                }
            },
            () = ticket.crowded_out() => (None, "crowded_out"),
            () = tokio::time::sleep(HANDSHAKE_TIMEOUT) => (None, "timeout"),
        };
        self.metrics.shook_hands(result);
        stream
    }

    /// Runs for the life of the server: reads the files again when they have
    /// changed. What can't be used as a whole changes nothing.
    pub(crate) async fn keep_watch(self: Arc<Self>) {
        let (mut last, mut read) = (self.first_stamp, self.first_stamp);
        loop {
            tokio::time::sleep(LOOK).await;
            let tls = Arc::clone(&self);
            let Ok(stamp) = tokio::task::spawn_blocking(move || tls.options.stamp()).await else { return };
            if stamp == last && stamp != read {
                read = stamp;
                self.reload().await;
            }
            last = stamp;
        }
    }

    async fn reload(self: &Arc<Self>) {
        let tls = Arc::clone(self);
        let loaded = tokio::task::spawn_blocking(move || tls.options.load());
        let is_success = match loaded.await {
            Ok(Ok(config)) => {
                self.config_h2.store(for_h2(&config));
                self.config.store(config);
                tracing::info!("certificates reloaded");
                true
            }
            Ok(Err(fault)) => {
                tracing::error!(%fault, "the new certificates can't be used: those that were in use stay");
                false
            }
            Err(_) => return,
        };
        self.metrics.tls_reloaded(is_success);
    }
}

fn for_h2(config: &ServerConfig) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// The certificate that the other side has shown.
pub(crate) fn peer(stream: &TlsStream<TcpStream>) -> Option<Arc<Peer>> {
    let (_, connection) = stream.get_ref();
    connection.peer_certificates()?.first().and_then(Peer::of).map(Arc::new)
}

/// A reset or an early close is no fault of anybody's settings.
fn failure(error: &io::Error) -> &'static str {
    let is_tls = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
    if is_tls { "failure" } else { "closed" }
}
