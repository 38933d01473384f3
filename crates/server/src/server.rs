//! Starting, running, stopping.

use crate::auth::{Auth, KeyFetcher, PassError, Passes, keep_uses};
use crate::clock::Clock;
use crate::doors::{Doors, Listeners};
use crate::edge::UpstreamError;
use crate::grpc;
use crate::handover::Follower;
use crate::host::{Host, Parts, RecoveryError, SnapshotPolicy};
use crate::http::tls::{Tls, TlsFault, TlsOptions};
use crate::http::{App, Behind, Core, Front, Options, Seen, Strangers};
use crate::limits::{Saver, SeedError};
use crate::models::{Models, ModelsOptions, ModelsStartError};
use crate::observe::Totals;
use crate::operator::{Operator, keep_saying};
use crate::reload::{NotInForce, ReloadError, Reloaded, Reloader, Turns};
use crate::removal;
use crate::shares::{Shares, SharesOptions, SharesTask, shared_limits};
use crate::sockets::Inherited;
use crate::tenants::{SettingsSource, TenantConfig, Tenants, register, senders_of_others};
use crate::trainer::{Replicas, Trainer, TrainerOptions};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_delivery::{Outgoing, Sender, SenderError, SenderOptions, TlsSettingsError};
use openclaw_journal::{
    Disk, FolderLock, LockError, Log, OpenError, OpenReport, RealDisk, Snapshot, StoredFrame, Writer,
};
use openclaw_pipeline::trail::frame_keys;
use openclaw_state::{Keys, StateError};
use openclaw_telemetry::{Recorder, RecorderOptions, TelemetryError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often the keys are looked at again: a revoked one is dead within a
/// second.
const KEYS_LOOK: Duration = Duration::from_millis(250);

/// How long, and how often, a data folder is asked for whose process is ending.
const FREE_WITHIN: Duration = Duration::from_secs(10);
const FREE_LOOK: Duration = Duration::from_millis(2);

/// Everything the service needs to be told.
#[derive(Debug)]
pub struct ServerOptions {
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
    /// How models are made by themselves; nothing where they are not.
    pub trainer: Option<TrainerOptions>,
    /// How models come into service.
    pub models: ModelsOptions,
    /// How what clients did is kept.
    pub telemetry: RecorderOptions,
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
    /// What stands behind proxies can't be told whom we let through.
    #[error(transparent)]
    Pass(#[from] PassError),
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
    /// Another process has the data folder.
    #[error(transparent)]
    Folder(#[from] LockError),
    /// Redis can't be spoken to.
    #[error("`buckets.redis.tls`: {0}")]
    Shares(#[from] TlsSettingsError),
    /// Observations can't go on.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// Models can't be kept.
    #[error(transparent)]
    Models(#[from] ModelsStartError),
    /// What clients did can't be kept.
    #[error("the folder `telemetry` in the data folder can't be used: {0}")]
    Telemetry(#[from] TelemetryError),
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
    doors: Doors,
    saver: Saver,
    tasks: Vec<JoinHandle<()>>,
    shares: Option<SharesTask>,
    trainer: Option<Trainer>,
}

impl Server {
    /// Opens, recovers, listens. Runs on the current Tokio runtime, which is
    /// the work runtime from then on.
    ///
    /// # Errors
    /// Nothing is left running.
    pub async fn start(options: ServerOptions) -> Result<(Self, Opened), StartError> {
        // First of all: who can't be reached must not send anything either.
        let listeners = Listeners::open(options.http, options.grpc, options.inherited)?;
        let clock = Arc::new(options.clock);
        // What waits for the disk, and certificates, beside the rest.
        let parts = JournalParts::new(&options.data, options.journal, listeners.follows, &clock);
        let journal = tokio::spawn(parts.open());
        let sender = spawn_sender(options.external_url, options.outgoing);
        let replicas = replicas(&options.shares, options.trainer.is_some())?;
        let passes = spawn_passes(&options.data);
        let (metrics, shares) = Shares::with_metrics(options.shares, None)?;
        let tls = options.tls.map(|tls| Tls::new(tls, Arc::clone(&metrics))).transpose()?.map(Arc::new);
        let keys = Arc::new(Keys::open(&options.data)?);
        // Looking at keys must not wait for what is written.
        let watched = Arc::new(Keys::open(&options.data)?);
        let (tenants, left_out) = staying(&keys, &*options.source, options.tenants)?;
        let (limits, shares) = shared_limits(shares, &options.data, options.io_threads, &clock).await?;
        limits.install(&tenants.all());
        limits.keep_adapting()?;
        let saver = Saver::new(&options.data, Arc::clone(&limits));
        let JournalOpened { log, snapshot, report, began } = journal.await.map_err(io::Error::other)??;
        // The folder is ours, and so is what the process before this one saved.
        let restoring = saver.restore();
        limits.record(recorder(&options.data, options.telemetry, &clock)?);
        let sender = Arc::new(sender.await.map_err(io::Error::other)??);
        let parts = Parts {
            log: log.clone(),
            clock: Arc::clone(&clock),
            sender: Arc::clone(&sender),
            tenants: Arc::clone(&tenants),
            metrics: Arc::clone(&metrics),
            work: tokio::runtime::Handle::current(),
        };
        let host = Host::recover(parts, snapshot.as_ref())?;
        drop(snapshot);
        let opened = Opened { journal: report, recovery: began.elapsed() };
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
        let fetcher = KeyFetcher::new(sender, Arc::clone(&tenants), Arc::clone(&metrics));
        let auth = Auth::new(keys.load()?, Arc::clone(&tenants), Arc::clone(&fetcher), Arc::clone(&clock));
        let shown =
            Options { public_metrics: options.public_metrics, public_console: options.public_console };
        let core = Arc::new(Core {
            auth: Arc::clone(&auth),
            tenants,
            metrics,
            limits,
            passes: passes.await.map_err(io::Error::other)??,
            anonymous_tenant: options.anonymous_tenant,
            work: tokio::runtime::Handle::current(),
            options: shown,
            started_at: clock.now(),
        });
        let models = Arc::new(Models::start(options.models, &options.data, &core.limits, &clock)?);
        let (seen, strangers) = (Seen::default(), Strangers::default());
        let app = Arc::new(App { core, host: Arc::clone(&host), reloader, models, seen, strangers });
        restoring.done().await;
        let (front, calls) = fronts(&app, tls.as_ref());
        let doors = Doors::open(front, calls, listeners, options.io_threads, &options.data)?;
        let trainer = trainer(options.trainer, &options.data, replicas, &clock, &app.core)?;
        let mut tasks = keepers(&app, options.snapshots);
        tasks.push(tokio::spawn(keep_keys(Arc::clone(&auth), watched)));
        tasks.push(tokio::spawn(keep_uses(auth, keys, clock)));
        tasks.push(tokio::spawn(fetcher.keep_fresh()));
        tasks.push(tokio::spawn(saver.clone().keep_saving()));
        tasks.extend(tls.map(|tls| tokio::spawn(tls.keep_watch())));
        let shares = shares.map(|shares| shares.start(Arc::clone(&app.core.limits)));
        Ok((Self { host, app, log, doors, saver, tasks, shares, trainer }, opened))
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
        self.doors.address
    }

    /// Where it listens for gRPC.
    #[must_use]
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.doors.grpc_address
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
        self.host.begin_drain();
        self.doors.close();
        tokio::join!(self.doors.emptied(deadline), self.host.drain(deadline));
        if let Some(shares) = self.shares {
            shares.stop().await;
        }
        // It waits for a process to end.
        if let Some(trainer) = self.trainer {
            let _ = tokio::task::spawn_blocking(move || drop(trainer)).await;
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        self.saver.save().await;
        let io = self.doors.shut().await;
        let (host, log, app) = (self.host, self.log, self.app);
        let ended = tokio::task::spawn_blocking(move || {
            if let Err(error) = host.snapshot() {
                tracing::warn!(%error, "no last snapshot: the next start will take longer");
            }
            if let Some(recorder) = app.core.limits.recorder() {
                recorder.stop();
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

/// What clients did is kept from now on.
fn recorder(
    data: &Path,
    options: RecorderOptions,
    clock: &Arc<Clock>,
) -> Result<Arc<Recorder>, TelemetryError> {
    let clock = Arc::clone(clock);
    let recorder = Recorder::start(data.join("telemetry"), options, Arc::new(move || clock.now()))?;
    Ok(Arc::new(recorder))
}

/// Certificates of the system take a while to be read.
pub(crate) fn spawn_sender(
    external_url: String,
    outgoing: Outgoing,
) -> JoinHandle<Result<Sender, SenderError>> {
    let options = SenderOptions { external_url, outgoing, ..SenderOptions::default() };
    tokio::task::spawn_blocking(move || Sender::new(options))
}

/// A first key is made and waits for the disk.
pub(crate) fn spawn_passes(data: &Path) -> JoinHandle<Result<Passes, PassError>> {
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || Passes::load(&data))
}

/// How the journal is opened, beside the rest of the start.
struct JournalParts {
    folder: PathBuf,
    options: openclaw_journal::Options,
    follows: bool,
    clock: Arc<Clock>,
}

struct JournalOpened {
    log: Log,
    snapshot: Option<Snapshot>,
    report: OpenReport,
    began: Instant,
}

impl JournalParts {
    fn new(data: &Path, mut options: openclaw_journal::Options, follows: bool, clock: &Arc<Clock>) -> Self {
        options.keys = keys_of;
        Self { folder: data.join("journal"), options, follows, clock: Arc::clone(clock) }
    }

    async fn open(self) -> Result<JournalOpened, StartError> {
        let disk = Arc::new(RealDisk::new(&self.folder)?);
        if self.follows {
            drop(wait_until_free(true, || disk.lock()).await?);
        }
        let Self { options, clock, .. } = self;
        let opened = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let (writer, report) = Writer::open(disk, options, clock.now())?;
            let log = Log::start(writer)?;
            let snapshot = log.load_snapshot()?;
            Ok(JournalOpened { log, snapshot, report, began })
        });
        opened.await.map_err(io::Error::other)?
    }
}

/// Takes a data folder; of a process that is ending, once it has let go.
pub(crate) async fn wait_until_free(
    follows: bool,
    lock: impl Fn() -> Result<FolderLock, LockError>,
) -> Result<FolderLock, LockError> {
    let end = Instant::now() + FREE_WITHIN;
    loop {
        match lock() {
            Err(LockError::Held { .. }) if follows && Instant::now() < end => {
                tokio::time::sleep(FREE_LOOK).await;
            }
            other => return other,
        }
    }
}

/// All tenants but those that are being removed.
fn staying(
    keys: &Keys,
    source: &dyn SettingsSource,
    configs: Vec<TenantConfig>,
) -> Result<(Arc<Tenants>, Vec<NotInForce>), StartError> {
    let leaving = removal::names(keys)?;
    let configs = configs.into_iter().filter(|config| !leaving.contains(config.name())).collect();
    let (tenants, left_out) = registered(keys, source, configs);
    tenants.set_leaving(leaving);
    Ok((tenants, left_out))
}

/// Who else may train, where somebody does.
fn replicas(shares: &Option<SharesOptions>, is_trained: bool) -> Result<Option<Replicas>, StartError> {
    let shares = shares.clone().filter(|_| is_trained);
    Ok(shares.map(Replicas::new).transpose()?)
}

fn trainer(
    options: Option<TrainerOptions>,
    data: &Path,
    replicas: Option<Replicas>,
    clock: &Arc<Clock>,
    core: &Core,
) -> Result<Option<Trainer>, StartError> {
    let told = core.metrics.trainer.clone();
    let trainer = options.map(|options| Trainer::start(options, data, replicas, Arc::clone(clock), told));
    Ok(trainer.transpose()?)
}

/// Who answers over HTTP, and over gRPC.
fn fronts(app: &Arc<App>, tls: Option<&Arc<Tls>>) -> (Front, grpc::Front) {
    let front = Front::new(Behind::All(Arc::clone(app)), tls.cloned());
    (front, grpc::Front::new(Arc::clone(&app.core), tls.cloned()))
}

/// What partitions and settings need for the life of the server.
fn keepers(app: &App, snapshots: SnapshotPolicy) -> Vec<JoinHandle<()>> {
    let (host, reloader) = (|| Arc::clone(&app.host), || Arc::clone(&app.reloader));
    vec![
        tokio::task::spawn_blocking(Passes::warm),
        tokio::spawn(Arc::clone(&app.models).keep()),
        tokio::spawn(host().keep_deadlines()),
        tokio::spawn(host().keep_snapshots(snapshots)),
        tokio::spawn(reloader().keep_watch()),
        tokio::spawn(reloader().keep_switches()),
        tokio::spawn(reloader().keep_removals()),
        tokio::spawn(reloader().keep_erasures()),
        tokio::spawn(reloader().keep_pruned()),
        tokio::spawn(keep_saying(host(), Arc::clone(&app.reloader.operator))),
        tokio::task::spawn_blocking(Passes::warm),
    ]
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
) -> (Arc<Tenants>, Vec<NotInForce>) {
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
    (Arc::new(tenants), left_out)
}

/// Follows the keys in `state.db`. Nothing else may hold this up.
pub(crate) async fn keep_keys(auth: Arc<Auth>, keys: Arc<Keys>) {
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
                auth.set_keys(table);
                seen = Some(version);
            }
            Ok(Ok((_, None))) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the keys can't be read again"),
            Err(_) => return,
        }
    }
}
