//! Overwrites payloads in sealed segments, so that what they said is gone
//! while every frame keeps its place, its length and its number of records.
//!
//! A segment is written anew as `erased.tmp`: the same header, each frame where
//! it stood, zeros wherever nothing sound was. Then its index goes, the copy
//! takes the segment's name, and a new index is made, each of these durable
//! before the next: a crash leaves the segment as it was or as it is to be, and
//! never an index that lists what is gone. Who does it once more after a crash
//! finds done what is done.
//!
//! The files that hold what a segment held go as well: `spare`, which may be a
//! segment that was retired, and all of `quarantine/`, since in damaged bytes
//! nobody can tell whose they are. What the disk itself keeps of blocks that
//! are free again is not in this program's hands.

use crate::disk::{Disk, DiskFile, read_full_at, write_all_at};
use crate::frame::{FRAME_HEADER, Header};
use crate::segments::cursor::{Cursor, Step};
use crate::segments::index::{Index, IndexBuilder, index_name};
use crate::segments::supply::SPARE;
use crate::segments::{FOLDER, QUARANTINE, SEGMENT_DATA, move_file, remove_if_there, segment_name};
use crate::store::{Segment, Store, lock};
use crate::{Class, EraseError, Position, Reader, StoredFrame, crashpoint};
use openclaw_alert::PartitionId;
use std::io;
use std::sync::Arc;

pub(crate) const UNFINISHED: &str = "erased.tmp";

/// Written at a time.
const CHUNK: usize = 1 << 20;

/// Who knows what a frame says and what of it has to go.
pub trait Edit {
    /// Sees each frame of the partition that may be rewritten, in order, before
    /// any is.
    ///
    /// # Errors
    /// Nothing is rewritten.
    fn look(&mut self, frame: &StoredFrame) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

    /// The payload to take the place of this frame's, of the same length;
    /// `None` to leave it. Asked more than once, it says the same.
    ///
    /// # Errors
    /// The segment stays as it was.
    fn rewrite(
        &self,
        frame: &StoredFrame,
    ) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>>;
}

/// What an erasure has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erasure {
    /// Segments looked through.
    pub looked_at: usize,
    /// Those that were written anew.
    pub rewritten: usize,
    /// Copies of damaged files that were removed.
    pub quarantined_removed: usize,
}

impl Reader {
    /// Rewrites what `edit` says in the sealed segments that end before
    /// `before`. Others read, append and commit meanwhile.
    pub(crate) fn erase(
        &self,
        partition: PartitionId,
        before: Position,
        edit: &mut dyn Edit,
    ) -> Result<Erasure, EraseError> {
        // They would write the same copy.
        let _turn = lock(&self.store.erase_turn);
        let sealed = self.store.sealed_before(before);
        let may_have = |segment: &Segment| {
            let summary = segment.summary.as_ref();
            summary.is_none_or(|summary| summary.partitions().any(|one| one == partition))
        };
        for segment in sealed.iter().filter(|segment| may_have(segment)) {
            self.look(segment.header.number, partition, edit)?;
        }
        let mut erasure = Erasure { looked_at: sealed.len(), ..Erasure::default() };
        // All of them: nobody can tell whose the bytes in damaged stretches are.
        for segment in sealed {
            let number = segment.header.number;
            erasure.rewritten += usize::from(self.store.rewrite_segment(number, partition, edit)?);
        }
        erasure.quarantined_removed = self.store.remove_copies()?;
        Ok(erasure)
    }

    fn look(&self, number: u64, partition: PartitionId, edit: &mut dyn Edit) -> Result<(), EraseError> {
        let begin = self.store.geometry.position(number, 0);
        for frame in self.frames_of(number, begin) {
            let frame = frame?;
            if frame.partition == partition {
                edit.look(&frame).map_err(|source| EraseError::edit(&frame, source))?;
            }
        }
        Ok(())
    }
}

impl Store {
    fn sealed_before(&self, before: Position) -> Vec<Segment> {
        let end = self.active().min(self.geometry.segment(before));
        lock(&self.segments).range(..end).map(|(_, segment)| segment.clone()).collect()
    }

