//! What has to be looked at, and when.

use openclaw_alert::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is due. A timer is a reminder, not a decision: whoever takes it looks
/// at the state, which may have moved on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The alert in this slot may have ended.
    Alert(u32),
    /// The group in this slot may have to be told.
    Group(u32),
    /// The outbox entry in this slot may have to be sent again.
    Entry(u32),
    /// Deferred alerts may come in.
    Backlog,
    /// Alerts of the tenant have to be taken to the groups of new settings.
    Move(u16),
    /// The tenant's watchdog has to be heard.
    Watchdog(u16),
    /// A source of the tenant, by its place among those that are watched, may
    /// have gone silent.
    Source(u16, u16),
    /// Alerts of a tenant that is being removed have to end.
    Leave(u16),
    /// Lanes that had to wait may have something to send.
    Lanes,
    /// Silences may be over, of more than one step can look at.
    Silences,
}

/// Reminders by time. Not part of the durable state: recovery sets them anew.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Timestamp, Timer)>>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Timestamp, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    pub(crate) fn next_at(&self) -> Timestamp {
        self.heap.peek().map_or(Timestamp::MAX, |Reverse((at, _))| *at)
    }

    /// The next that is due, with the time it was set for.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        if self.next_at() > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due)
    }
}
