//! The log with its two threads: one commits, one does the upkeep.

use crate::pending::{Checked, Chunk, PENDING_MAX, Pending, payload_max};
use crate::reader::{Frames, Reader, Replay};
use crate::segments::scan::Damage;
use crate::snapshot::{Snapshot, SnapshotWriter};
use crate::store::{Store, lock};
use crate::wait::{Committed, Room, Waiting};
use crate::writer::{Tail, Writer};
use crate::{
    AppendError, Class, CommitError, Edit, EraseError, Erasure, Failure, Frame, Position, ReadError,
    SnapshotError, Stats, StoredFrame,
};
use openclaw_alert::{PartitionId, Timestamp};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often a full disk is asked for space again.
const RETRY: Duration = Duration::from_secs(1);

/// Whether the log takes what it is given.
#[derive(Debug, Clone)]
pub enum Health {
    /// Everything.
    Good,
    /// Outcomes of earlier work, but no new work.
    DiskFull,
    /// Nothing, until the process is started again.
    Failed(Failure),
}

impl Health {
    pub(crate) fn of(store: &Store, failure: Option<&Failure>) -> Self {
        match failure {
            Some(failure) => Self::Failed(failure.clone()),
            None if store.supply.stock().is_full => Self::DiskFull,
            None => Self::Good,
        }
    }
}

/// The log: cheap to clone, usable from any thread. The last clone to go
/// commits what is pending and ends the threads, as [`Log::shutdown`] does.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    reader: Reader,
    threads: Arc<Threads>,
}

/// The right to append one frame of a class; see [`Log::admit`].
#[derive(Debug)]
#[must_use = "a permit is for appending a frame"]
pub struct Permit(());

struct Shared {
    intake: Mutex<Intake>,
    /// There is something to commit, or nothing will come any more.
    filled: Condvar,
    waiting: Arc<Waiting>,
    upkeep: Mutex<Upkeep>,
    upkeep_due: Condvar,
}

struct Intake {
    pending: Pending,
    is_log_asleep: bool,
    is_closed: bool,
}

#[derive(Default)]
struct Upkeep {
    is_due: bool,
    is_closed: bool,
}

impl Log {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(writer: Writer) -> io::Result<Self> {
        let Writer { store, pending, tail, failure } = writer;
        let waiting = Arc::new(Waiting::new(Arc::clone(&store)));
        let shared = Arc::new(Shared {
            intake: Mutex::new(Intake { pending, is_log_asleep: false, is_closed: false }),
            filled: Condvar::new(),
            waiting,
            upkeep: Mutex::new(Upkeep { is_due: true, is_closed: false }),
            upkeep_due: Condvar::new(),
        });
        failure.into_iter().for_each(|failure| shared.fail(failure));
        let threads = Arc::new(Threads { shared: Arc::clone(&shared), running: Mutex::default() });
        let for_commits = Arc::clone(&shared);
        threads.spawn("journal-commit", move || for_commits.run_commits(tail))?;
        let for_upkeep = Arc::clone(&shared);
        threads.spawn("journal-upkeep", move || for_upkeep.run_upkeep())?;
        Ok(Self { shared, reader: Reader { store }, threads })
    }

    /// Takes a frame into memory, without waiting for anything. Gives the
    /// position of its end: pass it to [`Log::committed`].
    pub fn append(&self, frame: &Frame<'_>) -> Result<Position, AppendError> {
        let permit = self.admit(frame.class, frame.payload.len())?;
        self.append_with(permit, frame)
    }

    /// Asks whether a frame of this class, with a payload of at most so many
    /// bytes, would be taken, before the work that leads to it is done. A disk
    /// that fills up meanwhile does not matter to who has a permit.
    pub fn admit(&self, class: Class, payload_max: usize) -> Result<Permit, AppendError> {
        let waiting = &self.shared.waiting;
        if let Some(failure) = waiting.failure.get() {
            return Err(failure.clone().into());
        }
        if !waiting.store.supply.admits(class) {
            return Err(AppendError::DiskFull);
        }
        if waiting.pending_bytes.load(Ordering::Acquire) > PENDING_MAX / 2 {
            return Err(AppendError::Busy);
        }
        self.shared.check_room(payload_max)?;
        Ok(Permit(()))
    }

    /// Most bytes of payload that one frame may have.
    #[must_use]
    pub fn payload_max(&self) -> usize {
        payload_max(self.reader.store.geometry) as usize
    }

    /// Takes a frame that was let in.
    pub fn append_with(&self, _: Permit, frame: &Frame<'_>) -> Result<Position, AppendError> {
        let checked = Checked::new(frame, self.reader.store.geometry)?;
        self.shared.take_in(&checked, false)
    }

    /// Takes a frame as the first of a segment: once it is durable, all frames
    /// before it are in sealed segments.
    pub fn seal(&self, frame: &Frame<'_>) -> Result<Position, AppendError> {
        let checked = Checked::new(frame, self.reader.store.geometry)?;
        self.shared.take_in(&checked, true)
    }

