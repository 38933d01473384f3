//! The spool's folder: rows in the order in which they came, in segment files,
//! of which the oldest goes where there are too many bytes.
//!
//! Promises: what was appended before [`Spool::sync`] returned is there after a
//! crash; a row is given until it is [`Spool::done`], and after a restart all
//! rows of its segment again; never more than the bytes allowed.
//!
//! `spool/N.seg`, N in 16 hex digits, the lowest first; see `format`. One
//! process writes, who holds the data folder.

use super::format::{HEAD_BYTES, RECORD_BYTES_MAX, Records, encode, head};
use super::row::Row;
use openclaw_journal::{Disk, DiskFile};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

const FOLDER: &str = "spool";
const SEGMENT_BYTES: u64 = 4 << 20;
/// Leaves numbers for segments in front.
const FIRST_NUMBER: u64 = 1 << 32;
/// What no segment is longer than, so that a foreign file is not read whole.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Rows that are gone, since last asked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    /// They were the oldest, and there was no more room.
    pub(super) full: u64,
    /// The disk failed.
    pub(super) failed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    number: u64,
    bytes: u64,
    rows: u64,
}

/// Where the first segment is read on.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    offset: u64,
    rows: u64,
}

const START: Cursor = Cursor { offset: HEAD_BYTES as u64, rows: 0 };

/// The rows that were given and are not done.
#[derive(Debug, Clone, Copy)]
struct Given {
    number: u64,
    end: Cursor,
}

/// Rows on the disk.
pub(super) struct Spool {
    disk: Arc<dyn Disk>,
    bytes_max: u64,
    segment_bytes: u64,
    segments: VecDeque<Segment>,
    next_number: u64,
    /// The last segment's file, while it is written.
    active: Option<Arc<dyn DiskFile>>,
    is_dirty: bool,
    cursor: Cursor,
    given: Option<Given>,
    lost: Lost,
    is_failing: bool,
}

impl Spool {
    /// Reads what is there. What a crash cut short is cut off.
    pub(super) fn open(disk: Arc<dyn Disk>, bytes_max: u64) -> io::Result<Self> {
        disk.create_dir(FOLDER)?;
        let mut numbers: Vec<u64> = disk.list(FOLDER)?.iter().filter_map(|name| number(name)).collect();
        numbers.sort_unstable();
        let mut spool = Self {
            disk,
            bytes_max,
            segment_bytes: SEGMENT_BYTES.min(bytes_max / 4),
            segments: VecDeque::new(),
            next_number: numbers.last().map_or(FIRST_NUMBER, |last| last.saturating_add(1)),
            active: None,
            is_dirty: false,
            cursor: START,
            given: None,
            lost: Lost::default(),
            is_failing: false,
        };
        for number in numbers {
            spool.adopt(number)?;
        }
        spool.make_room(0);
        Ok(spool)
    }

    fn adopt(&mut self, number: u64) -> io::Result<()> {
        let file = self.disk.open(&path(number))?;
        let size = file.size()?;
        let bytes = read_at(&*file, 0, size.min(FILE_BYTES_MAX))?;
        let has_head = bytes.starts_with(&head());
        let mut records = Records::new(bytes.get(HEAD_BYTES..).unwrap_or_default());
        let rows = if has_head { records.by_ref().count() as u64 } else { 0 };
        let good = (HEAD_BYTES + records.good) as u64;
        if rows == 0 {
            return self.disk.remove(&path(number));
        }
        if good < size {
            tracing::warn!(
                file = path(number),
                cut_bytes = size - good,
                "the end of a spool file is cut off"
            );
            file.set_len(good)?;
        }
        self.segments.push_back(Segment { number, bytes: good, rows });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// What was lost since this was last asked.
    pub(super) fn take_lost(&mut self) -> Lost {
        std::mem::take(&mut self.lost)
    }

    /// Keeps rows behind all others.
    pub(super) fn append(&mut self, rows: &[Row]) {
        let mut rest = rows;
        while !rest.is_empty() {
            let (block, count) = self.block(rest);
            if count > 0 {
                self.write(&block, count);
            } else if let Err(error) = self.roll() {
                self.fail(rest.len(), &error);
                return;
            }
            rest = &rest[count..];
        }
    }

    /// As many rows as the last segment has room for.
    fn block(&self, rows: &[Row]) -> (Vec<u8>, usize) {
        let room = match (&self.active, self.segments.back()) {
            (Some(_), Some(last)) => self.segment_bytes.saturating_sub(last.bytes) as usize,
            _ => 0,
        };
        let mut block = Vec::new();
        for (count, row) in rows.iter().enumerate() {
            let before = block.len();
            encode(row, &mut block);
            if block.len() > room {
                block.truncate(before);
                return (block, count);
            }
        }
        (block, rows.len())
    }

    fn write(&mut self, block: &[u8], count: usize) {
        self.make_room(block.len() as u64);
        let (Some(file), Some(last)) = (&self.active, self.segments.back_mut()) else { return };
        match write_at(&**file, block, last.bytes) {
            Ok(()) => {
                last.bytes += block.len() as u64;
                last.rows += count as u64;
                (self.is_dirty, self.is_failing) = (true, false);
            }
            Err(error) => {
                self.give_up_active();
                self.fail(count, &error);
            }
        }
    }

    /// What was written of it in vain must not be found later.
    fn give_up_active(&mut self) {
        let (Some(file), Some(last)) = (self.active.take(), self.segments.back()) else { return };
        if last.rows == 0 {
            let number = last.number;
            self.segments.pop_back();
            self.remove(number);
        } else if let Err(error) = file.set_len(last.bytes) {
            tracing::warn!(file = path(last.number), %error, "a spool file can't be cut");
        }
    }

    fn fail(&mut self, rows: usize, error: &io::Error) {
        self.lost.failed += rows as u64;
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!(%error, "observations can't be kept on the disk: they are lost until it can be written");
        }
    }

