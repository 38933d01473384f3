//! Opening: judges what the last run left, repairs it, and says what was
//! found. The order of the steps in [`open`] is the order of the promises:
//! nothing is written before everything has been read and understood.

use super::cursor::{Cursor, Swept};
use super::fill::Fill;
use super::index::{Index, Summary, load_summary};
use super::repair::{Repair, TornTail, drop_unused, quarantine, rewrite, torn_bytes};
use super::scan::{Damage, Scan};
use super::supply::{RESERVE, RESERVE_UNFINISHED, Stock, Supply, make_segment, make_unfilled};
use super::{
    BadHeader, FOLDER, FORMAT_VERSION, QUARANTINE, SEGMENT_DATA, SegmentHeader, mix, number_of, read_header,
    remove_if_there, segment_name, zero_fill,
};
use crate::disk::{Disk, DiskFile};
use crate::erase::UNFINISHED as ERASURE_UNFINISHED;
use crate::position::Geometry;
use crate::snapshot::{self, Covers};
use crate::store::{Parts, Segment, Store};
use crate::{OpenError, Options, Position};
use openclaw_alert::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What opening found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenReport {
    /// Segments with frames, the one being written included.
    pub segments: u64,
    /// Size of each: of an existing log, not the one asked for.
    pub segment_bytes: u64,
    /// Where the first new frame goes.
    pub end: Position,
    /// A commit that the crash cut short.
    pub torn: Option<TornTail>,
    /// Durable data that is gone.
    pub damage: Vec<Damage>,
    /// Newest sound snapshot.
    pub snapshot: Option<u64>,
    /// Snapshots that are not sound, now in `quarantine/`.
    pub bad_snapshots: Vec<String>,
    /// No sound snapshot is left, and the frames before this position are
    /// gone: what only they told is lost.
    pub lost_before: Option<Position>,
    /// Indexes that were missing or damaged.
    pub indexes_made: u64,
}

pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) report: OpenReport,
}

pub(crate) fn open(disk: Arc<dyn Disk>, mut options: Options, now: Timestamp) -> Result<Opened, OpenError> {
    options.check()?;
    let lock = disk.lock()?;
    prepare_folders(&*disk)?;
    let (snapshots, bad_snapshots) =
        snapshot::survey(&*disk).map_err(OpenError::io("reading", snapshot::FOLDER))?;
    let mut headers = read_headers(&*disk)?;
    let mut fill = None;
    if headers.is_empty() {
        let (header, is_unfilled) = first_segment(&*disk, &options, now, &snapshots)?;
        fill = is_unfilled.then(|| Fill::new(header.number, header.segment_bytes));
        headers.push(header);
    }
    options.segment_bytes = headers[0].segment_bytes;
    let geometry = Geometry { segment_bytes: options.segment_bytes };
    let log_id = headers[0].log_id;

    // Nothing need be read of a segment that has just been made.
    let fresh = fill.as_ref().map(|_| headers[0].number);
    let mut survey =
        Survey { disk: &*disk, options: &options, geometry, fresh, report: OpenReport::default() };
    let mut found = survey.judge(headers, &snapshots)?;
    let end = survey.find_end(&mut found, &snapshots)?;
    let (file, header) = survey.settle_end(&end, log_id, now)?;
    let mut segments = survey.keep_sealed(found, end.segment)?;
    let has_reserve = survey.keep_reserve()?;

    let mut report = survey.report;
    segments.insert(end.segment, Segment { header, summary: None, is_index_checked: false, edition: 0 });
    report.segments = segments.len() as u64;
    report.segment_bytes = options.segment_bytes;
    report.end = geometry.position(end.segment, end.offset);
    report.snapshot = snapshots.last().map(|covers| covers.number);
    report.bad_snapshots = bad_snapshots;
    let first = segments.keys().next().copied().filter(|&first| first > 0 && snapshots.is_empty());
    report.lost_before = first.map(|first| geometry.position(first, 0));
    let store = Store::new(Parts {
        disk,
        options,
        log_id,
        durable: report.end,
        active: end.segment,
        now,
        segments,
        supply: Supply::new(Stock { ready: end.segment, has_reserve, is_full: false }),
        fill,
        snapshots,
        damage: report.damage.clone(),
        lock,
    });
    Ok(Opened { store, file, segment: end.segment, offset: end.offset, report })
}

