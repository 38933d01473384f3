//! Snapshots: the state of all partitions up to some position, so that a
//! replay need not begin at the first frame.
//!
//! A file `snapshots/N.snap`, N counting up: a head, a part for each
//! partition, a tail. It is written under another name, synced, and renamed
//! only when the log is durable up to everything it covers: a snapshot is
//! never ahead of the log. The newest two are kept.
//!
//! ```text
//! head: magic 8 · version 4 · crc 4
//! part: "part" 4 · partition 4 · covered 8 · length 8 · crc of the bytes 4 · crc 4 · bytes
//! tail: "tail" 4 · parts 4 · zero 20 · crc 4
//! ```

use crate::disk::{Disk, DiskFile, read_full_at, write_all_at};
use crate::frame::{u32_at, u64_at};
use crate::segments::{QUARANTINE, move_file, number_of, remove_if_there};
use crate::store::{Store, lock};
use crate::{CommitError, Position, SnapshotError, StoredFrame, crashpoint};
use openclaw_alert::{PARTITIONS, PartitionId};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) const FOLDER: &str = "snapshots";
const UNFINISHED: &str = "snapshots/unfinished.tmp";
const MAGIC: &[u8; 8] = b"oclawsnp";
const VERSION: u32 = 1;
const HEAD: usize = 16;
const ROW: usize = 32;
const PART: &[u8; 4] = b"part";
const TAIL: &[u8; 4] = b"tail";
const KEPT: usize = 2;
const BUFFER: usize = 256 << 10;

/// State of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Whose.
    pub partition: PartitionId,
    /// Frames of the partition before this position are part of the state.
    pub covered: Position,
    /// The state, in the caller's encoding.
    pub bytes: Vec<u8>,
}

/// A snapshot read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Counts up.
    pub number: u64,
    /// In the order in which they were added. A partition without a part has
    /// no state; all its frames are replayed.
    pub parts: Vec<Part>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Of the snapshot.
    pub number: u64,
    /// Of the file.
    pub bytes: u64,
}

/// Which frames are part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Covers {
    pub(crate) number: u64,
    covered: [Option<Position>; PARTITIONS],
}

impl Covers {
    fn new(number: u64) -> Self {
        Self { number, covered: [None; PARTITIONS] }
    }

    /// Is a frame at or after `covered` possible before `end`, in one of
    /// these partitions?
    pub(crate) fn need(&self, end: Position, mut partitions: impl Iterator<Item = PartitionId>) -> bool {
        partitions.any(|partition| self.covered[partition.index()].is_none_or(|covered| covered < end))
    }

    pub(crate) fn includes(&self, frame: &StoredFrame) -> bool {
        self.covered[frame.partition.index()].is_some_and(|covered| frame.position < covered)
    }

    pub(crate) fn most(&self) -> Position {
        self.covered.iter().flatten().copied().max().unwrap_or_default()
    }

    /// Where a replay has to begin, at the latest.
    pub(crate) fn least(&self) -> Position {
        let all = self.covered.iter().copied().map(Option::unwrap_or_default);
        all.min().unwrap_or_default()
    }
}

impl Snapshot {
    pub(crate) fn covers(&self) -> Covers {
        let mut covers = Covers::new(self.number);
        self.parts.iter().for_each(|part| covers.covered[part.partition.index()] = Some(part.covered));
        covers
    }
}

fn name(number: u64) -> String {
    format!("{FOLDER}/{number:016x}.snap")
}

/// Thirty-two bytes before a part, and at the end.
fn row(tag: [u8; 4], number: u32, covered: Position, length: u64, crc: u32) -> [u8; ROW] {
    let mut out = [0; ROW];
    out[0..4].copy_from_slice(&tag);
    out[4..8].copy_from_slice(&number.to_le_bytes());
    out[8..16].copy_from_slice(&covered.get().to_le_bytes());
    out[16..24].copy_from_slice(&length.to_le_bytes());
    out[24..28].copy_from_slice(&crc.to_le_bytes());
    let own = crc32c::crc32c(&out[..28]);
    out[28..32].copy_from_slice(&own.to_le_bytes());
    out
}

