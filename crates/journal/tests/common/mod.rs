//! A disk that can be held up, made to fail, and asked what it has synced.
#![allow(dead_code, reason = "each test binary uses its part")]

use openclaw_alert::{PartitionId, Timestamp};
use openclaw_journal::{
    AppendError, Class, Disk, DiskFile, FolderLock, Frame, LockError, Log, Options, Position, RealDisk,
    Writer,
};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

pub(crate) const SEGMENT_BYTES: u64 = 64 << 10;

pub(crate) fn options() -> Options {
    Options { segment_bytes: SEGMENT_BYTES, ..Options::default() }
}

pub(crate) fn frame(partition: u8, base_offset: u64, payload: &[u8]) -> Frame<'_> {
    Frame {
        partition: PartitionId::new(partition).unwrap(),
        class: Class::Intake,
        base_offset,
        records: 1,
        written_at: Timestamp::from_secs(1_700_000_000 + base_offset as i64),
        payload,
    }
}

/// The real disk, with a hand on it.
#[derive(Clone)]
pub(crate) struct Handled {
    inner: RealDisk,
    pub(crate) hand: Arc<Hand>,
}

#[derive(Default)]
pub(crate) struct Hand {
    pub(crate) sync_delay_micros: AtomicU64,
    pub(crate) syncs_fail: AtomicBool,
    pub(crate) is_full: AtomicBool,
    gate_closed: Mutex<bool>,
    gate_moved: Condvar,
    is_tracking: AtomicBool,
    synced: Mutex<HashMap<String, u64>>,
}

impl Hand {
    pub(crate) fn close_gate(&self) {
        *self.gate_closed.lock().unwrap() = true;
    }

    pub(crate) fn open_gate(&self) {
        *self.gate_closed.lock().unwrap() = false;
        self.gate_moved.notify_all();
    }

    pub(crate) fn track(&self) {
        self.is_tracking.store(true, Ordering::SeqCst);
    }

    /// How far a segment has been synced since tracking began.
    pub(crate) fn synced_to(&self, segment: u64) -> u64 {
        let name = format!("segments/{segment:016x}.seg");
        self.synced.lock().unwrap().get(&name).copied().unwrap_or(0)
    }

    fn pass_gate(&self) {
        let mut closed = self.gate_closed.lock().unwrap();
        while *closed {
            closed = self.gate_moved.wait(closed).unwrap();
        }
    }
}

impl Handled {
    pub(crate) fn new(folder: &tempfile::TempDir) -> Self {
        Self { inner: RealDisk::new(folder.path()).unwrap(), hand: Arc::default() }
    }

    pub(crate) fn writer(&self, options: Options) -> Writer {
        Writer::open(Arc::new(self.clone()), options, Timestamp::from_secs(1_700_000_000)).unwrap().0
    }

    pub(crate) fn log(&self, options: Options) -> Log {
        Log::start(self.writer(options)).unwrap()
    }

    fn wrap(&self, path: &str, file: io::Result<Arc<dyn DiskFile>>) -> io::Result<Arc<dyn DiskFile>> {
        let (hand, name) = (Arc::clone(&self.hand), path.to_owned());
        Ok(Arc::new(HandledFile { inner: file?, hand, name, written: AtomicU64::new(0) }))
    }
}

impl Disk for Handled {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.inner.create_dir(path)
    }
    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.wrap(path, self.inner.create(path))
    }
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.wrap(path, self.inner.open(path))
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.inner.remove(path)
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
    fn lock(&self) -> Result<FolderLock, LockError> {
        self.inner.lock()
    }
}

struct HandledFile {
    inner: Arc<dyn DiskFile>,
    hand: Arc<Hand>,
    name: String,
    written: AtomicU64,
}

impl DiskFile for HandledFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.hand.is_full.load(Ordering::SeqCst) && offset + bytes.len() as u64 > self.inner.size()? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.inner.write_at(bytes, offset)?;
        if self.hand.is_tracking.load(Ordering::SeqCst) {
            self.written.fetch_max(offset + written as u64, Ordering::SeqCst);
        }
        Ok(written)
    }

    fn sync_data(&self) -> io::Result<()> {
        let written = self.written.load(Ordering::SeqCst);
        if self.name.starts_with("segments/") {
            self.hand.pass_gate();
            pause(Duration::from_micros(self.hand.sync_delay_micros.load(Ordering::SeqCst)));
            if self.hand.syncs_fail.load(Ordering::SeqCst) {
                return Err(io::Error::other("told to fail"));
            }
        }
        self.inner.sync_data()?;
        let mut synced = self.hand.synced.lock().unwrap();
        let known = synced.entry(self.name.clone()).or_default();
        *known = written.max(*known);
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.inner.set_len(bytes)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }
}

/// Lets time pass.
pub(crate) fn pause(span: Duration) {
    let end = Instant::now() + span;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

/// Waits, for ten seconds at most, until something holds.
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        pause(Duration::from_millis(2));
    }
}

/// Appends, waiting for room where it has to.
pub(crate) fn append(log: &Log, frame: &Frame<'_>) -> Position {
    loop {
        match log.append(frame) {
            Ok(end) => return end,
            Err(AppendError::Busy) => block_on(log.room()),
            Err(error) => panic!("{error}"),
        }
    }
}

struct Unpark(Thread, AtomicBool);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.store(true, Ordering::SeqCst);
        self.0.unpark();
    }
}

/// Runs a future on this thread; fails when it is not woken in ten seconds.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&unpark));
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !unpark.1.swap(false, Ordering::SeqCst) {
            assert!(Instant::now() < end, "not woken");
            thread::park_timeout(Duration::from_secs(1));
        }
    }
}

/// Polls once.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
