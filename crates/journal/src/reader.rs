//! Reading what is durable, while more is being appended.

use crate::position::Geometry;
use crate::recent::Recent;
use crate::segments::cursor::{Cursor, Step};
use crate::segments::index::{FileRows, Index, Table, open_table};
use crate::segments::scan::{Damage, Hole};
use crate::segments::segment_name;
use crate::snapshot::{Covers, Snapshot};
use crate::store::{Segment, Store, lock};
use crate::{Position, ReadError, StoredFrame};
use openclaw_alert::PartitionId;
use std::io;
use std::sync::{Arc, MutexGuard};

/// Most positions that one lookup gives; ask again from behind the last.
pub const FIND_MAX: usize = 65_536;

/// The reading side of a log: cheap to clone, usable from any thread. Sees
/// durable frames only.
#[derive(Clone)]
pub struct Reader {
    pub(crate) store: Arc<Store>,
}

impl Reader {
    /// Everything before it is durable.
    #[must_use]
    pub fn durable(&self) -> Position {
        self.store.durable()
    }

    /// The frame that begins at `position`.
    pub fn read_at(&self, position: Position) -> Result<StoredFrame, ReadError> {
        self.store.read_at(position)
    }

    /// Frames from `position` on, in order. At the durable end it gives
    /// `None`; asked again later, it goes on with what has become durable.
    #[must_use]
    pub fn read_from(&self, position: Position) -> Frames {
        Frames { store: Arc::clone(&self.store), next: position, open: None }
    }

    /// Positions of frames with `key`, from `from` on, in order, at most
    /// [`FIND_MAX`]. One whose damage nobody has noticed yet may be among
    /// them; reading it tells.
    pub fn find(&self, key: u64, from: Position) -> Result<Vec<Position>, ReadError> {
        let mut found = Vec::new();
        self.store.each_segment(from, |segment, lookup| {
            match lookup {
                Lookup::Table(table) => table.find(key, from.get(), FIND_MAX, &mut found)?,
                Lookup::Memory(index) => index.table().find(key, from.get(), FIND_MAX, &mut found)?,
                Lookup::Unsealed => {
                    let room = FIND_MAX - found.len();
                    found.extend(self.recent(segment)?.find(key, from).take(room));
                }
            }
            Ok(found.len() < FIND_MAX)
        })?;
        Ok(found)
    }

    /// The index of a segment that is not sealed, brought up to now.
    fn recent(&self, segment: u64) -> io::Result<MutexGuard<'_, Recent>> {
        let mut recent = lock(&self.store.recent);
        let next = recent.turn_to(segment, self.store.geometry.position(segment, 0));
        for frame in self.frames_of(segment, next) {
            recent.add(&frame?, self.store.options.keys);
        }
        Ok(recent)
    }

    /// Position of the frame that holds a partition's record.
    pub fn locate(&self, partition: PartitionId, offset: u64) -> Result<Option<Position>, ReadError> {
        let mut found = None;
        self.store.each_segment(Position::START, |segment, lookup| {
            found = match lookup {
                Lookup::Table(_) if !self.store.may_hold(segment, partition, offset) => None,
                Lookup::Table(table) => table.locate(partition, offset)?,
                Lookup::Memory(index) => index.table().locate(partition, offset)?,
                Lookup::Unsealed => self.recent(segment)?.locate(partition, offset),
            };
            Ok(found.is_none())
        })?;
        Ok(found)
    }

    pub(crate) fn frames_of(
        &self,
        segment: u64,
        from: Position,
    ) -> impl Iterator<Item = Result<StoredFrame, ReadError>> + use<> {
        let geometry = self.store.geometry;
        let inside = move |frame: &Result<StoredFrame, ReadError>| {
            frame.as_ref().map_or(true, |frame| geometry.segment(frame.position) == segment)
        };
        self.read_from(from).take_while(inside)
    }

    /// The newest snapshot, or the one before it where the newest has been
    /// damaged.
    pub fn load_snapshot(&self) -> io::Result<Option<Snapshot>> {
        self.store.load_snapshot()
    }

    /// The frames that a snapshot does not hold: for each partition those at
    /// or behind its `covered`, in the order of the log.
    #[must_use]
    pub fn recover(&self, snapshot: Option<&Snapshot>) -> Replay {
        let covers = snapshot.map(Snapshot::covers);
        let from = self.store.replay_from(covers.as_ref());
        Replay { frames: self.read_from(from), covers }
    }

    /// Damage in durable data, found at opening and while reading.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.store.damage()
    }
}

