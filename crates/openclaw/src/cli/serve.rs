//! `openclaw serve`: configure, start, say where, wait for a signal, drain.

pub(crate) use super::source::Files;
use super::source::tenants;
use super::{CliError, Role, ServeArgs, Ui};
use crate::config::{self, Environment, ServiceSettings, Settings};
use crate::telemetry;
use openclaw_server::{Clock, Opened, Server, ServerOptions, SnapshotPolicy};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// How long requests and sends may go on after SIGTERM.
const DRAIN: Duration = Duration::from_secs(20);

pub(super) fn run(args: &ServeArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    if let Some(role) = args.role.iter().find(|role| **role != Role::All) {
        return Err(CliError::Role { role: format!("{role:?}").to_lowercase() });
    }
    let settings = config::load(&args.config.file, environment)?;
    telemetry::start(settings.service.log_level, settings.service.log_format);
    std::fs::create_dir_all(&settings.service.data)
        .map_err(|source| CliError::Folder { path: settings.service.data.clone(), source })?;
    let source = Arc::new(Files::new(&args.config.file, environment, &settings));
    work_runtime()?.block_on(serve(settings, source, ui))
}

/// The work runtime: everything but sockets and the log.
pub(crate) fn work_runtime() -> Result<Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("work")
        .enable_all()
        .build()
        .map_err(|source| CliError::Runtime { source })
}

async fn serve(settings: Settings, source: Arc<Files>, ui: &mut Ui) -> Result<(), CliError> {
    abort_on_panic();
    let signals = Signals::new().map_err(|source| CliError::Runtime { source })?;
    let scheme = if settings.service.tls().is_some() { "https" } else { "http" };
    let (server, opened) = Server::start(options(settings, source)).await?;
    report(&opened);
    let address = server.address();
    tracing::info!(%address, recovery_ms = opened.recovery.as_millis() as u64, "ready");
    if let Some(address) = server.grpc_address() {
        ui.note(format_args!("openclaw takes gRPC on {address}"))?;
    }
    ui.note(format_args!("openclaw listens on {scheme}://{address}"))?;
    signals.wait_for_end(&server).await;
    tracing::info!("draining");
    server.stop(DRAIN).await;
    tracing::info!("stopped");
    Ok(())
}

/// What the settings make of the server.
pub(crate) fn options(settings: Settings, source: Arc<Files>) -> ServerOptions {
    let tls = settings.service.tls().cloned();
    let anonymous_tenant = settings.service.anonymous_tenant().cloned();
    let ServiceSettings { http, grpc, metrics_public, console_public, journal, .. } = settings.service;
    let shares = settings.service.shares.clone();
    let operator = settings.service.operator().cloned();
    let (data, external_url) = (settings.service.data.clone(), settings.service.external_url.clone());
    let outgoing = settings.service.outgoing.clone();
    ServerOptions {
        http,
        grpc: Some(grpc),
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
    }
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

    async fn wait_for_end(mut self, server: &Server) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {
                    // What is wrong with the settings has been logged.
                    let _ = server.reload().await;
                }
            }
        }
    }
}
