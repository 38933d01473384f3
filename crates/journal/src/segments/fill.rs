//! Fills the first segment of a log with zeros while it is being used.
//!
//! Its space is taken and reads as zeros, so nothing depends on this but the
//! speed of commits: a file system notes each first write into unwritten space.
//! From the segment's end towards its beginning, a slice at a time; commits go
//! the other way, and never meet a slice that is under way.

use super::{SEGMENT_DATA, SLICE, segment_name, zero_fill};
use crate::store::{Store, lock};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

pub(crate) struct Fill {
    segment: u64,
    is_over: AtomicBool,
    turn: Mutex<Turn>,
    filled: Condvar,
}

struct Turn {
    /// Frames are written up to here, or are about to be.
    frames_to: u64,
    /// All from here on is filled.
    filled_from: u64,
    /// All from here on is filled or being filled.
    claimed_from: u64,
}

impl Fill {
    pub(crate) fn new(segment: u64, segment_bytes: u64) -> Self {
        let turn = Turn { frames_to: SEGMENT_DATA, filled_from: segment_bytes, claimed_from: segment_bytes };
        Self { segment, is_over: AtomicBool::new(false), turn: Mutex::new(turn), filled: Condvar::new() }
    }

    /// Waits for the slice under way where frames up to `end` would meet it.
    pub(crate) fn make_way(&self, segment: u64, end: u64) {
        if segment != self.segment || self.is_over.load(Ordering::Acquire) {
            return;
        }
        let mut turn = lock(&self.turn);
        turn.frames_to = turn.frames_to.max(end);
        while turn.claimed_from < end && turn.claimed_from < turn.filled_from && !self.has_ended() {
            turn = self.filled.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn has_ended(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// The next slice; none when all that has no frames is filled.
    fn claim(&self) -> Option<Range<u64>> {
        let mut turn = lock(&self.turn);
        let to = turn.claimed_from;
        let from = to.saturating_sub(SLICE as u64).max(turn.frames_to);
        if from >= to {
            return None;
        }
        turn.claimed_from = from;
        Some(from..to)
    }

    fn note_filled(&self) {
        let mut turn = lock(&self.turn);
        turn.filled_from = turn.claimed_from;
        self.filled.notify_all();
    }

    /// Filled, or never will be.
    fn end(&self) {
        let _turn = lock(&self.turn);
        self.is_over.store(true, Ordering::Release);
        self.filled.notify_all();
    }
}

impl Store {
    /// Fills what is left of the first segment, where this process has made it.
    pub(crate) fn fill_first(&self) -> io::Result<()> {
        let Some(fill) = self.fill.as_ref().filter(|fill| !fill.has_ended()) else { return Ok(()) };
        let filled = self.fill_slices(fill);
        fill.end();
        filled
    }

    fn fill_slices(&self, fill: &Fill) -> io::Result<()> {
        let file = self.disk.open(&segment_name(fill.segment))?;
        while let Some(slice) = fill.claim() {
            zero_fill(&*file, slice.start, slice.end)?;
            fill.note_filled();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = 4 << 20;

    #[test]
    fn frames_and_slices_never_meet() {
        let fill = Fill::new(0, BYTES);
        assert_eq!(fill.claim(), Some(3 << 20..BYTES));
        // What is before the slice need not wait for it.
        fill.make_way(0, 1 << 20);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| fill.make_way(0, (3 << 20) + 1));
            while lock(&fill.turn).frames_to == 1 << 20 {
                std::thread::yield_now();
            }
            assert!(!waits.is_finished());
            fill.note_filled();
            waits.join().unwrap();
        });
        assert_eq!(fill.claim(), None);
    }

    #[test]
    fn all_without_frames_is_filled() {
        let fill = Fill::new(0, BYTES);
        let mut left = BYTES;
        fill.make_way(0, SEGMENT_DATA + 8);
        while let Some(slice) = fill.claim() {
            assert_eq!(slice.end, left);
            left = slice.start;
            fill.note_filled();
        }
        assert_eq!(left, SEGMENT_DATA + 8);
    }

    #[test]
    fn another_segment_and_the_end_hold_nobody_up() {
        let fill = Fill::new(0, BYTES);
        fill.claim();
        fill.make_way(1, BYTES);
        fill.end();
        fill.make_way(0, BYTES);
    }
}
