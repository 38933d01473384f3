//! The writing side without threads: whoever holds it appends and commits.

use crate::disk::{Disk, DiskFile, write_all_at};
use crate::pending::{Checked, Chunk, Pending};
use crate::reader::{Frames, Reader};
use crate::segments::open::{OpenReport, open};
use crate::segments::{read_header, segment_name};
use crate::snapshot::SnapshotWriter;
use crate::store::{Store, lock};
use crate::{AppendError, CommitError, Failure, Frame, OpenError, Options, Position, SnapshotError, Stats};
use crate::{Edit, EraseError, Erasure, Health, crashpoint};
use openclaw_alert::{PartitionId, Timestamp};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The log as one thread drives it by hand. [`crate::Log`] puts threads
/// around it.
pub struct Writer {
    pub(crate) store: Arc<Store>,
    pub(crate) pending: Pending,
    pub(crate) tail: Tail,
    pub(crate) failure: Option<Failure>,
}

impl Writer {
    /// Opens the log in a folder, or makes one: takes the lock, judges what
    /// the last run left, cuts off a torn commit, and names damage.
    ///
    /// # Errors
    /// Nothing has been lost by an error, and opening again is safe.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: Options,
        now: Timestamp,
    ) -> Result<(Self, OpenReport), OpenError> {
        let opened = open(disk, options, now)?;
        let store = Arc::new(opened.store);
        let pending = Pending::new(store.geometry, store.log_id, opened.segment, opened.offset);
        let tail = Tail { segment: opened.segment, file: opened.file };
        Ok((Self { store, pending, tail, failure: None }, opened.report))
    }

    /// Takes a frame into memory. Gives the position of its end: once the log
    /// is durable up to there, the frame is.
    pub fn append(&mut self, frame: &Frame<'_>) -> Result<Position, AppendError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone().into());
        }
        if !self.store.supply.admits(frame.class) {
            return Err(AppendError::DiskFull);
        }
        let checked = Checked::new(frame, self.store.geometry)?;
        match self.pending.push(&checked, &self.store.supply) {
            Err(AppendError::Busy | AppendError::DiskFull) => {}
            other => return other,
        }
        // No thread makes segments here, so this is the moment to.
        self.commit().map_err(|error| match error {
            CommitError::Failed(failure) => failure.into(),
            CommitError::Closed { .. } => AppendError::Closed,
        })?;
        self.maintain()?;
        self.pending.push(&checked, &self.store.supply)
    }

    /// Takes a frame as the first of a segment; see [`crate::Log::seal`].
    pub fn seal(&mut self, frame: &Frame<'_>) -> Result<Position, AppendError> {
        self.commit().map_err(|error| match error {
            CommitError::Failed(failure) => AppendError::Failed(failure),
            CommitError::Closed { .. } => AppendError::Closed,
        })?;
        self.maintain()?;
        self.pending.seal(frame.partition, &self.store.supply)?;
        self.append(frame)
    }

    /// See [`crate::Log::erase`].
    pub fn erase(
        &self,
        partition: PartitionId,
        before: Position,
        edit: &mut dyn Edit,
    ) -> Result<Erasure, EraseError> {
        self.reader().erase(partition, before, edit)
    }

    /// Makes durable what was appended; gives the position up to which
    /// everything is.
    ///
    /// # Errors
    /// The log has failed for good.
    pub fn commit(&mut self) -> Result<Position, CommitError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone().into());
        }
        for chunk in self.pending.take() {
            if self.store.supply.stock().ready < chunk.segment {
                self.maintain()?;
            }
            let written = self.tail.write(&self.store, &chunk).map_err(Failure::of("commit"));
            self.keep(written)?;
            self.pending.recycle(chunk.bytes);
        }
        Ok(self.store.durable())
    }

    /// What the background thread of a [`crate::Log`] does: makes the next
    /// segment and the reserve, indexes what is sealed, removes what is old.
    ///
    /// # Errors
    /// The log has failed for good.
    pub fn maintain(&mut self) -> Result<(), Failure> {
        let done = self.store.upkeep();
        self.keep(done)
    }

    fn keep(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        self.failure = outcome.as_ref().err().cloned().or(self.failure.take());
        outcome
    }

    /// Frames from `position` on that are durable.
    #[must_use]
    pub fn read_from(&self, position: Position) -> Frames {
        self.reader().read_from(position)
    }

    /// The reading side.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { store: Arc::clone(&self.store) }
    }

    /// Begins a snapshot; finishing it needs everything it covers committed.
    pub fn snapshot(&self) -> Result<SnapshotWriter, SnapshotError> {
        SnapshotWriter::begin(Arc::clone(&self.store), Box::new(|_| Ok(())))
    }

    /// Whether the log takes what it is given.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::of(&self.store, self.failure.as_ref())
    }

    /// Figures so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.store.stats(self.pending.bytes())
    }
}

/// The end of the log on the disk.
pub(crate) struct Tail {
    segment: u64,
    file: Arc<dyn DiskFile>,
}

impl Tail {
    /// Writes and syncs one commit. Afterwards it is durable, and nobody has
    /// been told yet.
    pub(crate) fn write(&mut self, store: &Store, chunk: &Chunk) -> io::Result<()> {
        store.saw_time(chunk.newest);
        if chunk.segment != self.segment {
            self.enter(store, chunk.segment)?;
        }
        let end = chunk.offset + chunk.bytes.len() as u64;
        if let Some(fill) = &store.fill {
            fill.make_way(chunk.segment, end);
        }
        write_all_at(&*self.file, &chunk.bytes, chunk.offset)?;
        crashpoint::hit("commit-write");
        let begin = Instant::now();
        self.file.sync_data()?;
        store.counters.syncs.add(begin.elapsed());
        crashpoint::hit("commit-synced");
        store.counters.frames.fetch_add(chunk.frames, Ordering::Relaxed);
        store.counters.bytes.fetch_add(chunk.bytes.len() as u64, Ordering::Relaxed);
        store.set_durable(store.geometry.position(chunk.segment, end));
        Ok(())
    }

    fn enter(&mut self, store: &Store, segment: u64) -> io::Result<()> {
        crashpoint::hit("seal");
        self.file = store.disk.open(&segment_name(segment))?;
        self.segment = segment;
        let header = read_header(&*self.file)?.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        store.activate(header);
        Ok(())
    }
}

impl Store {
    /// One round of upkeep. Only what keeps the log from going on is an
    /// error; the rest is counted and tried again in the next round.
    pub(crate) fn upkeep(&self) -> Result<(), Failure> {
        let _turn = lock(&self.upkeep_turn);
        self.fill_first().map_err(Failure::of("preparing of a segment"))?;
        self.restock()?;
        let indexed = self.index_sealed();
        let retired = self.retire(self.now());
        let failed = u64::from(indexed.is_err()) + u64::from(retired.is_err());
        self.counters.upkeep_failures.fetch_add(failed, Ordering::Relaxed);
        if retired.is_ok_and(|removed| removed > 0) && self.supply.stock().is_full {
            self.restock()?;
        }
        Ok(())
    }
}
