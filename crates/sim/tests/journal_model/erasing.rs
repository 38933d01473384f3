//! Payloads that are overwritten.

use super::{Told, World};
use openclaw_alert::{PartitionId, Timestamp};
use openclaw_journal::{Class, Edit, Frame, Position, StoredFrame, Writer};
use openclaw_sim::disk::Faults;
use std::collections::BTreeMap;
use std::error::Error;

/// Which payloads become zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    partition: PartitionId,
    remainder: u64,
    /// Nothing from here on was sealed.
    end: Position,
}

impl Rule {
    fn takes(&self, frame: &StoredFrame) -> bool {
        frame.partition == self.partition
            && frame.base_offset % 3 == self.remainder
            && frame.position < self.end
    }

    fn erased(frame: &StoredFrame) -> StoredFrame {
        StoredFrame { payload: vec![0; frame.payload.len()], ..frame.clone() }
    }
}

/// Notes what it was shown.
struct Hand {
    rule: Rule,
    looked_at: Vec<StoredFrame>,
}

impl Edit for Hand {
    fn look(&mut self, frame: &StoredFrame) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.looked_at.push(frame.clone());
        Ok(())
    }

    fn rewrite(&self, frame: &StoredFrame) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        assert!(self.looked_at.contains(frame) || frame.payload.iter().all(|&byte| byte == 0));
        let erased = Rule::erased(frame).payload;
        Ok((self.rule.takes(frame) && erased != frame.payload).then_some(erased))
    }
}

impl World {
    /// Seals what there is and overwrites some of it. What a crash cut short is
    /// done once more.
    pub(super) fn erase(&mut self, writer: &mut Writer) -> bool {
        let Some(end) = self.seal(writer) else { return true };
        let partition = PartitionId::new(self.random.below(5) as u8).unwrap();
        let fresh = Rule { partition, remainder: self.random.below(3), end };
        let rule = self.erasing.map_or(fresh, |begun| Rule { end, ..begun });
        self.erasing = Some(rule);
        let mut hand = Hand { rule, looked_at: Vec::new() };
        if self.random.one_in(3) {
            let power_off_after = Some(self.random.below(30));
            self.disk.set_faults(Faults { power_off_after, ..Faults::default() });
        }
        let Ok(erasure) = writer.erase(rule.partition, end, &mut hand) else {
            // The disk gave out; in part it may be done.
            let kept: Result<Vec<_>, _> = writer.read_from(Position::START).collect();
            kept.into_iter().for_each(|kept| self.take_over_erased(&kept));
            return true;
        };
        let due = |told: &&mut Told| rule.takes(&told.frame);
        self.durable.iter_mut().filter(due).for_each(|told| told.frame = Rule::erased(&told.frame));
        self.erasing = None;
        assert!(erasure.rewritten <= erasure.looked_at);
        let copies = self.disk.files().into_iter().filter(|name| {
            name.starts_with("quarantine/") || ["spare", "erased.tmp"].contains(&name.as_str())
        });
        assert_eq!(copies.collect::<Vec<_>>(), [] as [String; 0]);
        self.check_holes(writer, end);
        self.look_up(&writer.reader())
    }

    /// Nothing is left in damaged stretches that were sealed, told of or not.
    fn check_holes(&self, writer: &Writer, end: Position) {
        let kept: Result<Vec<_>, _> = writer.read_from(Position::START).collect();
        let Ok(kept) = kept else { return };
        let segment_bytes = self.options.segment_bytes;
        for name in self.disk.files().iter().filter(|name| name.ends_with(".seg")) {
            let mut content = self.disk.content(name).unwrap();
            let number = u64::from_str_radix(&name["segments/".len()..name.len() - 4], 16).unwrap();
            if number >= end.get() / segment_bytes {
                continue;
            }
            let begin = number * segment_bytes;
            let inside = kept.iter().filter(|frame| frame.position.get() / segment_bytes == number);
            let mut last = 4096;
            for frame in inside {
                last = (frame.end.get() - begin) as usize;
                content[(frame.position.get() - begin) as usize..last].fill(0);
            }
            // Behind the last frame, or the hole behind that, is the mark.
            let marks = content[4096..].chunks(8).filter(|word| word.iter().any(|&byte| byte != 0)).count();
            assert!(marks <= 6, "{name}: something is left beside sound frames, the last until {last}");
        }
    }

    /// Where the first frame that is not sealed begins; `None` when the disk
    /// gave out.
    fn seal(&mut self, writer: &mut Writer) -> Option<Position> {
        writer.commit().ok()?;
        self.note_durable(writer);
        let partition = PartitionId::new(6).unwrap();
        let written_at = Timestamp::from_secs(self.now);
        let frame =
            Frame { partition, class: Class::Outcome, base_offset: 0, records: 0, written_at, payload: &[] };
        let end = writer.seal(&frame).ok()?;
        let position = Position::new(end.get() - 48);
        assert_eq!(position.get() % self.options.segment_bytes, 4096, "the first of its segment");
        let payload = Vec::new();
        self.pending.push(StoredFrame {
            partition,
            class: Class::Outcome,
            base_offset: 0,
            records: 0,
            written_at,
            position,
            end,
            payload,
        });
        writer.commit().ok()?;
        self.note_durable(writer);
        Some(position)
    }

    /// After an erasure that was cut short: a segment is as it was or as it was
    /// to be.
    pub(super) fn take_over_erased(&mut self, kept: &[StoredFrame]) {
        let Some(rule) = self.erasing else { return };
        let by_place: BTreeMap<Position, &StoredFrame> =
            kept.iter().map(|frame| (frame.position, frame)).collect();
        let mut is_done = BTreeMap::<u64, bool>::new();
        for told in self.durable.iter_mut().filter(|told| rule.takes(&told.frame)) {
            let Some(found) = by_place.get(&told.frame.position) else { continue };
            let erased = Rule::erased(&told.frame);
            if erased == told.frame {
                continue;
            }
            let segment = told.frame.position.get() / self.options.segment_bytes;
            let is_erased = **found == erased;
            assert_eq!(*is_done.entry(segment).or_insert(is_erased), is_erased, "half a segment was erased");
            if is_erased {
                told.frame = erased;
            }
        }
    }
}
