//! Steps partitions when their time has come.

use super::Host;
use openclaw_alert::{PARTITIONS, PartitionId, Timestamp};
use openclaw_pipeline::Input;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Before what is due is tried again on a full disk.
const FULL_PAUSE: Duration = Duration::from_millis(200);

/// When each partition wants to be stepped. Set by any thread, waited for by
/// one task.
pub(super) struct Deadlines {
    at: [AtomicI64; PARTITIONS],
    /// What the task sleeps for; it is woken only for something earlier.
    armed: AtomicI64,
    earlier: Notify,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            at: std::array::from_fn(|_| AtomicI64::new(i64::MAX)),
            armed: AtomicI64::new(i64::MAX),
            earlier: Notify::new(),
        }
    }
}

impl Deadlines {
    /// Both sides write one and read the other, so both must be sequentially
    /// consistent: else the task could arm a later time and the setter see the
    /// one before, and neither would wake the other.
    pub(super) fn set(&self, partition: PartitionId, at: Timestamp) {
        self.at[partition.index()].store(at.nanos(), Ordering::SeqCst);
        if at.nanos() < self.armed.load(Ordering::SeqCst) {
            self.earlier.notify_one();
        }
    }

    pub(super) fn next(&self) -> Timestamp {
        let earliest = self.at.iter().map(|at| at.load(Ordering::SeqCst)).min();
        Timestamp::from_nanos(earliest.unwrap_or(i64::MAX))
    }

    fn due(&self, now: Timestamp) -> impl Iterator<Item = PartitionId> + '_ {
        PartitionId::all().filter(move |id| self.at[id.index()].load(Ordering::SeqCst) <= now.nanos())
    }

    fn arm(&self) -> Timestamp {
        self.armed.store(self.next().nanos(), Ordering::SeqCst);
        // Again, for what was set in between.
        let next = self.next();
        self.armed.store(next.nanos(), Ordering::SeqCst);
        next
    }
}

impl Host {
    /// Steps every partition that is due, once.
    pub(crate) async fn keep_due(self: &Arc<Self>) {
        for partition in self.deadlines.due(self.clock.now()) {
            // The journal's failure is reported by whoever met it first.
            let _ = self.step_with_room(partition, &Input::Tick).await;
            // Others want this thread and this lock too.
            tokio::task::yield_now().await;
        }
    }

    /// Runs for the life of the server.
    pub(crate) async fn keep_deadlines(self: Arc<Self>) {
        loop {
            self.keep_due().await;
            let next = self.deadlines.arm();
            let mut wait = self.clock.until(next);
            if self.has_failed() {
                return;
            }
            if wait.is_zero() && self.ready().is_ok() {
                continue;
            }
            if wait.is_zero() {
                // What is due can't be done while the disk is full.
                wait = FULL_PAUSE;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.deadlines.earlier.notified() => {}
            }
            self.deadlines.armed.store(i64::MIN, Ordering::SeqCst);
        }
    }
}
