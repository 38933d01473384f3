//! Reads a whole segment at start-up and says what is sound in it.

use super::cursor::{Cursor, Step, Swept};
use super::index::IndexBuilder;
use crate::frame::FRAME_HEADER;
use crate::segments::SEGMENT_DATA;
use crate::{KeysOf, Position};
use std::io;

/// A stretch of a segment where no sound frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// A later commit was begun, so all of this one had been synced.
    pub(crate) was_durable: bool,
    /// First byte of the last commit before it that left a sound frame.
    pub(crate) commit_before: Option<u64>,
}

/// All that one pass over a segment tells.
pub(crate) struct Scan {
    pub(crate) frames: u64,
    pub(crate) holes: Vec<Hole>,
    /// Behind the last sound frame or mark.
    pub(crate) end: u64,
    pub(crate) is_sealed: bool,
    /// First byte of the last commit that left a sound frame.
    pub(crate) last_commit: Option<u64>,
    /// Behind all that is sound.
    pub(crate) rest: Option<Swept>,
    pub(crate) index: IndexBuilder,
}

impl Scan {
    /// Of a segment that holds nothing.
    pub(crate) fn of_nothing(keys: KeysOf) -> Self {
        Self {
            frames: 0,
            holes: Vec::new(),
            end: SEGMENT_DATA,
            is_sealed: false,
            last_commit: None,
            rest: None,
            index: IndexBuilder::new(keys),
        }
    }

    /// Reads the segment under `cursor` from its first frame to its end.
    pub(crate) fn run(cursor: &mut Cursor, segment_bytes: u64, keys: KeysOf) -> io::Result<Self> {
        let mut scan = Self { end: cursor.offset, ..Self::of_nothing(keys) };
        let base = cursor.position().get() - cursor.offset;
        loop {
            match cursor.step(segment_bytes)? {
                Step::Frame(header, class) => {
                    scan.passed(header.commit_start().get() - base);
                    scan.frames += 1;
                    let payload = cursor.payload(&header, segment_bytes)?;
                    scan.index.add(&header, class, payload);
                    scan.end = cursor.offset;
                }
                Step::Sealed(mark) => {
                    if let Some(commit) = mark {
                        scan.passed(commit.get() - base);
                        scan.end += FRAME_HEADER as u64;
                    }
                    scan.is_sealed = true;
                    return Ok(scan);
                }
                Step::Bad { resume } => {
                    let from = cursor.offset;
                    if !cursor.resync(resume, segment_bytes)? {
                        scan.rest = cursor.swept;
                        return Ok(scan);
                    }
                    let commit_before = scan.last_commit;
                    scan.holes.push(Hole { from, to: cursor.offset, was_durable: false, commit_before });
                }
                Step::End => return Ok(scan),
            }
        }
    }

    /// Takes note that something sound belongs to the commit at `start`.
    fn passed(&mut self, start: u64) {
        for hole in self.holes.iter_mut().rev().take_while(|hole| !hole.was_durable) {
            hole.was_durable = start > hole.from;
        }
        self.last_commit = Some(start);
    }

    /// The first hole that no sync had passed, and that no snapshot or index
    /// proves to have been durable: a commit torn by the crash.
    pub(crate) fn tear(&self, durable_floor: u64) -> Option<Hole> {
        self.holes.iter().copied().find(|hole| !hole.was_durable && hole.from >= durable_floor)
    }

    /// Forgets everything from a torn commit's first bad byte on.
    pub(crate) fn cut_at(&mut self, tear: Hole) {
        self.holes.retain(|hole| hole.from < tear.from);
        self.end = tear.from;
        self.last_commit = tear.commit_before;
        self.is_sealed = false;
    }

    /// Takes the segment for sealed: where no mark says so, its rest is lost.
    pub(crate) fn seal(&mut self, segment_bytes: u64) {
        if !self.is_sealed {
            self.lost_up_to(segment_bytes);
            self.is_sealed = true;
        }
    }

    /// Marks `[end, to)` as lost after it had been durable.
    pub(crate) fn lost_up_to(&mut self, to: u64) {
        if self.end < to {
            let commit_before = self.last_commit;
            self.holes.push(Hole { from: self.end, to, was_durable: true, commit_before });
            self.end = to;
        }
    }
}

/// Damage in durable data: what stood there is gone, what stands behind it
/// is read as before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub file: String,
    /// First byte that is not sound.
    pub from: Position,
    /// First byte that is sound again.
    pub to: Position,
    /// The copy of the segment made for people to look at; none when there
    /// was no space for one.
    pub quarantined_as: Option<String>,
}