    fn roll(&mut self) -> io::Result<()> {
        self.sync()?;
        self.make_room(HEAD_BYTES as u64);
        let number = self.next_number;
        let file = self.begin(number)?;
        self.next_number += 1;
        self.segments.push_back(Segment { number, bytes: HEAD_BYTES as u64, rows: 0 });
        self.active = Some(file);
        Ok(())
    }

    fn begin(&self, number: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create(&path(number))?;
        write_at(&*file, &head(), 0)?;
        self.disk.sync_dir(FOLDER)?;
        Ok(file)
    }

    /// Keeps rows that are older than all others, and durably.
    pub(super) fn put_front(&mut self, rows: &[Row]) {
        let mut block = Vec::new();
        rows.iter().for_each(|row| encode(row, &mut block));
        let bytes = (HEAD_BYTES + block.len()) as u64;
        if self.bytes() + bytes > self.bytes_max {
            self.lost.full += rows.len() as u64;
            return;
        }
        let number = self.segments.front().map_or(self.next_number, |first| first.number.saturating_sub(1));
        let written = self.begin(number).and_then(|file| {
            write_at(&*file, &block, HEAD_BYTES as u64)?;
            file.sync_data()
        });
        if let Err(error) = written {
            self.remove(number);
            return self.fail(rows.len(), &error);
        }
        self.next_number = self.next_number.max(number + 1);
        self.segments.push_front(Segment { number, bytes, rows: rows.len() as u64 });
        (self.cursor, self.given) = (START, None);
    }

    /// The oldest rows; the same again until they are [`Self::done`].
    pub(super) fn next(&mut self, rows_max: usize) -> Vec<Row> {
        while let Some(first) = self.segments.front().copied() {
            let (rows, end) = self.read(first, rows_max).unwrap_or_else(|error| {
                tracing::error!(file = path(first.number), %error, "a spool file can't be read");
                (Vec::new(), self.cursor)
            });
            if !rows.is_empty() {
                self.given = Some(Given { number: first.number, end });
                return rows;
            }
            self.lost.failed += first.rows - self.cursor.rows;
            self.remove_first();
        }
        Vec::new()
    }

    fn read(&self, segment: Segment, rows_max: usize) -> io::Result<(Vec<Row>, Cursor)> {
        let Cursor { offset, rows: before } = self.cursor;
        let length = (segment.bytes - offset).min((rows_max * RECORD_BYTES_MAX) as u64);
        let bytes = read_at(&*self.disk.open(&path(segment.number))?, offset, length)?;
        let mut records = Records::new(&bytes);
        let rows: Vec<Row> = records.by_ref().take(rows_max).collect();
        let end = Cursor { offset: offset + records.good as u64, rows: before + rows.len() as u64 };
        Ok((rows, end))
    }

    /// The rows that were given have arrived.
    pub(super) fn done(&mut self) {
        let Some(Given { number, end }) = self.given.take() else { return };
        let Some(first) = self.segments.front().filter(|first| first.number == number) else { return };
        if end.rows >= first.rows {
            self.remove_first();
        } else {
            self.cursor = end;
        }
    }

    fn make_room(&mut self, bytes: u64) {
        while self.bytes() + bytes > self.bytes_max && self.segments.len() > 1 {
            let gone = self.segments.front().map_or(0, |first| first.rows);
            let given = self.given.filter(|given| Some(given.number) == self.first_number());
            // Those that are under way may still arrive.
            self.lost.full += gone - given.map_or(self.cursor, |given| given.end).rows;
            self.remove_first();
        }
    }

    fn first_number(&self) -> Option<u64> {
        self.segments.front().map(|first| first.number)
    }

    fn remove_first(&mut self) {
        let Some(first) = self.segments.pop_front() else { return };
        self.cursor = START;
        if self.segments.is_empty() {
            (self.active, self.is_dirty) = (None, false);
        }
        self.remove(first.number);
    }

    fn remove(&self, number: u64) {
        if let Err(error) = self.disk.remove(&path(number)) {
            tracing::warn!(file = path(number), %error, "a spool file can't be removed: its rows may be sent again");
        }
    }

    /// Returns when all that was appended is durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = self.active.as_ref().filter(|_| self.is_dirty) {
            file.sync_data()?;
            self.is_dirty = false;
        }
        Ok(())
    }
}

fn path(number: u64) -> String {
    format!("{FOLDER}/{number:016x}.seg")
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

fn write_at(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}

/// Fewer where the file ends.
fn read_at(file: &dyn DiskFile, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
