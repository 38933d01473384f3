//! `openclaw serve`: configure, start, say where, wait for a signal, drain.

use super::model::ModelCommandError;
pub(crate) use super::source::Files;
use super::source::tenants;
use super::{CliError, Role, ServeArgs, Ui};
use crate::config::{self, Environment, RolloutSettings, ServiceSettings, Settings};
use crate::telemetry;
use openclaw_server::{
    Clock, EdgeOptions, EdgeServer, Follower, Inherited, ModelsOptions, Opened, ReloadError, Reloaded,
    Server, ServerOptions, SnapshotPolicy, TrainerOptions, take_over,
};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// How long requests and sends may go on after SIGTERM.
const DRAIN: Duration = Duration::from_secs(20);

/// How long the process before this one may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

pub(super) fn run(args: &ServeArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    if let Some(role) = args.role.iter().find(|role| !matches!(role, Role::All | Role::Edge)) {
        return Err(CliError::Role { role: format!("{role:?}").to_lowercase() });
    }
    let settings = config::load(&args.config.file, environment)?;
    telemetry::start(settings.service.log_level, settings.service.log_format);
    std::fs::create_dir_all(&settings.service.data)
        .map_err(|source| CliError::Folder { path: settings.service.data.clone(), source })?;
    // Once the settings are known to be good: the other ends for this.
    let inherited = inherited(args, &settings)?;
    let source = Arc::new(Files::new(&args.config.file, environment, &settings));
    let runtime = work_runtime()?;
    if args.role.contains(&Role::All) {
        let trainer = trainer(&settings, &args.config.file);
        runtime.block_on(serve(settings, source, inherited, trainer, ui))
    } else {
        runtime.block_on(serve_edge(settings, source, inherited, ui))
    }
}

/// Sockets that are open already.
fn inherited(args: &ServeArgs, settings: &Settings) -> Result<Inherited, CliError> {
    if args.take_over {
        return Ok(take_over(&settings.service.data, ENDS_WITHIN)?);
    }
    let variable = |name: &str| std::env::var(name).ok();
    Inherited::of_systemd(variable).map_err(|source| CliError::Sockets { source })
}

/// The work runtime: everything but sockets and the log.
pub(crate) fn work_runtime() -> Result<Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("work")
        .enable_all()
        .build()
        .map_err(|source| CliError::Runtime { source })
}

async fn serve(
    settings: Settings,
    source: Arc<Files>,
    inherited: Inherited,
    trainer: Option<TrainerOptions>,
    ui: &mut Ui,
) -> Result<(), CliError> {
    abort_on_panic();
    let mut signals = Signals::new().map_err(|source| CliError::Runtime { source })?;
    let scheme = scheme(&settings);
    let models = models(&settings)?;
    let options = ServerOptions { inherited, trainer, models, ..options(settings, source) };
    let (server, opened) = Server::start(options).await?;
    report(&opened);
    let address = server.address();
    tracing::info!(%address, recovery_ms = opened.recovery.as_millis() as u64, "ready");
    say_where(ui, scheme, address, server.grpc_address())?;
    let follower = signals.wait_for_end(&server).await;
    server.stop(DRAIN).await;
    tracing::info!("stopped");
    // Only now, when all is let go, does it begin.
    drop(follower);
    Ok(())
}

async fn serve_edge(
    settings: Settings,
    source: Arc<Files>,
    inherited: Inherited,
    ui: &mut Ui,
) -> Result<(), CliError> {
    let mut signals = Signals::new().map_err(|source| CliError::Runtime { source })?;
    let scheme = scheme(&settings);
    let server = EdgeServer::start(edge_options(settings, source, inherited)).await?;
    let address = server.address();
    tracing::info!(%address, role = "edge", "ready");
    say_where(ui, scheme, address, server.grpc_address())?;
    let follower = signals.wait_for_end(&server).await;
    server.stop(DRAIN).await;
    tracing::info!("stopped");
    drop(follower);
    Ok(())
}

/// HTTP last: whoever starts us waits for it.
fn say_where(ui: &mut Ui, scheme: &str, http: SocketAddr, grpc: Option<SocketAddr>) -> Result<(), CliError> {
    if let Some(grpc) = grpc {
        ui.note(format_args!("openclaw takes gRPC on {grpc}"))?;
    }
    ui.note(format_args!("openclaw listens on {scheme}://{http}"))
}

fn scheme(settings: &Settings) -> &'static str {
    if settings.service.tls().is_some() { "https" } else { "http" }
}

