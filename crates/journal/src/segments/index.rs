//! The index of a sealed segment: `segments/N.idx`, made from the segment
//! and made again whenever it is missing or damaged.
//!
//! ```text
//! magic 8 · version 4 · crc of the summary 4
//! summary: segment 8 · log id 8 · created-at 8 · end 8 · frames 8 · oldest 8 · newest 8
//!          · keys 8 · offsets 8 · crc of the tables 8 · ranges 8 · 64 × (first 8 · end 8)
//! keys:    sorted (key 8 · position 8)
//! offsets: sorted (partition 4 · records 4 · first offset 8 · position 8)
//! ```

use crate::disk::{Disk, DiskFile, read_full_at, write_all_at};
use crate::frame::{Header, u32_at, u64_at};
use crate::segments::{FOLDER, SegmentHeader};
use crate::{Class, KeysOf, Position, StoredFrame};
use openclaw_alert::{PARTITIONS, PartitionId, Timestamp};
use std::io;
use std::ops::Range;

const MAGIC: &[u8; 8] = b"oclawidx";
const VERSION: u32 = 1;
const SUMMARY_AT: usize = 16;
const NUMBERS: usize = 11;
const TABLES_AT: usize = SUMMARY_AT + 8 * NUMBERS + 16 * PARTITIONS;
const KEY_ROW: u64 = 16;
const OFFSET_ROW: u64 = 24;
/// Read at a time to check an index.
const CHUNK: usize = 256 << 10;

pub(crate) fn index_name(number: u64) -> String {
    format!("{FOLDER}/{number:016x}.idx")
}

/// What is known of a sealed segment without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Behind the last frame.
    pub(crate) end: u64,
    pub(crate) frames: u64,
    pub(crate) oldest: Timestamp,
    pub(crate) newest: Timestamp,
    /// By partition: first record offset, and one behind the last; empty
    /// where the segment has no frame of it.
    ranges: Vec<Option<Range<u64>>>,
    key_rows: u64,
    offset_rows: u64,
    tables_crc: u32,
}

impl Summary {
    /// Partitions with a frame in the segment.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        PartitionId::all().filter(|partition| self.ranges[partition.index()].is_some())
    }

    /// Could it hold this record?
    pub(crate) fn may_hold(&self, partition: PartitionId, offset: u64) -> bool {
        self.ranges[partition.index()].as_ref().is_some_and(|range| range.contains(&offset))
    }

    fn encode(&self, header: &SegmentHeader) -> Vec<u8> {
        let ranges = self.ranges.iter().enumerate();
        let mask = ranges.fold(0, |mask, (index, range)| mask | u64::from(range.is_some()) << index);
        let numbers: [u64; NUMBERS] = [
            header.number,
            header.log_id,
            header.created_at.nanos() as u64,
            self.end,
            self.frames,
            self.oldest.nanos() as u64,
            self.newest.nanos() as u64,
            self.key_rows,
            self.offset_rows,
            u64::from(self.tables_crc),
            mask,
        ];
        let ranges = self.ranges.iter().flat_map(|range| range.clone().map_or([0; 2], |r| [r.start, r.end]));
        let summary: Vec<u8> = numbers.into_iter().chain(ranges).flat_map(u64::to_le_bytes).collect();
        let mut out = Vec::with_capacity(TABLES_AT);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&summary).to_le_bytes());
        out.extend_from_slice(&summary);
        out
    }

    fn decode(bytes: &[u8], header: &SegmentHeader) -> Option<Self> {
        let (head, summary) = bytes.split_at_checked(SUMMARY_AT)?;
        if &head[..8] != MAGIC || u32_at(head, 8) != VERSION || u32_at(head, 12) != crc32c::crc32c(summary) {
            return None;
        }
        let number = |index: usize| u64_at(summary, 8 * index);
        let whose = [header.number, header.log_id, header.created_at.nanos() as u64];
        if summary.len() != TABLES_AT - SUMMARY_AT || whose != [number(0), number(1), number(2)] {
            return None;
        }
        let range = |index: usize| number(NUMBERS + 2 * index)..number(NUMBERS + 2 * index + 1);
        let present = |index: usize| number(10) >> index & 1 == 1;
        Some(Self {
            end: number(3),
            frames: number(4),
            oldest: Timestamp::from_nanos(number(5) as i64),
            newest: Timestamp::from_nanos(number(6) as i64),
            ranges: (0..PARTITIONS).map(|index| present(index).then(|| range(index))).collect(),
            key_rows: number(7),
            offset_rows: number(8),
            tables_crc: u32::try_from(number(9)).ok()?,
        })
    }

    fn tables_bytes(&self) -> Option<u64> {
        let keys = self.key_rows.checked_mul(KEY_ROW)?;
        keys.checked_add(self.offset_rows.checked_mul(OFFSET_ROW)?)
    }
}

