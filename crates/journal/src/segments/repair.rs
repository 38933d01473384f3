//! Puts the folder in order after a crash, before anything new is written.

use super::cursor::{Cursor, Swept};
use super::supply::SPARE;
use super::{QUARANTINE, move_file, segment_name};
use crate::Position;
use crate::disk::{Disk, DiskFile, read_full_at, write_all_at};
use std::io;

/// A commit that the crash cut short: nobody had been told that it was
/// durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub file: String,
    /// Where it was cut.
    pub position: Position,
    /// Bytes from there to the last one in use, now zero.
    pub bytes: u64,
}

/// There while a torn commit is being overwritten. A sync of zeros that failed
/// leaves a cache that says zeros and a disk that doesn't, so that the next
/// opening could not see what is to be done.
const REPAIR: &str = "repair";

/// A repair that has begun.
pub(crate) struct Repair<'d>(&'d dyn Disk);

impl<'d> Repair<'d> {
    /// One that was cut short.
    pub(crate) fn look(disk: &'d dyn Disk) -> io::Result<Option<Self>> {
        let is_there = disk.list("")?.iter().any(|name| name == REPAIR);
        Ok(is_there.then_some(Self(disk)))
    }

    pub(crate) fn begin(disk: &'d dyn Disk) -> io::Result<Self> {
        disk.create(REPAIR)?;
        disk.sync_dir("")?;
        Ok(Self(disk))
    }

    pub(crate) fn end(self) -> io::Result<()> {
        self.0.remove(REPAIR)?;
        self.0.sync_dir("")
    }
}

/// Copies a segment to where it stays until someone removes it, unless a
/// copy made for the same place is there. Gives the copy's name.
pub(crate) fn quarantine(disk: &dyn Disk, number: u64, at: Position) -> io::Result<String> {
    let copy = format!("{QUARANTINE}/{number:016x}-{at}.seg");
    let is_there = |name: &String| copy.strip_prefix(QUARANTINE).is_some_and(|rest| &rest[1..] == name);
    if disk.list(QUARANTINE)?.iter().any(is_there) {
        return Ok(copy);
    }
    let unfinished = format!("{QUARANTINE}/unfinished.tmp");
    copy_file(disk, &segment_name(number), &unfinished)
        .and_then(|()| move_file(disk, &unfinished, &copy))
        .inspect_err(|_| {
            // Best effort: what is left is overwritten by the next copy.
            let _ = disk.remove(&unfinished);
        })?;
    Ok(copy)
}

fn copy_file(disk: &dyn Disk, from: &str, to: &str) -> io::Result<()> {
    let (source, target) = (disk.open(from)?, disk.create(to)?);
    let mut chunk = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let read = read_full_at(&*source, &mut chunk, at)?;
        if read == 0 {
            return target.sync_data();
        }
        write_all_at(&*target, &chunk[..read], at)?;
        at += read as u64;
    }
}

/// Writes `[from, end)` once more as it is read, and syncs it: the last
/// commit, of which reading proves nothing. After a failed sync, or a kill
/// between write and sync, the cache may hold what the disk does not.
pub(crate) fn rewrite(file: &dyn DiskFile, from: u64, end: u64) -> io::Result<()> {
    let mut at = from;
    let mut chunk = vec![0; 1 << 20];
    while at < end {
        let length = chunk.len().min((end - at) as usize);
        let read = read_full_at(file, &mut chunk[..length], at)?;
        chunk[read..length].fill(0);
        write_all_at(file, &chunk[..length], at)?;
        at += length as u64;
    }
    file.sync_data()
}

/// Bytes in use from `end` on, of a segment whose `rest` is known.
pub(crate) fn torn_bytes(
    cursor: &mut Cursor,
    end: u64,
    rest: Option<Swept>,
    segment_bytes: u64,
) -> io::Result<u64> {
    let used = match rest {
        Some(rest) => {
            let behind = cursor.last_used(rest.to, segment_bytes)?;
            let before = cursor.last_used(end, rest.from)?;
            // Each says where it began if it found nothing.
            let found = [(behind, rest.to), (rest.used, rest.from), (before, end)];
            found.into_iter().find(|(used, from)| used > from).map_or(end, |(used, _)| used)
        }
        None => cursor.last_used(end, segment_bytes)?,
    };
    Ok(used.saturating_sub(end))
}

/// Takes the segments behind the active one away, last first so that no gap
/// can come of it. They hold nothing, and are made again when needed.
pub(crate) fn drop_unused(disk: &dyn Disk, numbers: impl DoubleEndedIterator<Item = u64>) -> io::Result<()> {
    numbers.rev().try_for_each(|number| move_file(disk, &segment_name(number), SPARE))
}