/// What the settings make of an edge.
fn edge_options(settings: Settings, source: Arc<Files>, inherited: Inherited) -> EdgeOptions {
    let tls = settings.service.tls().cloned();
    let anonymous_tenant = settings.service.anonymous_tenant().cloned();
    let ServiceSettings { http, grpc, metrics_public, .. } = settings.service;
    let (shares, upstream) = (settings.service.shares.clone(), settings.service.upstream.clone());
    let (data, outgoing) = (settings.service.data.clone(), settings.service.outgoing.clone());
    let trusted = settings.service.models.trusted();
    EdgeOptions {
        http,
        grpc: Some(grpc),
        inherited,
        tls,
        data,
        tenants: tenants(settings),
        source,
        anonymous_tenant,
        public_metrics: metrics_public,
        outgoing,
        clock: Clock::System,
        io_threads: io_threads(),
        shares,
        upstream,
        trusted,
    }
}

/// What the settings make of the server.
pub(crate) fn options(settings: Settings, source: Arc<Files>) -> ServerOptions {
    let tls = settings.service.tls().cloned();
    let anonymous_tenant = settings.service.anonymous_tenant().cloned();
    let ServiceSettings { http, grpc, metrics_public, console_public, journal, telemetry, .. } =
        settings.service;
    let shares = settings.service.shares.clone();
    let operator = settings.service.operator().cloned();
    let (data, external_url) = (settings.service.data.clone(), settings.service.external_url.clone());
    let outgoing = settings.service.outgoing.clone();
    ServerOptions {
        http,
        grpc: Some(grpc),
        inherited: Inherited::default(),
        tls,
        data,
        journal: openclaw_journal::Options {
            segment_bytes: journal.segment_bytes,
            retain_age: journal.retain_age,
            retain_bytes: journal.retain_bytes,
            reserve_bytes: journal.reserve_bytes,
            ..openclaw_journal::Options::default()
        },
        snapshots: SnapshotPolicy { every: journal.snapshot_every, every_bytes: journal.snapshot_bytes },
        tenants: tenants(settings),
        source,
        operator,
        anonymous_tenant,
        public_metrics: metrics_public,
        public_console: console_public,
        external_url,
        outgoing,
        clock: Clock::System,
        io_threads: io_threads(),
        shares,
        trainer: None,
        telemetry,
        models: ModelsOptions::default(),
    }
}

/// Where models come from and how they come into service.
fn models(settings: &Settings) -> Result<ModelsOptions, CliError> {
    let service = &settings.service;
    let repository = service.models.repository(&service.data).map_err(ModelCommandError::from)?;
    let hold_max = service.rollout.hold_max();
    let RolloutSettings { mode, steps, .. } = service.rollout.clone();
    Ok(ModelsOptions { repository: Some(repository), steps, hold_max, mode })
}

/// How this program makes models by itself, as another process of its own.
fn trainer(settings: &Settings, config: &Path) -> Option<TrainerOptions> {
    let training = &settings.service.training;
    let schedule = training.schedule.clone().filter(|_| training.is_enabled)?;
    let program = std::env::current_exe().ok()?;
    let arguments = ["model", "retrain", "--output", "json", "--config"].map(OsString::from);
    let parent = ["--parent".into(), std::process::id().to_string().into()];
    let arguments = arguments.into_iter().chain([config.into()]).chain(parent);
    let command = [program.into()].into_iter().chain(arguments).collect();
    Some(TrainerOptions { schedule, command, time_max: training.run_max })
}

/// One I/O thread a core.
fn io_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn report(opened: &Opened) {
    if let Some(torn) = &opened.journal.torn {
        tracing::warn!(?torn, "the last commit had been cut short; nothing that was accepted is lost");
    }
    for damage in &opened.journal.damage {
        tracing::error!(?damage, "the journal is damaged; the rest was read, a copy is in quarantine");
    }
}

/// A panic may leave a partition half decided. The journal is whole, so the
/// safest thing is to end and start again from it.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Comes back when this process is to end, with the one that follows.
    async fn wait_for_end(&mut self, server: &impl Running) -> Option<Follower> {
        loop {
            let mut follower = tokio::select! {
                _ = self.terminate.recv() => None,
                _ = self.interrupt.recv() => None,
                follower = server.follower() => Some(follower),
                _ = self.hang_up.recv() => {
                    // What is wrong with the settings has been logged.
                    let _ = server.reload().await;
                    continue;
                }
            };
            tracing::info!(hands_over = follower.is_some(), "draining");
            if server.leave(&mut follower).await {
                return follower;
            }
        }
    }
}

/// What signals are about, whatever the role.
trait Running {
    async fn reload(&self) -> Result<Reloaded, ReloadError>;
    async fn follower(&self) -> Follower;
    async fn leave(&self, follower: &mut Option<Follower>) -> bool;
}

macro_rules! running {
    ($server:ty) => {
        impl Running for $server {
            async fn reload(&self) -> Result<Reloaded, ReloadError> {
                self.reload().await
            }

            async fn follower(&self) -> Follower {
                self.follower().await
            }

            async fn leave(&self, follower: &mut Option<Follower>) -> bool {
                self.leave(follower).await
            }
        }
    };
}

running!(Server);
running!(EdgeServer);