/// Reads the summary of a segment's index; `None` when there is no sound one.
/// The tables are not looked at.
pub(crate) fn load_summary(disk: &dyn Disk, header: &SegmentHeader) -> Option<Summary> {
    read_summary(&*disk.open(&index_name(header.number)).ok()?, header)
}

fn read_summary(file: &dyn DiskFile, header: &SegmentHeader) -> Option<Summary> {
    let mut bytes = vec![0; TABLES_AT];
    let read = read_full_at(file, &mut bytes, 0).ok()?;
    Summary::decode(&bytes[..read], header)
}

/// Gathers the rows of an index, frame by frame.
pub(crate) struct IndexBuilder {
    keys_of: KeysOf,
    keys: Vec<(u64, u64)>,
    offsets: Vec<(PartitionId, u64, u64, u32)>,
    summary: Summary,
    payload: Vec<u8>,
    found: Vec<u64>,
}

impl IndexBuilder {
    pub(crate) fn new(keys_of: KeysOf) -> Self {
        let summary = Summary {
            end: 0,
            frames: 0,
            oldest: Timestamp::MAX,
            newest: Timestamp::MIN,
            ranges: vec![None; PARTITIONS],
            key_rows: 0,
            offset_rows: 0,
            tables_crc: 0,
        };
        Self {
            keys_of,
            keys: Vec::new(),
            offsets: Vec::new(),
            summary,
            payload: Vec::new(),
            found: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, header: &Header, class: Class, payload: &[u8]) {
        let mut kept = std::mem::take(&mut self.payload);
        kept.clear();
        kept.extend_from_slice(payload);
        let frame = header.with_payload(class, kept);
        self.found.clear();
        (self.keys_of)(&frame, &mut self.found);
        let position = frame.position.get();
        self.keys.extend(self.found.iter().map(|&key| (key, position)));
        self.note(&frame);
        self.payload = frame.payload;
    }

    fn note(&mut self, frame: &StoredFrame) {
        let records = u64::from(frame.records);
        let end = frame.base_offset.saturating_add(records);
        if frame.records > 0 {
            let row = (frame.partition, frame.base_offset, frame.position.get(), frame.records);
            self.offsets.push(row);
        }
        let summary = &mut self.summary;
        summary.frames += 1;
        summary.oldest = summary.oldest.min(frame.written_at);
        summary.newest = summary.newest.max(frame.written_at);
        let range = summary.ranges[frame.partition.index()].get_or_insert(frame.base_offset..end);
        *range = range.start.min(frame.base_offset)..range.end.max(end);
    }

    /// Sorts what was gathered; `end` is where the segment's frames end.
    pub(crate) fn finish(mut self, end: u64) -> Index {
        self.keys.sort_unstable();
        self.keys.dedup();
        self.offsets.sort_unstable();
        let mut tables = Vec::with_capacity(16 * self.keys.len() + 24 * self.offsets.len());
        for (key, position) in &self.keys {
            tables.extend_from_slice(&key.to_le_bytes());
            tables.extend_from_slice(&position.to_le_bytes());
        }
        for (partition, offset, position, records) in &self.offsets {
            tables.extend_from_slice(&u32::from(partition.get()).to_le_bytes());
            tables.extend_from_slice(&records.to_le_bytes());
            tables.extend_from_slice(&offset.to_le_bytes());
            tables.extend_from_slice(&position.to_le_bytes());
        }
        let mut summary = self.summary;
        summary.end = end;
        summary.key_rows = self.keys.len() as u64;
        summary.offset_rows = self.offsets.len() as u64;
        summary.tables_crc = crc32c::crc32c(&tables);
        Index { summary, tables }
    }
}

/// A whole index in memory.
pub(crate) struct Index {
    pub(crate) summary: Summary,
    tables: Vec<u8>,
}

impl Index {
    /// Puts the index beside its segment, whole or not at all.
    pub(crate) fn write(&self, disk: &dyn Disk, header: &SegmentHeader) -> io::Result<()> {
        let name = index_name(header.number);
        let unfinished = format!("{name}.tmp");
        let file = disk.create(&unfinished)?;
        let head = self.summary.encode(header);
        write_all_at(&*file, &head, 0)?;
        write_all_at(&*file, &self.tables, head.len() as u64)?;
        file.sync_data()?;
        disk.rename(&unfinished, &name)?;
        disk.sync_dir(FOLDER)
    }

