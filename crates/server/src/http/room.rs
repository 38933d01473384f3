//! Room for so many at a time of what anybody may begin. Whoever only begins
//! can't use it up: the newest always gets in, at the cost of the one that has
//! waited longest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

#[derive(Default)]
struct Running {
    next: u64,
    /// By age; a dropped sender tells that there is no more room.
    by_number: BTreeMap<u64, oneshot::Sender<()>>,
}

/// How many there may be, and those there are.
pub(crate) struct Room {
    most: usize,
    running: Arc<Mutex<Running>>,
}

/// The place of one.
pub(crate) struct Ticket {
    number: u64,
    crowded_out: oneshot::Receiver<()>,
    running: Arc<Mutex<Running>>,
}

impl Room {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, running: Arc::default() }
    }

    pub(crate) fn begin(&self) -> Ticket {
        let (stays, crowded_out) = oneshot::channel();
        let mut running = lock(&self.running);
        if running.by_number.len() >= self.most {
            running.by_number.pop_first();
        }
        let number = running.next;
        running.next += 1;
        running.by_number.insert(number, stays);
        Ticket { number, crowded_out, running: Arc::clone(&self.running) }
    }
}

impl Ticket {
    /// Comes back when a newer one needed the room.
    pub(crate) async fn crowded_out(&mut self) {
        let _ = (&mut self.crowded_out).await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.running).by_number.remove(&self.number);
    }
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn is_out(ticket: &mut Ticket) -> bool {
        ticket.crowded_out().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_makes_room() {
        let room = Room::new(2);
        let (mut a, mut b) = (room.begin(), room.begin());
        assert!(!is_out(&mut a) && !is_out(&mut b));
        let mut c = room.begin();
        assert!(is_out(&mut a) && !is_out(&mut b) && !is_out(&mut c));
        drop(b);
        let mut d = room.begin();
        assert!(!is_out(&mut c) && !is_out(&mut d));
        drop((a, c, d));
        assert!(lock(&room.running).by_number.is_empty());
    }
}
