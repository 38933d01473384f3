//! From the files of the last process to partitions that go on.

use super::deadlines::Deadlines;
use super::{Cell, Host, Recent, Unavailable};
use crate::clock::Clock;
use crate::observe::Metrics;
use crate::tenants::Tenants;
use openclaw_alert::codec::Corrupt;
use openclaw_alert::{PartitionId, Timestamp};
use openclaw_journal::{Class, Log, Position, ReadError, Snapshot};
use openclaw_pipeline::{Effects, Partition};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The journal can't be read back.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// A file can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A frame or snapshot is sound, but its records are not ours.
    #[error(
        "partition {partition} at position {position}: {error}; was the journal written by a newer version?"
    )]
    Corrupt {
        /// Which partition.
        partition: u8,
        /// Where in the log.
        position: Position,
        /// What is wrong.
        error: Corrupt,
    },
    /// The log fails already.
    #[error("the journal can't be written")]
    Unavailable,
}

/// What a host is made of.
pub(crate) struct Parts {
    pub(crate) log: Log,
    pub(crate) clock: Arc<Clock>,
    pub(crate) sender: Arc<openclaw_delivery::Sender>,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) work: tokio::runtime::Handle,
}

impl Host {
    /// Snapshot, then the frames after it, then the settings, then the note
    /// that a process has started.
    pub(crate) fn recover(parts: Parts, snapshot: Option<&Snapshot>) -> Result<Arc<Self>, RecoveryError> {
        let mut partitions = restore(snapshot)?;
        replay(&parts.log, snapshot, &mut partitions)?;
        let now = parts.clock.now();
        for tenant in parts.tenants.all() {
            let id = Self::partition_of(&tenant.settings().name);
            partitions[id.index()].partition.configure(Arc::clone(tenant.settings()), now);
        }
        let host = Arc::new(Self {
            partitions: partitions.into_iter().map(|restored| Mutex::new(restored.into_cell())).collect(),
            log: parts.log,
            clock: parts.clock,
            deadlines: Deadlines::default(),
            sender: parts.sender,
            tenants: parts.tenants,
            metrics: parts.metrics,
            work: parts.work,
            draining: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            attempts: AtomicUsize::new(0),
            all_over: Notify::new(),
            recent: Recent::default(),
            snapshot_error: Mutex::default(),
        });
        host.start_partitions().map_err(|_| RecoveryError::Unavailable)?;
        Ok(host)
    }

    fn start_partitions(self: &Arc<Self>) -> Result<(), Unavailable> {
        for id in PartitionId::all() {
            let mut guard = self.lock(id);
            let cell = &mut *guard;
            let now = self.clock.now().max(cell.stepped_at);
            cell.partition.start(now, &mut cell.effects);
            let permit = self.log.admit(Class::Outcome, 0)?;
            self.append(permit, cell, Class::Outcome, now)?;
            self.follow_up(cell);
        }
        Ok(())
    }
}

struct Restored {
    partition: Partition,
    appended: Position,
    written_at: Timestamp,
}

impl Restored {
    fn into_cell(self) -> Cell {
        Cell {
            partition: self.partition,
            effects: Effects::default(),
            appended: self.appended,
            needed: self.appended,
            stepped_at: self.written_at,
        }
    }
}

fn restore(snapshot: Option<&Snapshot>) -> Result<Vec<Restored>, RecoveryError> {
    let seed = getrandom::u64().unwrap_or_default();
    let fresh = |id| Restored {
        partition: Partition::new(id, seed),
        appended: Position::START,
        written_at: Timestamp::MIN,
    };
    let mut partitions: Vec<_> = PartitionId::all().map(fresh).collect();
    for part in snapshot.into_iter().flat_map(|snapshot| &snapshot.parts) {
        let restored = &mut partitions[part.partition.index()];
        restored.appended = part.covered;
        restored.partition.read_snapshot(&part.bytes).map_err(|error| RecoveryError::Corrupt {
            partition: part.partition.get(),
            position: part.covered,
            error,
        })?;
    }
    Ok(partitions)
}

fn replay(log: &Log, snapshot: Option<&Snapshot>, partitions: &mut [Restored]) -> Result<(), RecoveryError> {
    for frame in log.recover(snapshot) {
        let frame = frame?;
        let restored = &mut partitions[frame.partition.index()];
        restored.appended = frame.end;
        restored.written_at = restored.written_at.max(frame.written_at);
        restored.partition.replay(frame.base_offset, &frame.payload, frame.written_at).map_err(|error| {
            RecoveryError::Corrupt { partition: frame.partition.get(), position: frame.position, error }
        })?;
    }
    Ok(())
}
