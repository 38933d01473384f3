//! Observations that go on to an upstream: at once while it answers, by way of
//! the disk while it doesn't.
//!
//! Promises: whoever decides or observes never waits for it; a tenant's rows
//! arrive in the order in which they came, each at least once, unless a bound
//! is reached, the disk fails, or the process is killed, which loses what came
//! in the last second; all that is dropped is counted, but for that.

mod files;
mod format;
mod forward;
mod row;
mod upstream;

use crate::limits::{Limits, Observation, ObservationSink};
use crate::observe::{Dropped, SpoolMetrics};
use files::Spool;
use forward::Forwarder;
use openclaw_alert::TenantName;
use openclaw_delivery::{Poster, PosterError, Secret, Target, TlsSettings};
use openclaw_journal::Disk;
use row::Row;
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use upstream::Upstream;

const PATH: [&str; 3] = ["api", "v1", "observations"];
/// Rows in memory, some 20 MB at their longest.
const QUEUE_ROWS: usize = 1 << 16;

/// Where an edge's observations go on to.
#[derive(Debug, Clone)]
pub struct UpstreamOptions {
    /// The service's address, without `/api/v1/observations`.
    pub url: Target,
    /// An operator's key there: rows are of many tenants.
    pub key: Secret,
    /// With `https://`: how it is known.
    pub tls: TlsSettings,
    /// The most that is kept on the disk while it is away.
    pub spool_bytes: u64,
}

/// Why observations can't go on.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The settings can't be used.
    #[error("`edge.upstream`: {0}")]
    Settings(#[from] PosterError),
    /// What is kept can't be read.
    #[error("the folder `spool` in the data folder can't be used: {0}")]
    Spool(#[from] io::Error),
}

/// The forwarding under way.
pub(super) struct Forwarding {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Forwarding {
    /// Begins with what is kept from before.
    pub(super) async fn start(
        options: UpstreamOptions,
        disk: Arc<dyn Disk>,
        limits: &Limits,
        metrics: SpoolMetrics,
    ) -> Result<Self, UpstreamError> {
        let poster = Poster::new(&options.url, &PATH, &options.key, options.tls)?;
        let opening = tokio::task::spawn_blocking(move || Spool::open(disk, options.spool_bytes));
        let spool = opening.await.map_err(io::Error::other)??;
        let (queue, rows) = mpsc::channel(QUEUE_ROWS);
        let sink: Arc<dyn ObservationSink> = Arc::new(Queue { queue, metrics: metrics.clone() });
        limits.add_sink(&sink);
        let (stop, stopped) = oneshot::channel();
        let forwarder = Forwarder::new(rows, spool, Upstream::new(poster), metrics);
        let task = tokio::spawn(forwarder.run(stopped));
        Ok(Self { stop, task })
    }

    /// Keeps on the disk what has not arrived.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "observations in memory are lost");
        }
    }
}

/// Where rows wait to be forwarded.
struct Queue {
    queue: mpsc::Sender<Row>,
    metrics: SpoolMetrics,
}

impl ObservationSink for Queue {
    fn take(&self, tenant: &TenantName, observation: &Observation<'_>, at_nanos: u64) {
        let Some(row) = Row::new(tenant, observation, at_nanos) else {
            return self.metrics.dropped(Dropped::Unfit, 1);
        };
        if self.queue.try_send(row).is_err() {
            self.metrics.dropped(Dropped::QueueFull, 1);
        }
    }
}