fn head() -> [u8; HEAD] {
    let mut out = [0; HEAD];
    out[..8].copy_from_slice(MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let own = crc32c::crc32c(&out[..12]);
    out[12..].copy_from_slice(&own.to_le_bytes());
    out
}

/// Writes one snapshot, part by part. Dropped unfinished, it leaves nothing.
pub struct SnapshotWriter {
    store: Arc<Store>,
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    written: u64,
    covers: Covers,
    parts: u32,
    is_broken: bool,
    wait: Wait,
}

/// Returns when the log is durable up to a position, or never will be.
pub(crate) type Wait = Box<dyn Fn(Position) -> Result<(), CommitError> + Send>;

impl SnapshotWriter {
    pub(crate) fn begin(store: Arc<Store>, wait: Wait) -> Result<Self, SnapshotError> {
        if store.is_snapshot_open.swap(true, Ordering::AcqRel) {
            return Err(SnapshotError::Busy);
        }
        let number = lock(&store.snapshots).last().map_or(1, |newest| newest.number + 1);
        let file = store.disk.create(UNFINISHED).inspect_err(|_| {
            store.is_snapshot_open.store(false, Ordering::Release);
        })?;
        let (buffer, covers) = (head().to_vec(), Covers::new(number));
        Ok(Self { store, file, buffer, written: 0, covers, parts: 0, is_broken: false, wait })
    }

    /// Adds the state of one partition, in which all its frames before
    /// `covered` are included and no later one.
    ///
    /// # Errors
    /// After an error the snapshot can't be finished.
    pub fn add(
        &mut self,
        partition: PartitionId,
        covered: Position,
        bytes: &[u8],
    ) -> Result<(), SnapshotError> {
        if self.covers.covered[partition.index()].is_some() {
            return Err(SnapshotError::Twice { partition: partition.get() });
        }
        let crc = crc32c::crc32c(bytes);
        let row = row(*PART, partition.get().into(), covered, bytes.len() as u64, crc);
        self.write(&row)?;
        self.write(bytes)?;
        self.covers.covered[partition.index()] = Some(covered);
        self.parts += 1;
        Ok(())
    }

    /// Waits until the log holds all that the snapshot covers, then makes it
    /// the newest and removes those that are no longer kept.
    ///
    /// # Errors
    /// The snapshots before it stay as they were.
    pub fn finish(mut self) -> Result<SnapshotReport, SnapshotError> {
        if self.is_broken {
            return Err(io::Error::other("an earlier write failed").into());
        }
        self.flush()?;
        crashpoint::hit("snapshot");
        self.write(&row(*TAIL, self.parts, Position::START, 0, 0))?;
        self.flush()?;
        let covered = self.covers.most();
        (self.wait)(covered)?;
        let durable = self.store.durable();
        if durable < covered {
            return Err(SnapshotError::AheadOfLog { covered, durable });
        }
        self.file.sync_data()?;
        move_file(&*self.store.disk, UNFINISHED, &name(self.covers.number))?;
        let report = SnapshotReport { number: self.covers.number, bytes: self.written };
        self.forget_older()?;
        Ok(report)
    }

    fn forget_older(&mut self) -> io::Result<()> {
        let mut kept = lock(&self.store.snapshots);
        kept.push(Arc::new(self.covers.clone()));
        while kept.len() > KEPT {
            let oldest = kept.remove(0);
            self.store.disk.remove(&name(oldest.number))?;
        }
        self.store.disk.sync_dir(FOLDER)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        if bytes.len() > BUFFER {
            return self.put(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = self.put(&buffer);
        buffer.clear();
        self.buffer = buffer;
        outcome
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let outcome = write_all_at(&*self.file, bytes, self.written);
        self.is_broken |= outcome.is_err();
        self.written += bytes.len() as u64;
        outcome
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        // Best effort: what is left is overwritten by the next snapshot.
        let _ = remove_if_there(&*self.store.disk, UNFINISHED);
        self.store.is_snapshot_open.store(false, Ordering::Release);
    }
}

/// Reads a snapshot part by part.
fn read_parts(file: &dyn DiskFile, mut visit: impl FnMut(Part)) -> io::Result<()> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let size = file.size()?;
    let mut found = [0; HEAD];
    if read_full_at(file, &mut found, 0)? < HEAD || found != head() {
        return Err(bad());
    }
    let (mut at, mut parts) = (HEAD as u64, 0);
    loop {
        let mut row = [0; ROW];
        let read = read_full_at(file, &mut row, at)?;
        if read < ROW || u32_at(&row, 28) != crc32c::crc32c(&row[..28]) {
            return Err(bad());
        }
        at += ROW as u64;
        if row.starts_with(TAIL) {
            return if u32_at(&row, 4) == parts { Ok(()) } else { Err(bad()) };
        }
        let length = u64_at(&row, 16);
        if !row.starts_with(PART) || length > size - at.min(size) {
            return Err(bad());
        }
        let mut bytes = vec![0; length as usize];
        let read = read_full_at(file, &mut bytes, at)?;
        if read < bytes.len() || crc32c::crc32c(&bytes) != u32_at(&row, 24) {
            return Err(bad());
        }
        let partition = u8::try_from(u32_at(&row, 4)).ok().and_then(PartitionId::new).ok_or_else(bad)?;
        visit(Part { partition, covered: Position::new(u64_at(&row, 8)), bytes });
        (at, parts) = (at + length, parts + 1);
    }
}

/// Snapshots that are sound, oldest first, and the names of those that are
/// not, which are moved out of the way.
pub(crate) fn survey(disk: &dyn Disk) -> io::Result<(Vec<Arc<Covers>>, Vec<String>)> {
    remove_if_there(disk, UNFINISHED)?;
    let names = disk.list(FOLDER)?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name, ".snap")).collect();
    numbers.sort_unstable();
    let (mut sound, mut bad) = (Vec::new(), Vec::new());
    for number in numbers {
        let file = disk.open(&name(number))?;
        let mut covers = Covers::new(number);
        match read_parts(&*file, |part| covers.covered[part.partition.index()] = Some(part.covered)) {
            Ok(()) => sound.push(Arc::new(covers)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                move_file(disk, &name(number), &format!("{QUARANTINE}/{number:016x}.snap"))?;
                bad.push(name(number));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((sound, bad))
}

impl Store {
    /// The newest snapshot that is sound.
    pub(crate) fn load_snapshot(&self) -> io::Result<Option<Snapshot>> {
        let known: Vec<u64> = lock(&self.snapshots).iter().rev().map(|covers| covers.number).collect();
        for number in known {
            let mut parts = Vec::new();
            let file = self.disk.open(&name(number))?;
            match read_parts(&*file, |part| parts.push(part)) {
                Ok(()) => return Ok(Some(Snapshot { number, parts })),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
