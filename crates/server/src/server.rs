//! Starting, running, stopping.

use crate::auth::{Auth, KeyFetcher, keep_uses};
use crate::clock::Clock;
use crate::host::{Host, Parts, RecoveryError, SnapshotPolicy};
use crate::http::tls::{Tls, TlsFault, TlsOptions};
use crate::http::{App, Front, IoThreads, Options, Seen, Strangers};
use crate::limits::{Limits, SeedError, keep_seed, load_seed};
use crate::observe::{Metrics, ShareMetrics, Totals};
use crate::operator::{Operator, keep_saying};
use crate::reload::{NotInForce, ReloadError, Reloaded, Reloader, Turns};
use crate::removal;
use crate::shares::{Shares, SharesOptions, SharesTask};
use crate::tenants::{SettingsSource, TenantConfig, Tenants, register, senders_of_others};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_delivery::{Outgoing, SenderError, SenderOptions, TlsSettingsError};
use openclaw_journal::{Log, OpenError, OpenReport, RealDisk, StoredFrame, Writer};
use openclaw_limiter::Seed;
use openclaw_pipeline::trail::frame_keys;
use openclaw_state::{Keys, StateError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

/// How often the keys are looked at again: a revoked one is dead within a
/// second.
const KEYS_LOOK: Duration = Duration::from_millis(250);

/// Connections that may wait to be accepted: the default of 128 makes senders
/// that come all at once wait for seconds.
const BACKLOG: u32 = 1024;

/// Everything the service needs to be told.
#[derive(Debug)]
pub struct ServerOptions {
    /// Where to listen for HTTP.
    pub http: SocketAddr,
    /// Where to listen for gRPC; nothing for nowhere.
    pub grpc: Option<SocketAddr>,
    /// Certificates, for HTTP over TLS; nothing for plain HTTP.
    pub tls: Option<TlsOptions>,
    /// Folder of everything that is kept.
    pub data: PathBuf,
    /// How the journal is kept; its keys are set here.
    pub journal: openclaw_journal::Options,
    /// When snapshots are written.
    pub snapshots: SnapshotPolicy,
    /// The tenants.
    pub tenants: Vec<TenantConfig>,
    /// Where the tenants come from while the service runs.
    pub source: Arc<dyn SettingsSource>,
    /// The tenant that hears of the service itself.
    pub operator: Option<TenantName>,
    /// The tenant of those who ask for rate-limit decisions without a
    /// credential; nothing for nobody.
    pub anonymous_tenant: Option<TenantName>,
    /// `/metrics` without a credential.
    pub public_metrics: bool,
    /// `/console` without a credential.
    pub public_console: bool,
    /// Where people reach this service, for links in messages; empty for none.
    pub external_url: String,
    /// Where messages to receivers may go, and which way.
    pub outgoing: Outgoing,
    /// Where "now" comes from.
    pub clock: Clock,
    /// How many threads own sockets.
    pub io_threads: usize,
    /// How limits are shared with other replicas; nothing where they are not.
    pub shares: Option<SharesOptions>,
}

/// Why the service can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal can't be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The journal can't be read back.
    #[error("recovery: {0}")]
    Recovery(#[from] RecoveryError),
    /// The keys can't be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// Clients' names can't be hashed as before.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// Certificates can't be used.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// Sending can't be set up.
    #[error(transparent)]
    Sender(#[from] SenderError),
    /// The address can't be listened on.
    #[error("can't listen on `{address}`: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Redis can't be spoken to.
    #[error("`buckets.redis.tls`: {0}")]
    Shares(#[from] TlsSettingsError),
    /// Anything else that the system refuses.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// What was found on the way up, for the log.
#[derive(Debug)]
pub struct Opened {
    /// Of the journal.
    pub journal: OpenReport,
    /// How long recovery took.
    pub recovery: Duration,
}

/// The running service. Dropping it without [`Server::stop`] is a crash: all
/// that was accepted is there at the next start.
pub struct Server {
    host: Arc<Host>,
    app: Arc<App>,
    log: Log,
    address: SocketAddr,
    io: Arc<IoThreads>,
    accepting: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
    shares: Option<SharesTask>,
}

impl Server {
    /// Opens, recovers, listens. Runs on the current Tokio runtime, which is
    /// the work runtime from then on.
    ///
    /// # Errors
    /// Nothing is left running.
    pub async fn start(options: ServerOptions) -> Result<(Self, Opened), StartError> {
        // First of all: who can't be reached must not send anything either.
        let listener = listen(options.http)?;
        let address = listener.local_addr()?;
        let share_metrics = ShareMetrics::default();
        let mut metrics = Metrics::new();
        if options.shares.is_some() {
            metrics.register_shares(&share_metrics);
        }
        let metrics = Arc::new(metrics);
        let tls = options.tls.map(|tls| Tls::new(tls, Arc::clone(&metrics))).transpose()?.map(Arc::new);
        let clock = Arc::new(options.clock);
        let keys = Arc::new(Keys::open(&options.data)?);
        // Looking at keys must not wait for what is written through the other.
        let watched = Arc::new(Keys::open(&options.data)?);
        let leaving = removal::names(&keys)?;
        let configs = options.tenants.into_iter().filter(|config| !leaving.contains(config.name())).collect();
        let (tenants, left_out) = registered(&keys, &*options.source, configs);
        tenants.set_leaving(leaving);
        let tenants = Arc::new(tenants);
        let shares = options.shares.map(|shares| Shares::new(shares, share_metrics)).transpose()?;
        let (limits, shares) = shared_limits(shares, &options.data, options.io_threads, &clock).await?;
        limits.install(&tenants.all());
        let began = Instant::now();
        let journal = openclaw_journal::Options { keys: keys_of, ..options.journal };
        let disk = Arc::new(RealDisk::new(options.data.join("journal"))?);
        let (writer, report) = Writer::open(disk, journal, clock.now())?;
        let log = Log::start(writer)?;
        let snapshot = log.load_snapshot()?;
        let sender = openclaw_delivery::Sender::new(SenderOptions {
            external_url: options.external_url,
            outgoing: options.outgoing,
            ..SenderOptions::default()
        })?;
        let parts = Parts {
            log: log.clone(),
            clock: Arc::clone(&clock),
            sender,
            tenants: Arc::clone(&tenants),
            metrics: Arc::clone(&metrics),
            work: tokio::runtime::Handle::current(),
        };
        let host = Host::recover(parts, snapshot.as_ref())?;
        drop(snapshot);
        let recovery = began.elapsed();
        metrics.reloaded(left_out.is_empty(), clock.now());
        let reloader = Arc::new(Reloader {
            host: Arc::clone(&host),
            tenants: Arc::clone(&tenants),
            metrics: Arc::clone(&metrics),
            keys: Arc::clone(&keys),
            source: options.source,
            operator: Arc::new(Operator::new(options.operator)),
            limits: Arc::clone(&limits),
            turns: Turns::default(),
        });
        reloader.left(&left_out);
        let fetcher = KeyFetcher::new(Arc::clone(&host), Arc::clone(&tenants), Arc::clone(&metrics));
        let auth = Auth::new(keys.load()?, Arc::clone(&tenants), Arc::clone(&fetcher), Arc::clone(&clock));
        let app = Arc::new(App {
            host: Arc::clone(&host),
            auth: Arc::clone(&auth),
            tenants,
            metrics,
            reloader: Arc::clone(&reloader),
            limits,
            seen: Seen::default(),
            work: tokio::runtime::Handle::current(),
            options: Options {
                public_metrics: options.public_metrics,
                public_console: options.public_console,
            },
            strangers: Strangers::default(),
            started_at: clock.now(),
        });
        let front = Arc::new(Front::new(Arc::clone(&app), tls.clone()));
        let io = Arc::new(IoThreads::start(options.io_threads, &front)?);
        let mut tasks = keepers(&app, options.snapshots);
        tasks.push(tokio::spawn(keep_keys(Arc::clone(&app), watched)));
        tasks.push(tokio::spawn(keep_uses(auth, keys, clock)));
        tasks.push(tokio::spawn(fetcher.keep_fresh()));
        tasks.extend(tls.map(|tls| tokio::spawn(tls.keep_watch())));
        let acceptor = Arc::clone(&io);
        let accepting = tokio::spawn(async move { acceptor.accept(listener).await });
        let shares = shares.map(|shares| shares.start(Arc::clone(&app.limits)));
        let server = Self { shares, host, app, log, address, io, accepting, tasks };
        Ok((server, Opened { journal: report, recovery }))
    }

    /// Reads the settings anew and puts them in force. Also done when they
    /// change.
    ///
    /// # Errors
    /// With what was in force still in force.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.app.reloader.reload().await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// When some partition has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Timestamp {
        self.host.next_deadline()
    }

    /// On a clock that stands: waits until nothing is due and nothing is being
    /// sent.
    pub async fn settled(&self) {
        loop {
            self.do_due().await;
            self.host.all_sent().await;
            if self.host.next_deadline() > self.host.now() || self.host.ready().is_err() {
                return;
            }
        }
    }

    /// Moves a clock that stands, and does what is due then.
    pub async fn advance_to(&self, at: Timestamp) {
        self.host.clock().advance_to(at);
        self.do_due().await;
    }

    async fn do_due(&self) {
        while self.host.next_deadline() <= self.host.now() && self.host.ready().is_ok() {
            self.host.keep_due().await;
        }
    }

    /// The service's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.host.now()
    }

    /// How long to sleep, in real time, until `at`.
    #[must_use]
    pub fn until(&self, at: Timestamp) -> Duration {
        self.host.clock().until(at)
    }

    /// What has been done since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.app.metrics.totals()
    }

    /// Drains: no new connections, requests end, sends end, a last snapshot,
    /// the last commit. What is not done by `deadline` is done after the next
    /// start.
    pub async fn stop(self, deadline: Duration) {
        let end = Instant::now() + deadline;
        self.host.begin_drain();
        self.io.stop();
        let _ = self.accepting.await;
        let connections = async {
            while self.io.open() > 0 && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::join!(connections, self.host.drain(deadline));
        if let Some(shares) = self.shares {
            shares.stop().await;
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        let (host, log, io, app) = (self.host, self.log, self.io, self.app);
        let ended = tokio::task::spawn_blocking(move || {
            if let Err(error) = host.snapshot() {
                tracing::warn!(%error, "no last snapshot: the next start will take longer");
            }
            log.shutdown();
            drop(app);
            if let Some(io) = Arc::into_inner(io) {
                io.join();
            }
        });
        if let Err(error) = ended.await {
            tracing::error!(%error, "the last steps were cut off");
        }
    }
}

/// Limits for those who decide. Where they are shared, this replica has its
/// share before any bucket is made: a bucket that grows gets no tokens.
async fn shared_limits(
    shares: Option<Shares>,
    data: &Path,
    io_threads: usize,
    clock: &Arc<Clock>,
) -> Result<(Arc<Limits>, Option<Shares>), StartError> {
    let own = load_seed(data)?;
    let limits = |seed| Limits::new(Seed::new(seed), io_threads, Arc::clone(clock));
    let Some(mut shares) = shares else { return Ok((Arc::new(limits(own)), None)) };
    let agreed = shares.agree_on_seed(own).await;
    if agreed != own {
        keep_seed(data, agreed)?;
    }
    let limits = limits(agreed).shared();
    shares.join(&limits).await;
    Ok((Arc::new(limits), Some(shares)))
}

/// What partitions and settings need for the life of the server.
fn keepers(app: &App, snapshots: SnapshotPolicy) -> Vec<JoinHandle<()>> {
    let (host, reloader) = (|| Arc::clone(&app.host), || Arc::clone(&app.reloader));
    vec![
        tokio::spawn(host().keep_deadlines()),
        tokio::spawn(host().keep_snapshots(snapshots)),
        tokio::spawn(reloader().keep_watch()),
        tokio::spawn(reloader().keep_switches()),
        tokio::spawn(reloader().keep_removals()),
        tokio::spawn(reloader().keep_erasures()),
        tokio::spawn(reloader().keep_pruned()),
        tokio::spawn(keep_saying(host(), Arc::clone(&app.reloader.operator))),
    ]
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    bound(address).map_err(|source| StartError::Listen { address, source })
}

fn bound(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As `TcpListener::bind` does: a restart need not wait for old connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn keys_of(frame: &StoredFrame, keys: &mut Vec<u64>) {
    frame_keys(frame.partition, frame.base_offset, &frame.payload, keys);
}

/// The tenants, and those that are left out, which don't keep the others from
/// starting. Every integration keeps its number until it is known who still
/// needs it.
fn registered(
    keys: &Keys,
    source: &dyn SettingsSource,
    configs: Vec<TenantConfig>,
) -> (Tenants, Vec<NotInForce>) {
    let (mut registered, mut left_out) = (Vec::new(), Vec::new());
    for config in configs {
        let name = config.name().clone();
        match register(keys, source, config, |_| true) {
            Ok(tenant) => registered.push(tenant),
            Err(error) => {
                tracing::error!(tenant = %name, %error, "the tenant is left out: it is tried again");
                left_out.push(NotInForce::new(&name, &error));
            }
        }
    }
    let tenants = Tenants::new(registered);
    tenants.set_senders(senders_of_others(keys, source, |name| tenants.get(name).is_some()));
    (tenants, left_out)
}

/// Follows the keys in `state.db`. Nothing else may hold this up.
async fn keep_keys(app: Arc<App>, keys: Arc<Keys>) {
    let mut seen = None;
    loop {
        tokio::time::sleep(KEYS_LOOK).await;
        let open = Arc::clone(&keys);
        let looked = tokio::task::spawn_blocking(move || {
            let version = open.version()?;
            let changed = if seen == Some(version) { None } else { Some(open.load()?) };
            Ok::<_, StateError>((version, changed))
        });
        match looked.await {
            Ok(Ok((version, Some(table)))) => {
                app.auth.set_keys(table);
                seen = Some(version);
            }
            Ok(Ok((_, None))) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the keys can't be read again"),
            Err(_) => return,
        }
    }
}
