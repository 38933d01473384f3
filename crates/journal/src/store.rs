//! What writing, reading and upkeep share: the files, and what is known of
//! them.

use crate::disk::{Disk, FolderLock};
use crate::position::Geometry;
use crate::recent::Recent;
use crate::segments::fill::Fill;
use crate::segments::index::{Summary, index_name};
use crate::segments::repair::quarantine;
use crate::segments::scan::{Damage, Hole};
use crate::segments::supply::Supply;
use crate::segments::{SegmentHeader, segment_name};
use crate::snapshot::Covers;
use crate::stats::Counters;
use crate::{Options, Position};
use openclaw_alert::Timestamp;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Damage kept in memory to be shown; more of it is only counted.
const DAMAGE_KEPT: usize = 1024;

/// A segment that has, or may have, frames.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    /// Known once the segment was sealed and read through.
    pub(crate) summary: Option<Arc<Summary>>,
    /// The index beside it was read through and found sound.
    pub(crate) is_index_checked: bool,
    /// How often it was written anew.
    pub(crate) edition: u32,
}

pub(crate) struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) geometry: Geometry,
    pub(crate) log_id: u64,
    /// Everything before it is on the disk for good.
    durable: AtomicU64,
    /// Segment that is being written; the ones before it are sealed.
    active: AtomicU64,
    /// Newest time seen, in nanoseconds: the log reads no clock.
    now: AtomicI64,
    pub(crate) segments: Mutex<BTreeMap<u64, Segment>>,
    pub(crate) supply: Supply,
    /// Of the first segment of a log that has just been made.
    pub(crate) fill: Option<Fill>,
    pub(crate) snapshots: Mutex<Vec<Arc<Covers>>>,
    pub(crate) is_snapshot_open: AtomicBool,
    pub(crate) upkeep_turn: Mutex<()>,
    /// One erasure at a time.
    pub(crate) erase_turn: Mutex<()>,
    /// Held while an index is written, so that none is of an older edition.
    pub(crate) index_turn: Mutex<()>,
    damage: Mutex<Vec<Damage>>,
    pub(crate) recent: Mutex<Recent>,
    pub(crate) counters: Counters,
    _lock: FolderLock,
}

/// What `Store::new` is made of.
pub(crate) struct Parts {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) log_id: u64,
    pub(crate) durable: Position,
    pub(crate) active: u64,
    pub(crate) now: Timestamp,
    pub(crate) segments: BTreeMap<u64, Segment>,
    pub(crate) supply: Supply,
    pub(crate) fill: Option<Fill>,
    pub(crate) snapshots: Vec<Arc<Covers>>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) lock: FolderLock,
}

impl Store {
    pub(crate) fn new(parts: Parts) -> Self {
        let counters = Counters::default();
        counters.damage.store(parts.damage.len() as u64, Ordering::Relaxed);
        Self {
            geometry: Geometry { segment_bytes: parts.options.segment_bytes },
            disk: parts.disk,
            options: parts.options,
            log_id: parts.log_id,
            durable: parts.durable.get().into(),
            active: parts.active.into(),
            now: parts.now.nanos().into(),
            segments: parts.segments.into(),
            supply: parts.supply,
            fill: parts.fill,
            snapshots: parts.snapshots.into(),
            is_snapshot_open: AtomicBool::new(false),
            upkeep_turn: Mutex::new(()),
            erase_turn: Mutex::new(()),
            index_turn: Mutex::new(()),
            recent: Mutex::default(),
            damage: parts.damage.into(),
            counters,
            _lock: parts.lock,
        }
    }

    pub(crate) fn durable(&self) -> Position {
        Position::new(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn set_durable(&self, position: Position) {
        self.durable.store(position.get(), Ordering::Release);
    }

    pub(crate) fn active(&self) -> u64 {
        self.active.load(Ordering::Acquire)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now.load(Ordering::Relaxed))
    }

    /// Time never goes back here.
    pub(crate) fn saw_time(&self, now: Timestamp) {
        self.now.fetch_max(now.nanos(), Ordering::Relaxed);
    }

    /// Goes on to a segment that is ready; the one before it is sealed.
    pub(crate) fn activate(&self, header: SegmentHeader) {
        let segment = Segment { header, summary: None, is_index_checked: false, edition: 0 };
        lock(&self.segments).insert(header.number, segment);
        self.active.store(header.number, Ordering::Release);
    }

    pub(crate) fn header(&self, number: u64) -> SegmentHeader {
        let segment_bytes = self.options.segment_bytes;
        SegmentHeader { number, segment_bytes, log_id: self.log_id, created_at: self.now() }
    }

    pub(crate) fn segment(&self, number: u64) -> Option<Segment> {
        lock(&self.segments).get(&number).cloned()
    }

    /// The first segment at or after `number`.
    pub(crate) fn segment_from(&self, number: u64) -> Option<Segment> {
        lock(&self.segments).range(number..).next().map(|(_, segment)| segment.clone())
    }

    pub(crate) fn damage(&self) -> Vec<Damage> {
        lock(&self.damage).clone()
    }

    /// Takes note of damage in durable data, once, and keeps a copy of the
    /// segment for people to look at.
    pub(crate) fn note_damage(&self, number: u64, holes: &[Hole]) {
        let at = |offset| self.geometry.position(number, offset);
        let mut known = lock(&self.damage);
        let unknown = |hole: &&Hole| !known.iter().any(|damage| damage.from == at(hole.from));
        let new: Vec<Hole> = holes.iter().filter(unknown).copied().collect();
        let Some(first) = new.first() else { return };
        let quarantined_as = quarantine(&*self.disk, number, at(first.from)).ok();
        // An index made before lists what is gone; the next lookup makes
        // another.
        let _ = self.disk.remove(&index_name(number));
        self.counters.damage.fetch_add(new.len() as u64, Ordering::Relaxed);
        let damage = new.iter().map(|hole| Damage {
            file: segment_name(number),
            from: at(hole.from),
            to: at(hole.to),
            quarantined_as: quarantined_as.clone(),
        });
        let room = DAMAGE_KEPT.saturating_sub(known.len());
        known.extend(damage.take(room));
    }
}

/// Locks a mutex over data that is whole between any two statements, so that
/// a panic elsewhere does not matter here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
