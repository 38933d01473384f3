//! Which sealed segments may go, and where they go.

use super::index::index_name;
use super::scan::Scan;
use super::supply::SPARE;
use super::{FOLDER, move_file, remove_if_there, segment_name};
use crate::segments::cursor::Cursor;
use crate::segments::index::{Index, Summary};
use crate::store::{Segment, Store, lock};
use crate::{Position, ReadError};
use openclaw_alert::Timestamp;
use std::io;
use std::sync::Arc;

impl Store {
    /// Removes what is older or larger than the log keeps, oldest first, and
    /// says how many segments went.
    pub(crate) fn retire(&self, now: Timestamp) -> io::Result<usize> {
        let mut removed = 0;
        while let Some(number) = self.oldest_to_retire(now) {
            self.remove_segment(number)?;
            removed += 1;
        }
        Ok(removed)
    }

    fn oldest_to_retire(&self, now: Timestamp) -> Option<u64> {
        let segments = lock(&self.segments);
        let (&number, segment) = segments.first_key_value()?;
        let summary = segment.summary.as_ref().filter(|_| number < self.active())?;
        let is_old = now.since(summary.newest) > self.options.retain_age;
        let bytes = segments.len() as u64 * self.options.segment_bytes;
        let may_go = (is_old || bytes > self.options.retain_bytes) && !self.is_needed(number, summary);
        may_go.then_some(number)
    }

    /// Would the replay after any kept snapshot read this segment? Both kept
    /// ones count, since the newest may turn out damaged.
    pub(crate) fn is_needed(&self, number: u64, summary: &Summary) -> bool {
        let end = self.geometry.position(number, summary.end);
        let snapshots = lock(&self.snapshots);
        snapshots.is_empty() || snapshots.iter().any(|covers| covers.need(end, summary.partitions()))
    }

    fn remove_segment(&self, number: u64) -> io::Result<()> {
        // Out of sight first, so that no reader takes the removal for damage.
        let Some(segment) = lock(&self.segments).remove(&number) else { return Ok(()) };
        self.remove_files(number).inspect_err(|_| {
            lock(&self.segments).insert(number, segment);
        })
    }

    fn remove_files(&self, number: u64) -> io::Result<()> {
        remove_if_there(&*self.disk, &index_name(number))?;
        let name = segment_name(number);
        // Each name is made durable before the next goes: a gap between
        // segments would look like a loss.
        if self.disk.list("")?.iter().any(|file| file == SPARE) {
            self.disk.remove(&name)?;
            return self.disk.sync_dir(FOLDER);
        }
        move_file(&*self.disk, &name, SPARE)
    }

    /// Reads a sealed segment through, takes note of damage, and gives what
    /// its index holds.
    pub(crate) fn read_through(&self, segment: &Segment) -> Result<Index, ReadError> {
        let number = segment.header.number;
        let failed = |source| ReadError::Io { file: segment_name(number), source };
        let file = self.disk.open(&segment_name(number)).map_err(failed)?;
        let mut cursor = Cursor::new(file, self.geometry, number, segment.header.salt());
        let mut scan =
            Scan::run(&mut cursor, self.options.segment_bytes, self.options.keys).map_err(failed)?;
        if self.segment(number).is_none() {
            return Err(ReadError::Gone { position: Position::new(number * self.options.segment_bytes) });
        }
        scan.seal(self.options.segment_bytes);
        self.note_damage(number, &scan.holes);
        Ok(scan.index.finish(scan.end))
    }

    /// Gives each sealed segment that has none its index, and says how many.
    pub(crate) fn index_sealed(&self) -> Result<usize, io::Error> {
        let active = self.active();
        let is_due = |segment: &&Segment| segment.header.number < active && segment.summary.is_none();
        let due: Vec<Segment> = lock(&self.segments).values().filter(is_due).cloned().collect();
        for segment in &due {
            let index = self.read_through(segment)?;
            self.keep_index(segment, &index)?;
        }
        Ok(due.len())
    }

    /// Remembers what an index says and puts it on the disk. Without space
    /// for that it is made again when it is asked for.
    pub(crate) fn keep_index(&self, segment: &Segment, index: &Index) -> io::Result<()> {
        let number = segment.header.number;
        let _turn = lock(&self.index_turn);
        let known = self.segment(number);
        if known.is_none_or(|known| known.edition != segment.edition) {
            return Ok(()); // it was written anew meanwhile, and has its index
        }
        let written = index.write(&*self.disk, &segment.header);
        if let Some(known) = lock(&self.segments).get_mut(&number) {
            known.summary = Some(Arc::new(index.summary.clone()));
            known.is_index_checked = written.is_ok();
        }
        written
    }
}