fn prepare_folders(disk: &dyn Disk) -> Result<(), OpenError> {
    for folder in [FOLDER, QUARANTINE, snapshot::FOLDER] {
        disk.create_dir(folder).map_err(OpenError::io("making", folder))?;
    }
    for unfinished in [RESERVE_UNFINISHED, ERASURE_UNFINISHED] {
        remove_if_there(disk, unfinished).map_err(OpenError::io("removing", unfinished))?;
    }
    // What a killed process renamed may not be durable yet.
    for folder in [FOLDER, QUARANTINE, snapshot::FOLDER, ""] {
        disk.sync_dir(folder).map_err(OpenError::io("syncing", folder))?;
    }
    Ok(())
}

/// All headers in order of their numbers, which have no gap.
fn read_headers(disk: &dyn Disk) -> Result<Vec<SegmentHeader>, OpenError> {
    let names = disk.list(FOLDER).map_err(OpenError::io("listing", FOLDER))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name, ".seg")).collect();
    numbers.sort_unstable();
    let mut headers: Vec<SegmentHeader> = Vec::with_capacity(numbers.len());
    for number in numbers {
        let file = segment_name(number);
        let opened = disk.open(&file).map_err(OpenError::io("opening", &file))?;
        let header = match read_header(&*opened).map_err(OpenError::io("reading", &file))? {
            Ok(header) => header,
            Err(BadHeader::Damaged) => return Err(OpenError::DamagedHeader { file }),
            Err(BadHeader::Version(found)) => {
                return Err(OpenError::Version { file, found, supported: FORMAT_VERSION });
            }
        };
        let is_same_log = headers
            .first()
            .is_none_or(|first| first.log_id == header.log_id && first.segment_bytes == header.segment_bytes);
        if header.number != number || !is_same_log || !is_sane(&header) {
            return Err(OpenError::Foreign { file });
        }
        if let Some(last) = headers.last().filter(|last| last.number + 1 != number) {
            return Err(OpenError::MissingSegment { file: segment_name(last.number + 1) });
        }
        headers.push(header);
    }
    Ok(headers)
}

fn is_sane(header: &SegmentHeader) -> bool {
    let options = Options { segment_bytes: header.segment_bytes, ..Options::default() };
    options.check().is_ok() && header.number < u64::MAX / header.segment_bytes - 2
}

/// Begins a log; not where snapshots tell of one that is gone. Says whether the
/// segment is still to be filled.
fn first_segment(
    disk: &dyn Disk,
    options: &Options,
    now: Timestamp,
    snapshots: &[Arc<Covers>],
) -> Result<(SegmentHeader, bool), OpenError> {
    if snapshots.iter().any(|covers| covers.most() > Position::START) {
        return Err(OpenError::MissingSegment { file: segment_name(0) });
    }
    let log_id = mix(now.nanos() as u64);
    let segment_bytes = options.segment_bytes;
    let header = SegmentHeader { number: 0, segment_bytes, log_id, created_at: now };
    let is_unfilled = make_unfilled(disk, &header).map_err(OpenError::io("making", segment_name(0)))?;
    Ok((header, is_unfilled))
}

/// A segment, and how much is known of it.
struct Found {
    header: SegmentHeader,
    known: Known,
}

enum Known {
    /// Its index is there: it was sealed, and nothing needs to be replayed.
    Indexed(Summary),
    Scanned(Box<Scan>),
}

impl Found {
    fn has_frames(&self) -> bool {
        match &self.known {
            Known::Indexed(_) => true,
            Known::Scanned(scan) => scan.frames > 0,
        }
    }
}

/// Where the log goes on.
struct End {
    segment: u64,
    offset: u64,
    /// The last commit: segment, first byte, and one behind the last.
    last_commit: Option<(u64, u64, u64)>,
    /// Of the segment, where it has been read to its end.
    rest: Option<Swept>,
    /// Segments behind it, which hold nothing.
    unused: Vec<u64>,
    exists: bool,
}

struct Survey<'a> {
    disk: &'a dyn Disk,
    options: &'a Options,
    geometry: Geometry,
    /// A segment that this opening has made.
    fresh: Option<u64>,
    report: OpenReport,
}

