//! Starting and stopping an edge.

use super::Edge;
use super::models::{Follower as ModelFollower, take_names};
use super::spool::{Forwarding, UpstreamError, UpstreamOptions};
use crate::auth::{Auth, KeyFetcher, Passes, keep_uses};
use crate::clock::Clock;
use crate::doors::{Doors, Listeners};
use crate::grpc;
use crate::handover::Follower;
use crate::http::tls::{Tls, TlsOptions};
use crate::http::{Behind, Core, Front, Options};
use crate::limits::Saver;
use crate::observe::SpoolMetrics;
use crate::reload::{ReloadError, Reloaded};
use crate::server::{StartError, keep_keys, spawn_passes, spawn_sender, wait_until_free};
use crate::shares::{Shares, SharesOptions, SharesTask, shared_limits};
use crate::sockets::Inherited;
use crate::tenants::{Registered, SettingsSource, TenantConfig, Tenants};
use openclaw_alert::TenantName;
use openclaw_delivery::Outgoing;
use openclaw_journal::{Disk, FolderLock, RealDisk};
use openclaw_learning::publish::VerifyingKey;
use openclaw_state::Keys;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Everything an edge needs to be told.
#[derive(Debug)]
pub struct EdgeOptions {
    /// Where to listen for HTTP.
    pub http: SocketAddr,
    /// Where to listen for gRPC; nothing for nowhere.
    pub grpc: Option<SocketAddr>,
    /// Sockets that are open already, in place of these.
    pub inherited: Inherited,
    /// Certificates, for HTTP over TLS; nothing for plain HTTP.
    pub tls: Option<TlsOptions>,
    /// Folder of everything that is kept.
    pub data: PathBuf,
    /// The tenants.
    pub tenants: Vec<TenantConfig>,
    /// Where the tenants come from while the service runs.
    pub source: Arc<dyn SettingsSource>,
    /// The tenant of those who ask without a credential; nothing for nobody.
    pub anonymous_tenant: Option<TenantName>,
    /// `/metrics` without a credential.
    pub public_metrics: bool,
    /// Where tokens' keys may be fetched from, and which way.
    pub outgoing: Outgoing,
    /// Where "now" comes from.
    pub clock: Clock,
    /// How many threads own sockets.
    pub io_threads: usize,
    /// How limits are shared with other replicas; nothing where they are not.
    pub shares: Option<SharesOptions>,
    /// Where observations go on to; nothing where they stay.
    pub upstream: Option<UpstreamOptions>,
    /// Whose models are followed there; nobody's where there are none.
    pub trusted: Vec<VerifyingKey>,
}

/// A running edge.
pub struct EdgeServer {
    edge: Arc<Edge>,
    doors: Doors,
    saver: Saver,
    tasks: Vec<JoinHandle<()>>,
    shares: Option<SharesTask>,
    forwarding: Option<Forwarding>,
    _lock: FolderLock,
}