/// How a segment can be searched.
enum Lookup {
    Table(Table<FileRows>),
    Memory(Index),
    Unsealed,
}

impl Store {
    fn read_at(&self, position: Position) -> Result<StoredFrame, ReadError> {
        let number = self.geometry.segment(position);
        if position >= self.durable() {
            return Err(ReadError::NotDurable { position });
        }
        let segment = self.segment(number).ok_or(ReadError::Gone { position })?;
        let failed = |source| ReadError::Io { file: segment_name(number), source };
        let limit = self.geometry.limit(number, self.durable());
        let frame = self.cursor(&segment).map_err(failed)?.frame_at(position, limit, self.geometry);
        match frame.map_err(failed)? {
            Some(frame) => Ok(frame),
            None if self.segment(number).is_none() => Err(ReadError::Gone { position }),
            None => Err(ReadError::NoFrame { file: segment_name(number), position }),
        }
    }

    fn may_hold(&self, number: u64, partition: PartitionId, offset: u64) -> bool {
        let summary = self.segment(number).and_then(|segment| segment.summary);
        summary.is_none_or(|summary| summary.may_hold(partition, offset))
    }

    fn cursor(&self, segment: &Segment) -> io::Result<Cursor> {
        let number = segment.header.number;
        let file = self.disk.open(&segment_name(number))?;
        Ok(Cursor::new(file, self.geometry, number, segment.header.salt()))
    }