impl Survey<'_> {
    /// Reads through each segment that will be replayed or has no index.
    fn judge(
        &mut self,
        headers: Vec<SegmentHeader>,
        snapshots: &[Arc<Covers>],
    ) -> Result<Vec<Found>, OpenError> {
        let mut found = Vec::with_capacity(headers.len());
        for header in headers {
            let is_replayed = |summary: &Summary| {
                let end = self.geometry.position(header.number, summary.end);
                snapshots.last().is_none_or(|covers| covers.need(end, summary.partitions()))
            };
            let known = match load_summary(self.disk, &header) {
                Some(summary) if !is_replayed(&summary) => Known::Indexed(summary),
                summary => self.scan(&header, summary.is_some())?,
            };
            found.push(Found { header, known });
        }
        Ok(found)
    }

    fn scan(&self, header: &SegmentHeader, was_sealed: bool) -> Result<Known, OpenError> {
        if self.fresh == Some(header.number) {
            return Ok(Known::Scanned(Box::new(Scan::of_nothing(self.options.keys))));
        }
        let name = segment_name(header.number);
        let mut cursor = self.cursor(header)?;
        let mut scan = Scan::run(&mut cursor, self.options.segment_bytes, self.options.keys)
            .map_err(OpenError::io("reading", name))?;
        // An index is written once its segment is sealed and durable: what
        // is missing up to there has been lost.
        if was_sealed {
            scan.holes.iter_mut().for_each(|hole| hole.was_durable = true);
            scan.seal(self.options.segment_bytes);
        }
        Ok(Known::Scanned(Box::new(scan)))
    }

    fn cursor(&self, header: &SegmentHeader) -> Result<Cursor, OpenError> {
        let name = segment_name(header.number);
        let file = self.disk.open(&name).map_err(OpenError::io("opening", name))?;
        Ok(Cursor::new(file, self.geometry, header.number, header.salt()))
    }

    /// Decides where the log ends, and tells a commit that was cut short
    /// from damage in what had been durable.
    fn find_end(&mut self, found: &mut Vec<Found>, snapshots: &[Arc<Covers>]) -> Result<End, OpenError> {
        let floor = snapshots.iter().map(|covers| covers.most()).max().unwrap_or_default();
        let with_frames = found.iter().rposition(Found::has_frames).unwrap_or(0);
        let by_floor =
            found.iter().rposition(|one| self.geometry.position(one.header.number, SEGMENT_DATA) < floor);
        let last = with_frames.max(by_floor.unwrap_or(0));
        for one in &mut found[..last] {
            if let Known::Scanned(scan) = &mut one.known {
                scan.seal(self.options.segment_bytes);
            }
        }
        let newest = found[found.len() - 1].header.number;
        // Behind it there is at most what a torn commit left.
        found.truncate(last + 1);
        let one = &mut found[last];
        let number = one.header.number;
        let (mut segment, mut offset, mut last_commit, mut rest) = (number + 1, SEGMENT_DATA, None, None);
        if let Known::Scanned(scan) = &mut one.known {
            self.cut(number, scan, floor);
            last_commit = scan.last_commit.map(|start| (number, start, scan.end));
            if !scan.is_sealed {
                (segment, offset, rest) = (number, scan.end, scan.rest);
            }
        }
        if self.geometry.position(segment, offset) < floor {
            return Err(OpenError::MissingSegment { file: segment_name(self.geometry.segment(floor)) });
        }
        let unused = (segment + 1..=newest).collect();
        Ok(End { segment, offset, last_commit, rest, unused, exists: segment <= newest })
    }

    /// Cuts a torn commit off the last segment with frames. What a snapshot
    /// covers (all before `floor`) can't have been torn.
    fn cut(&self, number: u64, scan: &mut Scan, floor: Position) {
        let floor = self.geometry.limit(number, floor).next_multiple_of(8);
        if let Some(tear) = scan.tear(floor) {
            scan.cut_at(tear);
        }
        if !scan.is_sealed {
            scan.lost_up_to(floor);
        }
    }

    /// Names the damage, quarantines it, and gives each sealed segment its
    /// index.
    fn keep_sealed(&mut self, found: Vec<Found>, active: u64) -> Result<BTreeMap<u64, Segment>, OpenError> {
        let mut segments = BTreeMap::new();
        for Found { header, known } in found {
            let summary = match known {
                Known::Indexed(summary) => summary,
                Known::Scanned(scan) => {
                    self.tell_damage(&header, &scan);
                    if header.number >= active {
                        continue;
                    }
                    let end = scan.end;
                    self.keep_index(&header, &scan.index.finish(end))
                }
            };
            if header.number < active {
                let summary = Some(Arc::new(summary));
                let segment = Segment { header, summary, is_index_checked: false, edition: 0 };
                segments.insert(header.number, segment);
            }
        }
        Ok(segments)
    }

    fn keep_index(&mut self, header: &SegmentHeader, index: &Index) -> Summary {
        let is_there = load_summary(self.disk, header).is_some_and(|summary| summary == index.summary);
        if !is_there && index.write(self.disk, header).is_ok() {
            self.report.indexes_made += 1;
        }
        index.summary.clone()
    }

    fn tell_damage(&mut self, header: &SegmentHeader, scan: &Scan) {
        let at = |offset| self.geometry.position(header.number, offset);
        let Some(first) = scan.holes.first() else { return };
        let quarantined_as = quarantine(self.disk, header.number, at(first.from)).ok();
        self.report.damage.extend(scan.holes.iter().map(|hole| Damage {
            file: segment_name(header.number),
            from: at(hole.from),
            to: at(hole.to),
            quarantined_as: quarantined_as.clone(),
        }));
    }

    /// Makes the end of the log on the disk what it was read to be.
    fn settle_end(
        &mut self,
        end: &End,
        log_id: u64,
        now: Timestamp,
    ) -> Result<(Arc<dyn DiskFile>, SegmentHeader), OpenError> {
        let name = segment_name(end.segment);
        let failed = |doing| OpenError::io(doing, name.clone());
        drop_unused(self.disk, end.unused.iter().copied()).map_err(OpenError::io("moving", FOLDER))?;
        let segment_bytes = self.options.segment_bytes;
        if !end.exists {
            let header = SegmentHeader { number: end.segment, segment_bytes, log_id, created_at: now };
            make_segment(self.disk, &header).map_err(failed("making"))?;
        }
        let file = self.disk.open(&name).map_err(failed("opening"))?;
        let header = read_header(&*file).map_err(failed("reading"))?;
        let header = header.map_err(|_| OpenError::DamagedHeader { file: name.clone() })?;
        if self.fresh != Some(end.segment) {
            let mut cursor = self.cursor(&header)?;
            let torn =
                torn_bytes(&mut cursor, end.offset, end.rest, segment_bytes).map_err(failed("reading"))?;
            if torn > 0 {
                let position = self.geometry.position(end.segment, end.offset);
                self.report.torn = Some(TornTail { file: name.clone(), position, bytes: torn });
            }
            self.rewrite_last_commit(end)?;
            self.clear(&*file, end.offset, torn).map_err(failed("repairing"))?;
        }
        remove_if_there(self.disk, &super::index::index_name(end.segment)).map_err(failed("repairing"))?;
        Ok((file, header))
    }

    /// Zeros from the end of the log on, on the disk as well: what reads as
    /// zeros is so, unless an earlier repair was cut short.
    fn clear(&self, file: &dyn DiskFile, end: u64, torn: u64) -> io::Result<()> {
        let repair = Repair::look(self.disk)?;
        if torn == 0 && repair.is_none() {
            return Ok(());
        }
        let repair = repair.map_or_else(|| Repair::begin(self.disk), Ok)?;
        zero_fill(file, end, self.options.segment_bytes)?;
        repair.end()
    }

    fn rewrite_last_commit(&self, end: &End) -> Result<(), OpenError> {
        let Some((segment, from, to)) = end.last_commit else { return Ok(()) };
        let name = segment_name(segment);
        let rewritten = self.disk.open(&name).and_then(|file| rewrite(&*file, from, to));
        rewritten.map_err(OpenError::io("repairing", name))
    }

    /// True when there is a reserve to fall back on.
    fn keep_reserve(&self) -> Result<bool, OpenError> {
        let failed = || OpenError::io("reading", RESERVE);
        let is_there = self.disk.list("").map_err(failed())?.iter().any(|name| name == RESERVE);
        if !is_there {
            return Ok(false);
        }
        let size = self.disk.open(RESERVE).and_then(|file| file.size()).map_err(failed())?;
        let is_right = size == self.options.segment_bytes && self.options.reserve_bytes > 0;
        if !is_right {
            self.disk.remove(RESERVE).map_err(OpenError::io("removing", RESERVE))?;
        }
        Ok(is_right)
    }
}