impl EdgeServer {
    /// Listens, reads, decides. Runs on the current Tokio runtime.
    ///
    /// # Errors
    /// Nothing is left running.
    pub async fn start(options: EdgeOptions) -> Result<Self, StartError> {
        let listeners = Listeners::open(options.http, options.grpc, options.inherited)?;
        let disk = RealDisk::new(&options.data)?;
        let lock = wait_until_free(listeners.follows, || disk.lock()).await?;
        // What waits for the disk, and certificates, beside the rest.
        let sender = spawn_sender(String::new(), options.outgoing);
        let passes = spawn_passes(&options.data);
        let of_spool = options.upstream.as_ref().map(|_| SpoolMetrics::default());
        let (metrics, shares) = Shares::with_metrics(options.shares, of_spool.as_ref())?;
        let clock = Arc::new(options.clock);
        let tls = options.tls.map(|tls| Tls::new(tls, Arc::clone(&metrics))).transpose()?.map(Arc::new);
        let tenants = Arc::new(Tenants::new(options.tenants.into_iter().map(Registered::without_senders)));
        let takes_names = shares.is_none();
        if let Some(upstream) =
            options.upstream.as_ref().filter(|_| takes_names && !options.trusted.is_empty())
        {
            take_names(upstream, &options.data).await.map_err(UpstreamError::from)?;
        }
        let (limits, shares) = shared_limits(shares, &options.data, options.io_threads, &clock).await?;
        limits.install(&tenants.all());
        limits.keep_adapting()?;
        let saver = Saver::new(&options.data, Arc::clone(&limits));
        let restoring = saver.restore();
        let keys = Arc::new(Keys::open(&options.data)?);
        let sender = Arc::new(sender.await.map_err(io::Error::other)??);
        let fetcher = KeyFetcher::new(sender, Arc::clone(&tenants), Arc::clone(&metrics));
        let auth = Auth::new(keys.load()?, Arc::clone(&tenants), Arc::clone(&fetcher), Arc::clone(&clock));
        metrics.reloaded(true, clock.now());
        let core = Arc::new(Core {
            auth: Arc::clone(&auth),
            tenants,
            metrics,
            limits,
            passes: passes.await.map_err(io::Error::other)??,
            anonymous_tenant: options.anonymous_tenant,
            work: tokio::runtime::Handle::current(),
            options: Options { public_metrics: options.public_metrics, public_console: false },
            started_at: clock.now(),
        });
        let edge = Arc::new(Edge::new(core, options.source, Arc::clone(&clock)));
        let follower = match &options.upstream {
            Some(upstream) => {
                let (trusted, limits) = (options.trusted, &edge.core.limits);
                ModelFollower::start(upstream, trusted, &options.data, limits, takes_names)
                    .map_err(UpstreamError::from)?
            }
            None => None,
        };
        let forwarding = match options.upstream.zip(of_spool) {
            Some((upstream, of_spool)) => {
                Some(Forwarding::start(upstream, Arc::new(disk), &edge.core.limits, of_spool).await?)
            }
            None => None,
        };
        restoring.done().await;
        let front = Front::new(Behind::Edge(Arc::clone(&edge)), tls.clone());
        let calls = grpc::Front::new(Arc::clone(&edge.core), tls.clone());
        let doors = Doors::open(front, calls, listeners, options.io_threads, &options.data)?;
        let mut tasks = vec![
            tokio::task::spawn_blocking(Passes::warm),
            tokio::spawn(Arc::clone(&edge).keep_watch()),
            tokio::spawn(keep_keys(Arc::clone(&auth), Arc::new(Keys::open(&options.data)?))),
            tokio::spawn(keep_uses(auth, keys, clock)),
            tokio::spawn(fetcher.keep_fresh()),
            tokio::spawn(saver.clone().keep_saving()),
        ];
        tasks.extend(follower.map(|follower| tokio::spawn(follower.keep_following())));
        tasks.extend(tls.map(|tls| tokio::spawn(tls.keep_watch())));
        let shares = shares.map(|shares| shares.start(Arc::clone(&edge.core.limits)));
        Ok(Self { edge, doors, saver, tasks, shares, forwarding, _lock: lock })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.doors.address
    }

    /// Where it listens for gRPC.
    #[must_use]
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.doors.grpc_address
    }

    /// Reads the settings anew and puts them in force. Also done when they
    /// change.
    ///
    /// # Errors
    /// With what was in force still in force.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.edge.reload().await
    }

    /// Comes back with a process that asks to follow on the same sockets.
    pub async fn follower(&self) -> Follower {
        self.doors.follower().await
    }

    /// Lets every connection end with an answer, where somebody else goes on
    /// with our sockets. False where the follower has gone away and all is as
    /// before.
    pub async fn leave(&self, follower: &mut Option<Follower>) -> bool {
        self.doors.leave(follower).await
    }

    /// Drains: no new connections, requests end, buckets are saved.
    pub async fn stop(self, deadline: Duration) {
        self.edge.begin_drain();
        self.doors.close();
        self.doors.emptied(deadline).await;
        if let Some(shares) = self.shares {
            shares.stop().await;
        }
        if let Some(forwarding) = self.forwarding {
            forwarding.stop().await;
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        self.saver.save().await;
        let io = self.doors.shut().await;
        let edge = self.edge;
        let ended = tokio::task::spawn_blocking(move || {
            drop(edge);
            if let Some(io) = Arc::into_inner(io) {
                io.join();
            }
        });
        if let Err(error) = ended.await {
            tracing::error!(%error, "the last steps were cut off");
        }
    }
}