    /// Overwrites payloads of a partition in the sealed segments that end
    /// before `before`, as [`Log::seal`] gave it, and removes copies that may
    /// hold the same. Takes as long as reading the log does; others go on
    /// meanwhile. What snapshots hold is not touched; whose frames a recovery
    /// replays is for the caller to see to, so that it finds what it needs.
    pub fn erase(
        &self,
        partition: PartitionId,
        before: Position,
        edit: &mut dyn Edit,
    ) -> Result<Erasure, EraseError> {
        self.reader.erase(partition, before, edit)
    }

    /// A future that completes when everything before `position` is durable.
    pub fn committed(&self, position: Position) -> Committed {
        Committed::new(Arc::clone(&self.shared.waiting), position)
    }

    /// Blocks until everything before `position` is durable.
    pub fn wait(&self, position: Position) -> Result<(), CommitError> {
        self.shared.waiting.block(position)
    }

    /// A future that completes while less than 16 MiB are pending.
    pub fn room(&self) -> Room {
        Room::new(Arc::clone(&self.shared.waiting))
    }

    /// Everything before it is durable.
    #[must_use]
    pub fn durable(&self) -> Position {
        self.reader.durable()
    }

    /// Appended and not durable yet.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.shared.waiting.pending_bytes.load(Ordering::Acquire)
    }

    /// Whether the log takes what it is given.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::of(&self.reader.store, self.shared.waiting.failure.get())
    }

    /// Figures so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.reader.store.stats(self.pending_bytes())
    }

    /// The reading side.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// See [`Reader::read_at`].
    pub fn read_at(&self, position: Position) -> Result<StoredFrame, ReadError> {
        self.reader.read_at(position)
    }

    /// See [`Reader::read_from`].
    #[must_use]
    pub fn read_from(&self, position: Position) -> Frames {
        self.reader.read_from(position)
    }

    /// See [`Reader::find`].
    pub fn find(&self, key: u64, from: Position) -> Result<Vec<Position>, ReadError> {
        self.reader.find(key, from)
    }

    /// See [`Reader::locate`].
    pub fn locate(&self, partition: PartitionId, offset: u64) -> Result<Option<Position>, ReadError> {
        self.reader.locate(partition, offset)
    }

    /// See [`Reader::load_snapshot`].
    pub fn load_snapshot(&self) -> io::Result<Option<Snapshot>> {
        self.reader.load_snapshot()
    }

    /// See [`Reader::recover`].
    #[must_use]
    pub fn recover(&self, snapshot: Option<&Snapshot>) -> Replay {
        self.reader.recover(snapshot)
    }

    /// See [`Reader::damage`].
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.reader.damage()
    }

    /// Begins a snapshot. Finishing it blocks until the log has caught up.
    pub fn snapshot(&self) -> Result<SnapshotWriter, SnapshotError> {
        let shared = Arc::clone(&self.shared);
        let wait = Box::new(move |position| shared.waiting.block(position));
        SnapshotWriter::begin(Arc::clone(&self.reader.store), wait)
    }

    /// Tells the log the time while nothing is appended, and has what is too
    /// old removed.
    pub fn retain(&self, now: Timestamp) {
        self.reader.store.saw_time(now);
        self.shared.ask_for_upkeep();
    }

    /// Commits what is pending, takes nothing more, and ends the threads.
    pub fn shutdown(&self) {
        self.threads.end();
    }
}