    /// Gives whether it had to be written anew.
    fn rewrite_segment(
        &self,
        number: u64,
        partition: PartitionId,
        edit: &dyn Edit,
    ) -> Result<bool, EraseError> {
        let Some(segment) = self.segment(number) else { return Ok(false) };
        match self.write_copy(&segment, partition, edit) {
            Ok(Some(index)) => self.put_in_place(&segment, &index),
            Ok(None) => Ok(false),
            // It was retired while it was read.
            Err(_) if self.segment(number).is_none() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The index of the copy; `None` if nothing has to be written anew.
    fn write_copy(
        &self,
        segment: &Segment,
        partition: PartitionId,
        edit: &dyn Edit,
    ) -> Result<Option<Index>, EraseError> {
        let number = segment.header.number;
        let failed = |source| EraseError::Io { file: segment_name(number), source };
        let file = self.disk.open(&segment_name(number)).map_err(failed)?;
        let rewriting = Rewriting { store: self, segment, file, partition, edit };
        if !rewriting.is_due()? {
            return Ok(None);
        }
        let index = rewriting.write().inspect_err(|_| {
            // Best effort: what is left is removed when the log is opened.
            let _ = remove_if_there(&*self.disk, UNFINISHED);
        })?;
        Ok(Some(index))
    }

    /// Unless the segment was retired meanwhile. Upkeep is held up by no more
    /// than this: who appends may wait for its next segment.
    fn put_in_place(&self, segment: &Segment, index: &Index) -> Result<bool, EraseError> {
        let _turn = lock(&self.upkeep_turn);
        let number = segment.header.number;
        let failed = |source| EraseError::Io { file: segment_name(number), source };
        if self.segment(number).is_none() {
            remove_if_there(&*self.disk, UNFINISHED).map_err(failed)?;
            return Ok(false);
        }
        self.swap(segment, index).map_err(failed)?;
        Ok(true)
    }

    /// Puts the copy in the segment's place.
    fn swap(&self, segment: &Segment, index: &Index) -> io::Result<()> {
        let number = segment.header.number;
        let _turn = lock(&self.index_turn);
        if let Some(known) = lock(&self.segments).get_mut(&number) {
            known.edition += 1;
        }
        remove_if_there(&*self.disk, &index_name(number))?;
        self.disk.sync_dir(FOLDER)?;
        crashpoint::hit("erase-unindexed");
        move_file(&*self.disk, UNFINISHED, &segment_name(number))?;
        crashpoint::hit("erase-renamed");
        let written = index.write(&*self.disk, &segment.header);
        if let Some(known) = lock(&self.segments).get_mut(&number) {
            known.summary = Some(Arc::new(index.summary.clone()));
            known.is_index_checked = written.is_ok();
        }
        // Without space for it, it is made when it is asked for.
        Ok(())
    }

    /// Removes the files that may be copies of a segment; says how many damaged ones.
    fn remove_copies(&self) -> Result<usize, EraseError> {
        let _turn = lock(&self.upkeep_turn);
        let failed = |file: &str| {
            let file = file.to_owned();
            move |source| EraseError::Io { file, source }
        };
        remove_if_there(&*self.disk, SPARE).map_err(failed(SPARE))?;
        self.disk.sync_dir("").map_err(failed(SPARE))?;
        let copies = self.disk.list(QUARANTINE).map_err(failed(QUARANTINE))?;
        for copy in &copies {
            let name = format!("{QUARANTINE}/{copy}");
            remove_if_there(&*self.disk, &name).map_err(failed(&name))?;
        }
        self.disk.sync_dir(QUARANTINE).map_err(failed(QUARANTINE))?;
        Ok(copies.len())
    }
}

/// One segment on its way to its copy.
struct Rewriting<'a> {
    store: &'a Store,
    segment: &'a Segment,
    file: Arc<dyn DiskFile>,
    partition: PartitionId,
    edit: &'a dyn Edit,
}

/// A piece of a segment, in order.
enum Piece<'a> {
    Frame(Header, Class, &'a [u8]),
    /// The mark that ends it.
    Seal,
    /// From here on nothing sound, up to the next piece.
    Hole(u64),
}

impl Rewriting<'_> {
    fn failed(&self) -> impl Fn(io::Error) -> EraseError + use<> {
        let file = segment_name(self.segment.header.number);
        move |source| EraseError::Io { file: file.clone(), source }
    }

