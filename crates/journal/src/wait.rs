//! Waiting for the log: futures and a blocking wait.
//!
//! Registering and publishing race: a waiter that looks at the durable
//! position just before it moves, and registers just after the wakers were
//! collected, would sleep for ever. So the waiter looks once more under the
//! list's mutex before it registers, and the publisher moves the position
//! before it takes that mutex. Whichever comes second to the mutex sees what
//! the other did; no ordering of the position alone could promise that.

use crate::store::{Store, lock};
use crate::{CommitError, Failure, Position};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

/// Appended and not durable: from here on, who can wait should.
const ROOM: u64 = 16 << 20;

/// Those who wait for the log, and how it ended.
pub(crate) struct Waiting {
    pub(crate) store: Arc<Store>,
    list: Mutex<List>,
    /// For those who block.
    moved: Condvar,
    pub(crate) failure: OnceLock<Failure>,
    pub(crate) pending_bytes: AtomicU64,
    /// A frame was refused for want of a segment to put it in.
    is_starved: AtomicBool,
}

#[derive(Default)]
struct List {
    next_id: u64,
    commits: BTreeMap<(Position, u64), Waker>,
    rooms: BTreeMap<u64, Waker>,
    is_closed: bool,
}

impl Waiting {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            list: Mutex::default(),
            moved: Condvar::new(),
            failure: OnceLock::new(),
            pending_bytes: AtomicU64::new(0),
            is_starved: AtomicBool::new(false),
        }
    }

    /// Wakes whoever waited for what is durable now.
    pub(crate) fn published(&self) {
        let mut list = lock(&self.list);
        let later = list.commits.split_off(&(Position::new(self.store.durable().get() + 1), 0));
        let commits = std::mem::replace(&mut list.commits, later);
        let rooms = if self.has_room() { std::mem::take(&mut list.rooms) } else { BTreeMap::new() };
        self.moved.notify_all();
        drop(list);
        commits.into_values().chain(rooms.into_values()).for_each(Waker::wake);
    }

    /// Wakes everyone: nothing will be committed any more.
    pub(crate) fn ended(&self) {
        let mut list = lock(&self.list);
        list.is_closed = true;
        let commits = std::mem::take(&mut list.commits);
        let rooms = std::mem::take(&mut list.rooms);
        self.moved.notify_all();
        drop(list);
        commits.into_values().chain(rooms.into_values()).for_each(Waker::wake);
    }

    pub(crate) fn has_room(&self) -> bool {
        self.pending_bytes.load(Ordering::Acquire) < ROOM && !self.is_starved.load(Ordering::SeqCst)
    }

    /// A frame found no segment. Look at the stock once more afterwards: a
    /// segment made in between would else go unnoticed. Sequentially
    /// consistent, as flag and stock are written and read crosswise.
    pub(crate) fn set_starved(&self, is_starved: bool) {
        self.is_starved.store(is_starved, Ordering::SeqCst);
    }

    /// What can be said of a position with the list locked; `None` to wait.
    fn verdict(&self, position: Position, list: &List) -> Option<Result<(), CommitError>> {
        if self.store.durable() >= position {
            return Some(Ok(()));
        }
        if !list.is_closed {
            return None;
        }
        let failure = self.failure.get().cloned();
        Some(Err(failure.map_or(CommitError::Closed { position }, CommitError::Failed)))
    }

    pub(crate) fn block(&self, position: Position) -> Result<(), CommitError> {
        let mut list = lock(&self.list);
        loop {
            if let Some(verdict) = self.verdict(position, &list) {
                return verdict;
            }
            list = self.moved.wait(list).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Completes when the log is durable up to a position. Dropping it gives up
/// waiting, nothing else.
#[must_use = "a future does nothing until it is polled"]
pub struct Committed {
    waiting: Arc<Waiting>,
    position: Position,
    id: Option<u64>,
}

impl Committed {
    pub(crate) fn new(waiting: Arc<Waiting>, position: Position) -> Self {
        Self { waiting, position, id: None }
    }
}

impl Future for Committed {
    type Output = Result<(), CommitError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.waiting.store.durable() >= this.position {
            return Poll::Ready(Ok(()));
        }
        let mut list = lock(&this.waiting.list);
        if let Some(verdict) = this.waiting.verdict(this.position, &list) {
            return Poll::Ready(verdict);
        }
        let id = *this.id.get_or_insert(list.next_id);
        list.next_id = list.next_id.max(id + 1);
        register(list.commits.entry((this.position, id)), context.waker());
        Poll::Pending
    }
}

impl Drop for Committed {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            lock(&self.waiting.list).commits.remove(&(self.position, id));
        }
    }
}

/// Completes when so little is pending that appending more is reasonable,
/// or when the log has ended.
#[must_use = "a future does nothing until it is polled"]
pub struct Room {
    waiting: Arc<Waiting>,
    id: Option<u64>,
}

impl Room {
    pub(crate) fn new(waiting: Arc<Waiting>) -> Self {
        Self { waiting, id: None }
    }
}

impl Future for Room {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut list = lock(&this.waiting.list);
        if list.is_closed || this.waiting.has_room() {
            return Poll::Ready(());
        }
        let id = *this.id.get_or_insert(list.next_id);
        list.next_id = list.next_id.max(id + 1);
        register(list.rooms.entry(id), context.waker());
        Poll::Pending
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            lock(&self.waiting.list).rooms.remove(&id);
        }
    }
}

fn register<K: Ord>(entry: std::collections::btree_map::Entry<'_, K, Waker>, waker: &Waker) {
    entry.and_modify(|known| known.clone_from(waker)).or_insert_with(|| waker.clone());
}
