//! Runs the partitions: the lock around each, the frame that each step
//! becomes, the threads that call in.
//!
//! A step is run by whoever brings its input, under the partition's lock, and
//! its frame is appended before the lock is let go, so that the log has the
//! partition's frames in the order of its steps. Answers and sends wait for
//! the frame to be durable; the lock doesn't.

mod deadlines;
mod recent;
mod recovery;
mod sending;
mod snapshots;

pub(crate) use recent::{Attempt, Recent};
pub(crate) use recovery::Parts;
pub use recovery::RecoveryError;
pub use snapshots::SnapshotPolicy;

use crate::clock::Clock;
use crate::observe::Metrics;
use crate::tenants::Tenants;
use deadlines::Deadlines;
use openclaw_alert::{PARTITIONS, PartitionId, TenantName, Timestamp};
use openclaw_journal::{AppendError, Class, Frame, Health, Log, Permit, Position};
use openclaw_pipeline::{Ack, Effects, Input, Partition, Taken};
use openclaw_routing::{SilenceId, SilenceRefusal};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Before a step is tried again that the log had no room for.
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// All partitions of this process and the log they share.
pub(crate) struct Host {
    partitions: Vec<Mutex<Cell>>,
    log: Log,
    clock: Arc<Clock>,
    deadlines: Deadlines,
    sender: Arc<openclaw_delivery::Sender>,
    tenants: Arc<Tenants>,
    metrics: Arc<Metrics>,
    /// Runs sends and whatever else must not hold up an I/O thread.
    work: tokio::runtime::Handle,
    /// Set when the server drains: nothing new is sent.
    draining: AtomicBool,
    /// Set when a step was taken and could not be written.
    broken: AtomicBool,
    /// Messages handed out to be sent, their outcome not written yet.
    attempts: AtomicUsize,
    /// Told when that number falls to 0.
    all_over: Notify,
    recent: Recent,
    /// Why the last snapshot could not be written, if so.
    snapshot_error: Mutex<Option<String>>,
}

/// A partition behind its lock.
struct Cell {
    partition: Partition,
    effects: Effects,
    /// End of its last frame in the log: what a reader waits for.
    appended: Position,
    /// End of the last frame that its caller had to wait for. A repeat that
    /// need not wait for its own frame still waits for this one: it may repeat
    /// an alert that is not durable yet.
    needed: Position,
    /// Time of its last step; the clock may go back, a partition's time doesn't.
    stepped_at: Timestamp,
}

/// What a step tells its caller.
#[derive(Debug, Clone)]
pub(crate) struct Stepped {
    /// What became of the alerts.
    pub(crate) taken: Taken,
    /// To be durable before the answer; it may be so already.
    pub(crate) wait_for: Position,
    /// How long a refused sender should wait.
    pub(crate) retry_after: Option<Duration>,
    /// The episodes that the request's items are, where it asked for them.
    pub(crate) episodes: Vec<Option<u64>>,
    /// A part has been done: to be stepped again.
    pub(crate) is_unfinished: bool,
    /// What became of a silence that was set or ended.
    pub(crate) silence: Option<Result<SilenceId, SilenceRefusal>>,
}

/// Why nothing can be taken in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unavailable {
    /// The disk is full; what is known goes on, new alerts are refused.
    #[error("the disk is full: new alerts are refused until there is space")]
    DiskFull,
    /// A write or sync has failed; nothing is certain any more.
    #[error("the journal has failed: see the log of the server, restart it when the disk is well")]
    Failed,
    /// More is waiting for the disk than it can take.
    #[error("too much is waiting for the disk")]
    Busy,
    /// One request is more than a segment of the journal can hold.
    #[error("the request is too large for the journal's segments; send smaller batches")]
    TooLarge,
    /// The tenant left the settings while its request was under way.
    #[error("the tenant is no longer in the settings")]
    Forgotten,
    /// The server is stopping.
    #[error("the server is stopping")]
    Draining,
}

impl From<AppendError> for Unavailable {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::DiskFull => Self::DiskFull,
            AppendError::Busy => Self::Busy,
            AppendError::TooLarge { .. } => Self::TooLarge,
            _ => Self::Failed,
        }
    }
}

