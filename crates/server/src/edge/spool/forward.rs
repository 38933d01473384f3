//! The task that forwards: from memory while the upstream answers; otherwise
//! all that comes goes to the disk, and what is on the disk goes first.

use super::files::{Lost, Spool};
use super::row::Row;
use super::upstream::{Fault, Sent, Upstream, backoff};
use crate::observe::{Dropped, SpoolMetrics};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout_at};

/// Rows sent at a time.
const BATCH_ROWS: usize = 5000;
/// How long a row waits for others.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// How often what has come is put on the disk while the upstream is away.
const TICK: Duration = Duration::from_millis(250);
/// How often the disk is synced: what a crash may lose.
const SYNC: Duration = Duration::from_secs(1);
/// How often refused rows are told of.
const TELL: Duration = Duration::from_secs(60);

/// Forwards until it is told to stop.
pub(super) struct Forwarder {
    queue: mpsc::Receiver<Row>,
    /// From memory, not yet sent.
    batch: Vec<Row>,
    spool: Arc<Mutex<Spool>>,
    upstream: Arc<Upstream>,
    metrics: SpoolMetrics,
    ticks: Interval,
    last_sync: Instant,
    failures: u32,
    is_away: bool,
    told_at: Option<Instant>,
}

/// It is time to end.
struct Stopped;

impl Forwarder {
    pub(super) fn new(
        queue: mpsc::Receiver<Row>,
        spool: Spool,
        upstream: Upstream,
        metrics: SpoolMetrics,
    ) -> Self {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        metrics.set_bytes(spool.bytes());
        Self {
            queue,
            batch: Vec::new(),
            spool: Arc::new(Mutex::new(spool)),
            upstream: Arc::new(upstream),
            metrics,
            ticks,
            last_sync: Instant::now(),
            failures: 0,
            is_away: false,
            told_at: None,
        }
    }

    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        loop {
            let forwarded = match self.on_disk(|spool| spool.is_empty()).await {
                true => self.forward_queue(&mut stop).await,
                false => self.forward_spool(&mut stop).await,
            };
            if forwarded.is_err() {
                break;
            }
        }
        self.keep_all().await;
    }

    /// A batch from memory; it comes before whatever is on the disk by then.
    async fn forward_queue(&mut self, stop: &mut oneshot::Receiver<()>) -> Result<(), Stopped> {
        tokio::select! {
            () = self.gather() => {}
            _ = &mut *stop => return Err(Stopped),
        }
        let rows: Arc<[Row]> = std::mem::take(&mut self.batch).into();
        self.ticks.reset();
        let sent = self.send(&rows, Duration::ZERO, stop).await;
        let left = sent.as_ref().map_or_else(|_| rows.to_vec(), |sent| sent.left.clone());
        if !left.is_empty() {
            self.on_disk(move |spool| spool.put_front(&left)).await;
        }
        self.judge(sent?);
        Ok(())
    }

    /// Nothing is lost where this is cut off.
    async fn gather(&mut self) {
        if self.queue.recv_many(&mut self.batch, BATCH_ROWS).await == 0 {
            // Nothing more will come.
            return std::future::pending().await;
        }
        let end = Instant::now() + BATCH_WAIT;
        while self.batch.len() < BATCH_ROWS {
            let room = BATCH_ROWS - self.batch.len();
            if timeout_at(end, self.queue.recv_many(&mut self.batch, room)).await.is_err() {
                return;
            }
        }
    }

    /// A batch from the disk, until it has arrived.
    async fn forward_spool(&mut self, stop: &mut oneshot::Receiver<()>) -> Result<(), Stopped> {
        let mut rows: Arc<[Row]> = self.on_disk(|spool| spool.next(BATCH_ROWS)).await.into();
        while !rows.is_empty() {
            let wait = backoff(self.failures, random());
            let sent = self.send(&rows, wait, stop).await?;
            rows = self.judge(sent).into();
        }
        self.on_disk(Spool::done).await;
        Ok(())
    }

    /// Sends after a while. What comes in meanwhile goes to the disk, behind.
    async fn send(
        &mut self,
        rows: &Arc<[Row]>,
        wait: Duration,
        stop: &mut oneshot::Receiver<()>,
    ) -> Result<Sent, Stopped> {
        let (upstream, rows) = (Arc::clone(&self.upstream), Arc::clone(rows));
        let sending = async move {
            tokio::time::sleep(wait).await;
            upstream.send(&rows).await
        };
        tokio::pin!(sending);
        loop {
            tokio::select! {
                biased;
                _ = &mut *stop => return Err(Stopped),
                _ = self.ticks.tick() => self.keep_queue().await,
                sent = &mut sending => return Ok(sent),
            }
        }
    }

    /// Counts and tells; gives what is to be sent again.
    fn judge(&mut self, sent: Sent) -> Vec<Row> {
        self.metrics.forwarded(sent.taken);
        self.metrics.dropped(Dropped::Refused, sent.refused);
        if let Some(fault) = sent.fault.as_ref().filter(|_| sent.refused > 0) {
            self.tell_refused(fault);
        }
        if sent.left.is_empty() {
            self.failures = 0;
            if std::mem::replace(&mut self.is_away, false) {
                tracing::info!("the upstream takes observations again");
            }
            return Vec::new();
        }
        self.failures = self.failures.saturating_add(1);
        if let (false, Some(fault)) = (std::mem::replace(&mut self.is_away, true), &sent.fault) {
            tracing::warn!(error = %fault, "the upstream is away: observations are kept on the disk until it takes them");
        }
        sent.left
    }

    fn tell_refused(&mut self, fault: &Fault) {
        let now = Instant::now();
        if self.told_at.is_none_or(|told_at| now - told_at > TELL) {
            self.told_at = Some(now);
            tracing::warn!(error = %fault, "the upstream refuses observations: it should have the same tenants, and `edge.upstream.key` be an operator's");
        }
    }

    /// Puts on the disk what has come.
    async fn keep_queue(&mut self) {
        let mut rows = Vec::new();
        while let Ok(row) = self.queue.try_recv() {
            rows.push(row);
        }
        let syncs = self.last_sync.elapsed() >= SYNC;
        if rows.is_empty() && !syncs {
            return;
        }
        self.on_disk(move |spool| spool.append(&rows)).await;
        if syncs {
            self.sync().await;
        }
    }

    async fn sync(&mut self) {
        self.last_sync = Instant::now();
        if let Err(error) = self.on_disk(Spool::sync).await {
            tracing::error!(%error, "observations on the disk may not survive a crash");
        }
    }

    /// At the end.
    async fn keep_all(&mut self) {
        self.queue.close();
        let rows = std::mem::take(&mut self.batch);
        self.on_disk(move |spool| spool.append(&rows)).await;
        self.keep_queue().await;
        self.sync().await;
    }

    /// Beside those who answer: the disk may be slow.
    async fn on_disk<T: Send + 'static>(&self, act: impl FnOnce(&mut Spool) -> T + Send + 'static) -> T {
        let spool = Arc::clone(&self.spool);
        let acting = tokio::task::spawn_blocking(move || {
            let mut spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
            (act(&mut spool), spool.take_lost(), spool.bytes())
        });
        match acting.await {
            Ok((result, Lost { full, failed }, bytes)) => {
                self.metrics.dropped(Dropped::SpoolFull, full);
                self.metrics.dropped(Dropped::DiskFailed, failed);
                self.metrics.set_bytes(bytes);
                result
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// From 0 to 1; a half where there is no randomness.
fn random() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
