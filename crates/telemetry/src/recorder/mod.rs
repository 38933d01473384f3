//! Takes rows without waiting, writes them in the background.
//!
//! Who hands over a row never waits: queues are bounded, and what finds no room
//! is counted. One thread samples, gathers and writes; another keeps files few
//! and young.

mod gather;
mod sample;
mod work;

use crate::counts::{Counts, Dropped};
use crate::error::TelemetryError;
use crate::layout::Kind;
use crate::rows::{ObservationRow, WindowRow};
use crate::store::Store;
use crate::tend::Tender;
use openclaw_alert::{TenantName, Timestamp};
use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use work::{Inbox, Work};

/// Observations that wait, some 20 MB at their longest.
const OBSERVATIONS: usize = 1 << 16;
/// Windows that wait, in batches of any size: some 25 MB.
const WINDOWS: usize = 1 << 17;
/// Between two looks at all files.
const TEND_EVERY: Duration = Duration::from_secs(600);

/// What says the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecorderOptions {
    /// Days that are kept beside the one that is running.
    pub retention_days: u32,
    /// Rows of each kind that are kept of a tenant in a second; others of them
    /// stand for those beyond.
    pub max_rows_per_s: NonZeroU32,
}

impl Default for RecorderOptions {
    fn default() -> Self {
        const { Self { retention_days: 90, max_rows_per_s: NonZeroU32::new(1000).unwrap() } }
    }
}

/// What the writing thread is told.
enum Command {
    /// Writes all that has come.
    Flush(Sender<()>),
    /// Leaves nothing of a tenant.
    Erase(TenantName, Sender<Result<(), TelemetryError>>),
}

/// Takes rows. Dropping it loses those that have not been written; see
/// [`Recorder::stop`].
#[derive(Debug)]
pub struct Recorder {
    observations: SyncSender<(TenantName, ObservationRow)>,
    windows: Sender<Vec<(TenantName, WindowRow)>>,
    windows_waiting: Arc<AtomicUsize>,
    commands: Sender<Command>,
    store: Store,
    counts: Arc<Counts>,
    threads: Mutex<Option<Threads>>,
}

#[derive(Debug)]
struct Threads {
    stop: [Sender<()>; 2],
    tending: Arc<AtomicBool>,
    handles: [JoinHandle<()>; 2],
}

impl Recorder {
    /// Begins to write below a folder that no other process writes to.
    ///
    /// # Errors
    /// Where the folder can't be written to, or there can be no further thread.
    pub fn start(
        root: impl Into<PathBuf>,
        options: RecorderOptions,
        now: Now,
    ) -> Result<Self, TelemetryError> {
        let root = root.into();
        let store = Store::at(root.clone());
        store.prepare()?;
        let counts = Arc::new(Counts::default());
        let (observations, observed) = mpsc::sync_channel(OBSERVATIONS);
        let (windows, ended) = mpsc::channel();
        let windows_waiting = Arc::new(AtomicUsize::new(0));
        let (commands, commanded) = mpsc::channel();
        let waiting = Arc::clone(&windows_waiting);
        let inbox = Inbox { observations: observed, windows: ended, waiting, commands: commanded };
        let work = Work::new(store.clone(), options, Arc::clone(&now), Arc::clone(&counts));
        let tender = Tender::new(store.clone(), options.retention_days);
        let threads = start(work, inbox, tender, now).map_err(TelemetryError::file(&root))?;
        let threads = Mutex::new(Some(threads));
        Ok(Self { observations, windows, windows_waiting, commands, store, counts, threads })
    }

    /// Takes how a request ended. Its weight is set by who samples.
    pub fn observation(&self, tenant: &TenantName, row: ObservationRow) {
        if let Err(TrySendError::Full(_)) = self.observations.try_send((tenant.clone(), row)) {
            self.counts.lost(Kind::Observations, Dropped::QueueFull, 1);
        }
    }

    /// Takes windows that have ended.
    pub fn windows(&self, rows: Vec<(TenantName, WindowRow)>) {
        let count = rows.len();
        if count == 0 {
            return;
        }
        if self.windows_waiting.fetch_add(count, Ordering::Relaxed) >= WINDOWS {
            self.windows_waiting.fetch_sub(count, Ordering::Relaxed);
            return self.counts.lost(Kind::Windows, Dropped::QueueFull, count as u64);
        }
        // Nobody takes them any more once it has stopped.
        let _ = self.windows.send(rows);
    }

    /// What has become of them.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Waits until all that was taken before is on the disk.
    pub fn flush(&self) {
        let (done, is_done) = mpsc::channel();
        if self.commands.send(Command::Flush(done)).is_ok() {
            let _ = is_done.recv();
        }
    }

    /// Leaves nothing of a tenant, for which nothing is taken any more.
    ///
    /// # Errors
    /// Where a file can't be removed.
    pub fn erase(&self, tenant: &TenantName) -> Result<(), TelemetryError> {
        let (done, is_done) = mpsc::channel();
        let told = self.commands.send(Command::Erase(tenant.clone(), done));
        // Where nobody writes any more it is done here.
        let answer = told.ok().and_then(|()| is_done.recv().ok());
        answer.unwrap_or_else(|| self.store.erase(tenant))
    }

    /// Writes all that was taken, and ends.
    pub fn stop(&self) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Threads { stop, tending, handles }) = threads else { return };
        tending.store(true, Ordering::Relaxed);
        self.flush();
        drop(stop);
        for handle in handles {
            if handle.join().is_err() {
                tracing::error!("a thread of telemetry has failed: rows in memory are lost");
            }
        }
    }
}

fn start(work: Work, inbox: Inbox, tender: Tender, now: Now) -> io::Result<Threads> {
    let (stop_work, work_stopped) = mpsc::channel();
    let (stop_tending, tending_stopped) = mpsc::channel();
    let thread = |name: &str| std::thread::Builder::new().name(name.into());
    let stops = tender.stopped();
    let working = thread("telemetry").spawn(move || work.run(&inbox, &work_stopped))?;
    let tending = thread("telemetry-tend").spawn(move || keep_tending(tender, &now, &tending_stopped))?;
    Ok(Threads { stop: [stop_work, stop_tending], tending: stops, handles: [working, tending] })
}

fn keep_tending(mut tender: Tender, now: &Now, stopped: &Receiver<()>) {
    loop {
        let tended = tender.tend(now());
        if tended != crate::tend::Tended::default() {
            tracing::debug!(tended.merged, tended.removed_days, "telemetry has been tended");
        }
        if !matches!(stopped.recv_timeout(TEND_EVERY), Err(RecvTimeoutError::Timeout)) {
            return;
        }
    }
}