    /// Shows every segment from the one with `from` on, until `visit` says
    /// false. One that retention takes away meanwhile is passed over.
    fn each_segment(
        &self,
        from: Position,
        mut visit: impl FnMut(u64, Lookup) -> io::Result<bool>,
    ) -> Result<(), ReadError> {
        let mut next = self.geometry.segment(from);
        while let Some(segment) = self.segment_from(next) {
            let number = segment.header.number;
            next = number + 1;
            let outcome = self.lookup(&segment).and_then(|lookup| {
                visit(number, lookup).map_err(|source| ReadError::Io { file: segment_name(number), source })
            });
            match outcome {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if self.segment(number).is_some() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn lookup(&self, segment: &Segment) -> Result<Lookup, ReadError> {
        let number = segment.header.number;
        let Some(summary) = segment.summary.as_ref().filter(|_| number < self.active()) else {
            return Ok(Lookup::Unsealed);
        };
        if let Some(table) = open_table(&*self.disk, &segment.header, summary, segment.is_index_checked) {
            if let Some(known) = lock(&self.segments).get_mut(&number) {
                known.is_index_checked = true;
            }
            return Ok(Lookup::Table(table));
        }
        let index = self.read_through(segment)?;
        // The lookup does not need the file; the next one tries again.
        let _ = self.keep_index(segment, &index);
        Ok(Lookup::Memory(index))
    }

    /// The first segment that a replay after this snapshot has to read, or
    /// the position to begin at within it.
    pub(crate) fn replay_from(&self, covers: Option<&Covers>) -> Position {
        let Some(covers) = covers else { return Position::START };
        let segments = lock(&self.segments);
        let is_needed = |segment: &&Segment| {
            let end = |end| self.geometry.position(segment.header.number, end);
            let summary = segment.summary.as_ref();
            summary.is_none_or(|summary| covers.need(end(summary.end), summary.partitions()))
        };
        let first = segments.values().find(is_needed).map(|segment| segment.header.number);
        let begin = self.geometry.position(first.unwrap_or_else(|| self.active()), 0);
        begin.max(covers.least())
    }
}

/// Frames in the order of the log. Damage is passed over, and told by
/// [`Reader::damage`].
pub struct Frames {
    store: Arc<Store>,
    next: Position,
    open: Option<(Segment, Cursor)>,
}

impl Iterator for Frames {
    type Item = Result<StoredFrame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl Frames {
    /// Where it goes on.
    #[must_use]
    pub fn position(&self) -> Position {
        self.next
    }

    fn advance(&mut self) -> Result<Option<StoredFrame>, ReadError> {
        loop {
            let durable = self.store.durable();
            let Some((segment, mut cursor)) = self.opened(durable)? else { return Ok(None) };
            let number = segment.header.number;
            let read = self.step(&segment, &mut cursor, durable);
            let is_gone = self.store.segment(number).is_none();
            match read.map_err(|source| ReadError::Io { file: segment_name(number), source }) {
                _ if is_gone => self.next = self.store.geometry.position(number + 1, 0),
                Err(error) => return Err(error),
                Ok(Read::Frame(frame)) => {
                    self.next = frame.end.max(self.next);
                    self.open = Some((segment, cursor));
                    return Ok(Some(frame));
                }
                Ok(Read::Skipped) => self.open = Some((segment, cursor)),
                Ok(Read::SegmentOver) => self.next = self.store.geometry.position(number + 1, 0),
                Ok(Read::End) => {
                    self.open = Some((segment, cursor));
                    return Ok(None);
                }
            }
        }
    }

    /// The segment in which `next` lies or, where that is gone, the one
    /// behind it.
    fn opened(&mut self, durable: Position) -> Result<Option<(Segment, Cursor)>, ReadError> {
        if let Some(open) = self.open.take() {
            return Ok(Some(open));
        }
        let geometry = self.store.geometry;
        let Some(segment) = self.store.segment_from(geometry.segment(self.next)) else { return Ok(None) };
        let number = segment.header.number;
        let limit = geometry.limit(number, durable);
        self.next = self.next.max(geometry.position(number, 0));
        let failed = |source| ReadError::Io { file: segment_name(number), source };
        match self.store.cursor(&segment) {
            Ok(mut cursor) => {
                let offset = geometry.offset(self.next);
                cursor.start_at(offset, limit).map_err(failed)?;
                Ok(Some((segment, cursor)))
            }
            Err(_) if self.store.segment(number).is_none() => {
                self.next = geometry.position(number + 1, 0);
                self.opened(durable)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn step(&self, segment: &Segment, cursor: &mut Cursor, durable: Position) -> io::Result<Read> {
        let number = segment.header.number;
        let limit = self.store.geometry.limit(number, durable);
        let from = cursor.offset;
        match cursor.step(limit)? {
            Step::Frame(header, _) if header.position < self.next => Ok(Read::Skipped),
            Step::Frame(header, class) => {
                let payload = cursor.payload(&header, limit)?.to_vec();
                Ok(Read::Frame(header.with_payload(class, payload)))
            }
            Step::Sealed(_) => Ok(Read::SegmentOver),
            Step::End if limit == self.store.geometry.segment_bytes => Ok(Read::SegmentOver),
            Step::End => Ok(Read::End),
            Step::Bad { resume } => {
                let is_found = cursor.resync(resume, limit)?;
                if !is_found {
                    cursor.offset = limit;
                }
                if self.store.segment(number).is_some() {
                    let hole = Hole { from, to: cursor.offset, was_durable: true, commit_before: None };
                    self.store.note_damage(number, &[hole]);
                }
                Ok(Read::Skipped)
            }
        }
    }
}

enum Read {
    Frame(StoredFrame),
    Skipped,
    SegmentOver,
    End,
}

impl Cursor {
    /// Goes to `offset` if a frame begins there. Otherwise stays where the
    /// segment begins, from where every frame is found.
    fn start_at(&mut self, offset: u64, limit: u64) -> io::Result<()> {
        let begin = self.offset;
        if offset > begin && offset < limit {
            self.offset = offset;
            if matches!(self.step(limit)?, Step::Frame(..) | Step::Sealed(_)) {
                self.offset = offset;
            } else {
                self.offset = begin;
            }
        }
        Ok(())
    }

    fn frame_at(
        &mut self,
        position: Position,
        limit: u64,
        geometry: Geometry,
    ) -> io::Result<Option<StoredFrame>> {
        self.offset = geometry.offset(position);
        if self.offset < crate::segments::SEGMENT_DATA || !self.offset.is_multiple_of(8) {
            return Ok(None);
        }
        let Step::Frame(header, class) = self.step(limit)? else { return Ok(None) };
        let payload = self.payload(&header, limit)?.to_vec();
        Ok(Some(header.with_payload(class, payload)))
    }
}

/// The frames to apply to a snapshot.
pub struct Replay {
    frames: Frames,
    covers: Option<Covers>,
}

impl Iterator for Replay {
    type Item = Result<StoredFrame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let covers = self.covers.as_ref();
        self.frames.by_ref().find(|frame| match (frame, covers) {
            (Ok(frame), Some(covers)) => !covers.includes(frame),
            _ => true,
        })
    }
}