impl Host {
    fn lock(&self, partition: PartitionId) -> MutexGuard<'_, Cell> {
        // A step that panicked may have left half a decision: the process
        // aborts on panic in these threads, so poison is never seen.
        self.partitions[partition.index()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step: decides under the lock, appends, lets go.
    pub(crate) fn step(
        self: &Arc<Self>,
        partition: PartitionId,
        input: &Input<'_>,
    ) -> Result<Stepped, Unavailable> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Unavailable::Failed);
        }
        let class = match input {
            Input::Sent { .. } | Input::Tick | Input::TurnedAway { .. } => Class::Outcome,
            // People help themselves with these when all else fails.
            Input::Configure { .. } | Input::Forget { .. } | Input::Passthrough { .. } => Class::Outcome,
            Input::Offboard { .. } | Input::Erase { .. } | Input::Say { .. } => Class::Outcome,
            _ => Class::Intake,
        };
        // Before anything is decided: what has been decided must be written.
        let (least, most) = (input.record_bytes_min(), input.record_bytes_max());
        let room_bytes = most.min(self.log.payload_max().saturating_sub(Input::DUE_BYTES_MAX)).max(least);
        let permit = self.log.admit(class, room_bytes + Input::DUE_BYTES_MAX)?;
        let mut guard = self.lock(partition);
        let cell = &mut *guard;
        let now = self.clock.now().max(cell.stepped_at);
        cell.stepped_at = now;
        cell.effects.room_bytes = room_bytes;
        cell.partition.step(input, now, &mut cell.effects);
        self.append(permit, cell, class, now)?;
        if cell.effects.ack == Ack::WhenDurable {
            cell.needed = cell.appended;
        }
        let stepped = Stepped {
            taken: cell.effects.taken,
            wait_for: cell.needed,
            retry_after: cell.effects.retry_after,
            episodes: std::mem::take(&mut cell.effects.episodes),
            is_unfinished: cell.effects.is_unfinished,
            silence: cell.effects.silence.take(),
        };
        self.follow_up(cell);
        Ok(stepped)
    }

    /// [`Host::step`], after waiting for the disk to catch up where it must.
    pub(crate) async fn step_with_room(
        self: &Arc<Self>,
        partition: PartitionId,
        input: &Input<'_>,
    ) -> Result<Stepped, Unavailable> {
        loop {
            match self.step(partition, input) {
                Err(Unavailable::Busy) => {
                    self.room().await?;
                    // Room may be there and the next segment not.
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                other => return other,
            }
        }
    }

    fn append(
        &self,
        permit: Permit,
        cell: &mut Cell,
        class: Class,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let effects = &cell.effects;
        if effects.records == 0 {
            return Ok(());
        }
        let frame = Frame {
            partition: cell.partition.id(),
            class,
            base_offset: effects.base_offset,
            records: effects.records,
            written_at: now,
            payload: &effects.payload,
        };
        cell.appended = self.log.append_with(permit, &frame).map_err(|error| {
            // Memory now knows what the journal doesn't: nothing may be built
            // on it. The journal is whole; a restart goes on from there.
            self.broken.store(true, Ordering::Relaxed);
            tracing::error!(%error, partition = cell.partition.id().get(), "a step can't be written: restart");
            Unavailable::Failed
        })?;
        Ok(())
    }

    /// Begins another segment with a frame of no records: once it is durable,
    /// all before it is sealed.
    pub(crate) fn seal_now(&self, partition: PartitionId) -> Result<Position, Unavailable> {
        let mut cell = self.lock(partition);
        let frame = Frame {
            partition,
            class: Class::Outcome,
            base_offset: cell.partition.next_offset(),
            records: 0,
            written_at: self.clock.now().max(cell.stepped_at),
            payload: &[],
        };
        cell.appended = self.log.seal(&frame)?;
        Ok(cell.appended)
    }

    /// Sends, metrics and the next deadline of a step that has been appended.
    fn follow_up(self: &Arc<Self>, cell: &mut Cell) {
        let partition = cell.partition.id();
        let Cell { partition: state, effects, .. } = &mut *cell;
        self.metrics
            .scored(effects.scores.iter().filter_map(|&(t, score)| Some((state.tenant_name(t)?, score))));
        for ended in cell.effects.ended.drain(..) {
            self.metrics.ended(&ended);
        }
        for send in cell.effects.sends.drain(..) {
            self.send_when_durable(partition, cell.appended, send);
        }
        self.deadlines.set(partition, cell.effects.next_deadline);
    }

    /// Waits until everything up to `position` is durable.
    pub(crate) async fn durable(&self, position: Position) -> Result<(), Unavailable> {
        self.log.committed(position).await.map_err(|_| Unavailable::Failed)
    }

    /// Waits while too much is waiting for the disk.
    pub(crate) async fn room(&self) -> Result<(), Unavailable> {
        self.log.room().await;
        if self.has_failed() { Err(Unavailable::Failed) } else { Ok(()) }
    }

    /// Reads a partition, and gives what must be durable before the answer may
    /// leave: memory is ahead of the disk, and nobody may see what a crash
    /// could take back.
    pub(crate) fn read<T>(
        &self,
        partition: PartitionId,
        read: impl FnOnce(&Partition, Timestamp) -> T,
    ) -> (T, Position) {
        let cell = self.lock(partition);
        let now = self.clock.now().max(cell.stepped_at);
        (read(&cell.partition, now), cell.appended)
    }

    /// The log, for trails and its own figures.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The host's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The host's clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether new alerts are taken in.
    pub(crate) fn ready(&self) -> Result<(), Unavailable> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Unavailable::Draining);
        }
        if self.broken.load(Ordering::Relaxed) {
            return Err(Unavailable::Failed);
        }
        match self.log.health() {
            Health::Good => Ok(()),
            Health::DiskFull => Err(Unavailable::DiskFull),
            Health::Failed(_) => Err(Unavailable::Failed),
        }
    }

    /// Whether the journal takes nothing any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.broken.load(Ordering::Relaxed) || matches!(self.log.health(), Health::Failed(_))
    }

    /// The time at which some partition has something to do.
    pub(crate) fn next_deadline(&self) -> Timestamp {
        self.deadlines.next()
    }

    /// The tenants, as the settings have them now.
    pub(crate) fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// The attempts to send that ended last.
    pub(crate) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Where a tenant's alerts are.
    pub(crate) fn partition_of(tenant: &TenantName) -> PartitionId {
        tenant.partition()
    }
}

const _: () = assert!(PARTITIONS == 64);