    /// Gives each piece to `visit` with its offset, until that says false.
    fn walk(
        &self,
        mut visit: impl FnMut(u64, Piece<'_>) -> Result<bool, EraseError>,
    ) -> Result<(), EraseError> {
        let failed = self.failed();
        let (header, store) = (&self.segment.header, self.store);
        let limit = store.options.segment_bytes;
        let mut cursor = Cursor::new(Arc::clone(&self.file), store.geometry, header.number, header.salt());
        loop {
            let at = cursor.offset;
            match cursor.step(limit).map_err(&failed)? {
                Step::Frame(header, class) => {
                    let payload = cursor.payload(&header, limit).map_err(&failed)?;
                    if !visit(at, Piece::Frame(header, class, payload))? {
                        return Ok(());
                    }
                }
                Step::Sealed(Some(_)) => return visit(at, Piece::Seal).map(drop),
                Step::Sealed(None) | Step::End => return Ok(()),
                Step::Bad { resume } => {
                    let is_found = cursor.resync(resume, limit).map_err(&failed)?;
                    let end = if is_found { cursor.offset } else { limit };
                    if !visit(at, Piece::Hole(end))? || !is_found {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether anything would be different.
    fn is_due(&self) -> Result<bool, EraseError> {
        let mut is_due = false;
        self.walk(|at, piece| {
            is_due = match piece {
                Piece::Frame(header, class, payload) => self.edited(&header, class, payload)?.is_some(),
                Piece::Seal => false,
                Piece::Hole(end) => !self.is_zero(at, end)?,
            };
            Ok(!is_due)
        })?;
        Ok(is_due)
    }

    fn is_zero(&self, mut at: u64, end: u64) -> Result<bool, EraseError> {
        let mut chunk = vec![0; CHUNK.min((end - at) as usize)];
        while at < end {
            let length = chunk.len().min((end - at) as usize);
            let read = read_full_at(&*self.file, &mut chunk[..length], at).map_err(self.failed())?;
            if chunk[..read].iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            at += length as u64;
        }
        Ok(true)
    }

    fn edited(&self, header: &Header, class: Class, payload: &[u8]) -> Result<Option<Vec<u8>>, EraseError> {
        if header.partition != self.partition {
            return Ok(None);
        }
        let frame = header.with_payload(class, payload.to_vec());
        let edited = self.edit.rewrite(&frame).map_err(|source| EraseError::edit(&frame, source))?;
        match edited {
            Some(new) if new.len() != payload.len() => {
                Err(EraseError::Length { position: header.position, bytes: new.len() as u64 })
            }
            edited => Ok(edited),
        }
    }

    /// Writes the copy, synced, and gives what its index is to hold.
    fn write(&self) -> Result<Index, EraseError> {
        let failed = |source| EraseError::Io { file: UNFINISHED.to_owned(), source };
        let disk = &*self.store.disk;
        let mut copy = Copy::begin(disk, self.store.options.segment_bytes).map_err(failed)?;
        copy.put(0, &self.segment.header.encode()).map_err(failed)?;
        let mut index = IndexBuilder::new(self.store.options.keys);
        let mut end = SEGMENT_DATA;
        self.walk(|at, piece| {
            match piece {
                Piece::Frame(header, class, payload) => {
                    let edited = self.edited(&header, class, payload)?;
                    let payload = edited.as_deref().unwrap_or(payload);
                    let header = Header { payload_crc: crc32c::crc32c(payload), ..header };
                    copy.put(at, &header.encode(self.segment.header.salt())).map_err(failed)?;
                    copy.put(at + FRAME_HEADER as u64, payload).map_err(failed)?;
                    index.add(&header, class, payload);
                    end = at + header.stored_bytes();
                }
                Piece::Seal => {
                    let mut mark = [0; FRAME_HEADER];
                    read_full_at(&*self.file, &mut mark, at).map_err(self.failed())?;
                    copy.put(at, &mark).map_err(failed)?;
                    end = at + FRAME_HEADER as u64;
                }
                Piece::Hole(behind) => end = behind,
            }
            Ok(true)
        })?;
        copy.finish().map_err(failed)?;
        crashpoint::hit("erase-written");
        Ok(index.finish(end))
    }
}

/// The file in the making: zeros, but for what is put.
struct Copy {
    file: Arc<dyn DiskFile>,
    at: u64,
    buffer: Vec<u8>,
}

impl Copy {
    fn begin(disk: &dyn Disk, segment_bytes: u64) -> io::Result<Self> {
        let file = disk.create(UNFINISHED)?;
        file.set_len(segment_bytes)?;
        Ok(Self { file, at: 0, buffer: Vec::new() })
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if self.at + self.buffer.len() as u64 != at || self.buffer.len() > CHUNK {
            self.flush()?;
            self.at = at;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        write_all_at(&*self.file, &self.buffer, self.at)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }
}

impl EraseError {
    fn edit(frame: &StoredFrame, source: Box<dyn std::error::Error + Send + Sync>) -> Self {
        let position: Position = frame.position;
        Self::Edit { position, source }
    }
}
