//! Snapshots from time to time, and the last one at the end.

use super::Host;
use openclaw_alert::PartitionId;
use openclaw_journal::{Position, SnapshotError};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// When a snapshot is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// After this long.
    pub every: Duration,
    /// Or after this many bytes of journal.
    pub every_bytes: u64,
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self { every: Duration::from_secs(600), every_bytes: 256 << 20 }
    }
}

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(1);

impl Host {
    /// Runs for the life of the server.
    pub(crate) async fn keep_snapshots(self: Arc<Self>, policy: SnapshotPolicy) {
        let (mut last_at, mut last_bytes) = (Instant::now(), self.log.stats().bytes);
        loop {
            tokio::time::sleep(LOOK).await;
            let bytes = self.log.stats().bytes;
            let idle = bytes == last_bytes;
            if idle || (last_at.elapsed() < policy.every && bytes - last_bytes < policy.every_bytes) {
                continue;
            }
            (last_at, last_bytes) = (Instant::now(), bytes);
            let host = Arc::clone(&self);
            let written = tokio::task::spawn_blocking(move || host.snapshot()).await;
            match written {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "no snapshot: recovery will take longer"),
                Err(error) => tracing::error!(%error, "the snapshot was cut off"),
            }
        }
    }

    /// One partition after the other, each under its lock only while its state
    /// is copied.
    pub(crate) fn snapshot(&self) -> Result<(), SnapshotError> {
        let written = self.write_snapshot();
        if !matches!(written, Err(SnapshotError::Busy)) {
            let error = written.as_ref().err().map(SnapshotError::to_string);
            *self.snapshot_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
        }
        written
    }

    /// Why the last one could not be written, if so.
    pub(crate) fn snapshot_error(&self) -> Option<String> {
        self.snapshot_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write_snapshot(&self) -> Result<(), SnapshotError> {
        let mut writer = self.log.snapshot()?;
        let mut bytes = Vec::new();
        for id in PartitionId::all() {
            bytes.clear();
            let covered = {
                let cell = self.lock(id);
                if cell.appended == Position::START {
                    continue;
                }
                cell.partition.write_snapshot(&mut bytes);
                cell.appended
            };
            writer.add(id, covered, &bytes)?;
        }
        let report = writer.finish()?;
        tracing::debug!(number = report.number, bytes = report.bytes, "snapshot written");
        self.log.retain(self.clock.now());
        Ok(())
    }

    /// Nothing new is sent from here on; what is being sent may end.
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Waits for what is being sent.
    pub(crate) async fn drain(&self, deadline: Duration) {
        // What is not over by then is done again after the next start.
        let _ = tokio::time::timeout(deadline, self.all_sent()).await;
    }
}