impl Shared {
    /// A panic between two statements here could leave half a frame behind,
    /// so it counts as a failure of the log.
    fn intake(&self) -> Result<MutexGuard<'_, Intake>, AppendError> {
        self.intake.lock().map_err(|poisoned| {
            drop(poisoned);
            self.fail(Failure::of("append")(io::Error::other("a thread panicked while appending")));
            self.refusal()
        })
    }

    fn refusal(&self) -> AppendError {
        self.waiting.failure.get().cloned().map_or(AppendError::Closed, AppendError::Failed)
    }

    fn take_in(&self, checked: &Checked<'_>, is_first: bool) -> Result<Position, AppendError> {
        let mut intake = self.intake()?;
        if intake.is_closed {
            return Err(self.refusal());
        }
        let before = intake.pending.bytes();
        if is_first {
            intake.pending.seal(checked.partition(), &self.waiting.store.supply)?;
        }
        let end = self.push(&mut intake.pending, checked)?;
        let added = intake.pending.bytes() - before;
        self.waiting.pending_bytes.fetch_add(added, Ordering::AcqRel);
        let wake = std::mem::take(&mut intake.is_log_asleep);
        drop(intake);
        if wake {
            self.filled.notify_one();
        }
        Ok(end)
    }

    fn check_room(&self, payload_max: usize) -> Result<(), AppendError> {
        let intake = self.intake()?;
        let supply = &self.waiting.store.supply;
        let checked = intake.pending.check_room(payload_max, supply);
        if matches!(checked, Err(AppendError::Busy)) {
            self.waiting.set_starved(true);
            if intake.pending.may_go_on(supply) {
                self.waiting.set_starved(false);
                return intake.pending.check_room(payload_max, supply);
            }
        }
        checked
    }

    fn push(&self, pending: &mut Pending, checked: &Checked<'_>) -> Result<Position, AppendError> {
        let supply = &self.waiting.store.supply;
        let pushed = pending.push(checked, supply);
        if !matches!(pushed, Err(AppendError::Busy)) || pending.may_go_on(supply) {
            return pushed;
        }
        self.waiting.set_starved(true);
        if !pending.may_go_on(supply) {
            return pushed;
        }
        self.waiting.set_starved(false);
        pending.push(checked, supply)
    }

    fn run_commits(&self, mut tail: Tail) {
        let _end = Ending { shared: self, is_last: true };
        while let Some(chunks) = self.next_chunks() {
            for chunk in chunks {
                if let Err(error) = self.commit(&mut tail, &chunk) {
                    return self.fail(Failure::of("commit")(error));
                }
                let bytes = chunk.bytes.len() as u64;
                self.waiting.pending_bytes.fetch_sub(bytes, Ordering::AcqRel);
                self.waiting.published();
                if let Ok(mut intake) = self.intake.lock() {
                    intake.pending.recycle(chunk.bytes);
                }
            }
        }
    }

    /// Everything appended since the last call; `None` when nothing will be
    /// any more.
    fn next_chunks(&self) -> Option<Vec<Chunk>> {
        let mut intake = self.intake().ok()?;
        while intake.pending.is_empty() {
            if intake.is_closed {
                return None;
            }
            intake.is_log_asleep = true;
            intake = self.filled.wait(intake).ok()?;
        }
        intake.is_log_asleep = false;
        Some(intake.pending.take())
    }

    fn commit(&self, tail: &mut Tail, chunk: &Chunk) -> io::Result<()> {
        let store = &self.waiting.store;
        if !store.supply.wait_for(chunk.segment) {
            return Err(io::Error::other("the next segment could not be made"));
        }
        let active = store.active();
        tail.write(store, chunk)?;
        if store.active() != active {
            self.ask_for_upkeep();
        }
        Ok(())
    }

    /// Ends the log for good. The first failure is the one that is told.
    fn fail(&self, failure: Failure) {
        self.waiting.failure.get_or_init(|| failure);
        self.close();
        self.end_upkeep();
        self.waiting.ended();
    }

    fn end_upkeep(&self) {
        lock(&self.upkeep).is_closed = true;
        self.upkeep_due.notify_one();
        self.waiting.store.supply.end();
    }

    fn close(&self) {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.filled.notify_all();
    }

    fn ask_for_upkeep(&self) {
        lock(&self.upkeep).is_due = true;
        self.upkeep_due.notify_one();
    }

    fn run_upkeep(&self) {
        let _end = Ending { shared: self, is_last: false };
        while self.upkeep_is_due() {
            if let Err(failure) = self.waiting.store.upkeep() {
                return self.fail(failure);
            }
            self.waiting.set_starved(false);
            self.waiting.published();
        }
    }

    /// Waits for a reason to do a round; false when the log is closed.
    fn upkeep_is_due(&self) -> bool {
        let mut upkeep = lock(&self.upkeep);
        while !upkeep.is_due && !upkeep.is_closed {
            if !self.waiting.store.supply.stock().is_full {
                upkeep = self.upkeep_due.wait(upkeep).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.upkeep_due.wait_timeout(upkeep, RETRY);
            upkeep = waited.unwrap_or_else(PoisonError::into_inner).0;
            break;
        }
        upkeep.is_due = false;
        !upkeep.is_closed
    }
}

/// What holds when a thread of the log ends, however it does.
struct Ending<'a> {
    shared: &'a Shared,
    is_last: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.fail(Failure::of("thread")(io::Error::other("a thread of the log panicked")));
        }
        // The last commits may still need another segment.
        if self.is_last {
            self.shared.end_upkeep();
            self.shared.waiting.ended();
        }
    }
}

struct Threads {
    shared: Arc<Shared>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let handle = thread::Builder::new().name(name.into()).spawn(run)?;
        lock(&self.running).push(handle);
        Ok(())
    }

    fn end(&self) {
        self.shared.close();
        let running = std::mem::take(&mut *lock(&self.running));
        // A waker that drops the last log runs on a thread of the log, which
        // can wait neither for itself nor for the one that waits for it.
        let own = thread::current().id();
        if running.iter().any(|thread| thread.thread().id() == own) {
            return;
        }
        for thread in running {
            // A panic there was told as a failure.
            let _ = thread.join();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}
