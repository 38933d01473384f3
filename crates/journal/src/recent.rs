//! Index of the segment that is being written, as far as somebody has asked.
//!
//! Appending pays nothing for it: whoever looks something up reads what was
//! added since the last look. Pairs are searched one after the other; a
//! segment holds some hundred thousand, which takes about a millisecond.

use crate::{KeysOf, Position, StoredFrame};
use openclaw_alert::PartitionId;

#[derive(Debug, Default)]
pub(crate) struct Recent {
    segment: u64,
    /// Where reading goes on; `None` before the first frame.
    next: Option<Position>,
    keys: Vec<(u64, Position)>,
    frames: Vec<Place>,
    scratch: Vec<u64>,
}

/// Where a partition's records are.
#[derive(Debug, Clone, Copy)]
struct Place {
    partition: PartitionId,
    records: u32,
    base_offset: u64,
    position: Position,
}

impl Recent {
    /// Turns to a segment, and gives where to go on reading it.
    pub(crate) fn turn_to(&mut self, segment: u64, begin: Position) -> Position {
        if self.segment != segment {
            *self = Self { segment, ..Self::default() };
        }
        self.next.unwrap_or(begin)
    }

    pub(crate) fn add(&mut self, frame: &StoredFrame, keys_of: KeysOf) {
        self.next = Some(frame.end);
        self.scratch.clear();
        keys_of(frame, &mut self.scratch);
        self.keys.extend(self.scratch.iter().map(|&key| (key, frame.position)));
        let StoredFrame { partition, records, base_offset, position, .. } = *frame;
        self.frames.push(Place { partition, records, base_offset, position });
    }

    /// Positions of frames with `key`, each once, in order.
    pub(crate) fn find(&self, key: u64, from: Position) -> impl Iterator<Item = Position> + '_ {
        let mut last = None;
        let with_key = self.keys.iter().filter(move |(known, position)| *known == key && *position >= from);
        with_key
            .map(|(_, position)| *position)
            .filter(move |position| last.replace(*position) != Some(*position))
    }

    pub(crate) fn locate(&self, partition: PartitionId, offset: u64) -> Option<Position> {
        let holds = |place: &&Place| {
            let end = place.base_offset.saturating_add(place.records.into());
            place.partition == partition && (place.base_offset..end).contains(&offset)
        };
        self.frames.iter().find(holds).map(|place| place.position)
    }
}