    /// To search it where it is.
    pub(crate) fn table(&self) -> Table<&[u8]> {
        Table { rows: &self.tables, key_rows: self.summary.key_rows, offset_rows: self.summary.offset_rows }
    }
}

/// An index on disk whose tables were found sound. Its summary is read again:
/// the segment may have been written anew.
pub(crate) fn open_table(
    disk: &dyn Disk,
    header: &SegmentHeader,
    summary: &Summary,
    is_checked: bool,
) -> Option<Table<FileRows>> {
    let rows = FileRows(disk.open(&index_name(header.number)).ok()?);
    if read_summary(&*rows.0, header).as_ref() != Some(summary) {
        return None;
    }
    if !is_checked && !rows.are_sound(summary) {
        return None;
    }
    Some(Table { rows, key_rows: summary.key_rows, offset_rows: summary.offset_rows })
}

/// Where the rows of an index are.
pub(crate) trait Rows {
    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()>;
}

impl Rows for &[u8] {
    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let rest = self.get(at as usize..).unwrap_or_default();
        let bytes = rest.get(..out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }
}

pub(crate) struct FileRows(std::sync::Arc<dyn DiskFile>);

impl Rows for FileRows {
    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let read = read_full_at(&*self.0, out, TABLES_AT as u64 + at)?;
        if read == out.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl FileRows {
    fn are_sound(&self, summary: &Summary) -> bool {
        let Some(total) = summary.tables_bytes() else { return false };
        let mut chunk = vec![0; CHUNK];
        let (mut at, mut crc) = (0, 0);
        while at < total {
            let length = CHUNK.min((total - at) as usize);
            if self.read(at, &mut chunk[..length]).is_err() {
                return false;
            }
            crc = crc32c::crc32c_append(crc, &chunk[..length]);
            at += length as u64;
        }
        crc == summary.tables_crc
    }
}

/// Binary search over rows in memory or in a file.
pub(crate) struct Table<R> {
    rows: R,
    key_rows: u64,
    offset_rows: u64,
}

impl<R: Rows> Table<R> {
    /// Appends the positions under `key` from `from` on, in order, until
    /// `out` holds `most`.
    pub(crate) fn find(&self, key: u64, from: u64, most: usize, out: &mut Vec<Position>) -> io::Result<()> {
        let mut row = self.first_not(self.key_rows, |row| Ok(self.key_row(row)? < (key, from)))?;
        while row < self.key_rows && out.len() < most {
            let (found, position) = self.key_row(row)?;
            if found != key {
                break;
            }
            out.push(Position::new(position));
            row += 1;
        }
        Ok(())
    }

    /// The frame that holds a partition's record.
    pub(crate) fn locate(&self, partition: PartitionId, offset: u64) -> io::Result<Option<Position>> {
        let wanted = (partition.get().into(), offset);
        let behind = self.first_not(self.offset_rows, |row| {
            let (partition, _, first, _) = self.offset_row(row)?;
            Ok((partition, first) <= wanted)
        })?;
        let Some(row) = behind.checked_sub(1) else { return Ok(None) };
        let (found, records, first, position) = self.offset_row(row)?;
        let holds = found == wanted.0 && offset - first < u64::from(records);
        Ok(holds.then_some(Position::new(position)))
    }

    /// The first of `rows` rows for which `before` no longer holds.
    fn first_not(&self, rows: u64, before: impl Fn(u64) -> io::Result<bool>) -> io::Result<u64> {
        let (mut low, mut high) = (0, rows);
        while low < high {
            let middle = low + (high - low) / 2;
            if before(middle)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn key_row(&self, row: u64) -> io::Result<(u64, u64)> {
        let mut bytes = [0; KEY_ROW as usize];
        self.rows.read(row * KEY_ROW, &mut bytes)?;
        Ok((u64_at(&bytes, 0), u64_at(&bytes, 8)))
    }

    fn offset_row(&self, row: u64) -> io::Result<(u32, u32, u64, u64)> {
        let mut bytes = [0; OFFSET_ROW as usize];
        self.rows.read(self.key_rows * KEY_ROW + row * OFFSET_ROW, &mut bytes)?;
        Ok((u32_at(&bytes, 0), u32_at(&bytes, 4), u64_at(&bytes, 8), u64_at(&bytes, 16)))
    }
}
