//! What the journal should hold, kept as plain lists.

mod erasing;

use openclaw_alert::{PartitionId, Timestamp};
use openclaw_journal::{
    AppendError, Class, Frame, OpenError, OpenReport, Options, Part, Position, Reader, Snapshot,
    SnapshotError, StoredFrame, Writer,
};
use openclaw_sim::disk::{PowerLossDisk, Random};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All committed and let go.
    Clean,
    /// Killed: the cache survives.
    Kill,
    /// The power goes.
    PowerLoss,
}

/// From opening the log to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) steps: u64,
    pub(crate) ending: Ending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    frame: StoredFrame,
    /// Frames with the same number became durable together.
    commit: u64,
}

/// A disk, a log on it, and what should be in there.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) disk: PowerLossDisk,
    pub(crate) options: Options,
    now: i64,
    /// Told to be durable or found at an opening, retired ones included.
    durable: Vec<Told>,
    /// Appended, and nothing told yet.
    pending: Vec<StoredFrame>,
    commits: u64,
    offsets: BTreeMap<PartitionId, u64>,
    /// Snapshots that may be there, oldest first.
    snapshots: Vec<Snapshot>,
    /// How many of them there are when nothing was lost.
    snapshots_told: usize,
    flips: u64,
    is_even: bool,
    /// Whether payloads are overwritten now and then.
    pub(crate) erases: bool,
    /// Begun, and not known to be done.
    erasing: Option<erasing::Rule>,
}

/// Keys of a frame: two that are shared by many, one that hardly any shares.
fn keys(frame: &StoredFrame, out: &mut Vec<u64>) {
    out.push(u64::from(frame.partition.get()));
    out.push(1000 + frame.payload.len() as u64 % 7);
    out.push(u64::MAX - frame.base_offset);
    out.push(u64::from(frame.partition.get()));
    // Of what it says: an index must not outlive that.
    out.push(2000 + u64::from(frame.payload.first().copied().unwrap_or(0) % 5));
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let segment_bytes = 4096 * (4 + random.below(5));
        let retain_bytes = if random.one_in(2) { u64::MAX } else { 4 * segment_bytes };
        let options = Options {
            segment_bytes,
            retain_age: Duration::from_secs(1_000_000),
            retain_bytes,
            reserve_bytes: if random.one_in(4) { 0 } else { segment_bytes },
            keys,
        };
        Self {
            is_even: random.one_in(3),
            disk: PowerLossDisk::new(random.number()),
            random,
            options,
            now: 1_700_000_000,
            durable: Vec::new(),
            pending: Vec::new(),
            commits: 0,
            offsets: BTreeMap::new(),
            snapshots: Vec::new(),
            snapshots_told: 0,
            flips: 0,
            erases: false,
            erasing: None,
        }
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.disk
            .files()
            .iter()
            .filter_map(|file| self.disk.content(file))
            .map(|bytes| bytes.len() as u64)
            .sum()
    }

    fn open(&mut self) -> Result<(Writer, OpenReport), OpenError> {
        self.now += 10;
        Writer::open(Arc::new(self.disk.clone()), self.options.clone(), Timestamp::from_secs(self.now))
    }

    /// Opens, checks, does this and that, ends.
    pub(crate) fn live(&mut self, life: Life) {
        match self.open() {
            Ok((mut writer, report)) => {
                let is_alive = self.check_opened(&writer, &report);
                if is_alive && self.erasing.is_some() {
                    (0..40).for_each(|_| assert!(self.look_up(&writer.reader())));
                }
                if is_alive {
                    self.act(&mut writer, life.steps);
                }
                if life.ending == Ending::Clean && writer.commit().is_ok() {
                    self.note_durable(&writer);
                    if self.random.one_in(2) {
                        self.snapshot(&writer);
                    }
                }
            }
            Err(OpenError::Io { .. } | OpenError::Lock(_)) => {}
            Err(error) => panic!("{error}"),
        }
        match life.ending {
            Ending::PowerLoss => self.disk.power_loss(self.random.number()),
            // What the power took can't be had back by a mere kill.
            _ if self.disk.is_off() => self.disk.power_loss(self.random.number()),
            _ => self.disk.kill(),
        }
    }

    /// Opens on a disk that works and checks everything.
    pub(crate) fn check_once_more(&mut self) {
        let (writer, report) = self.open().unwrap();
        assert!(self.check_opened(&writer, &report));
    }

    fn act(&mut self, writer: &mut Writer, steps: u64) {
        for _ in 0..steps {
            self.now += 1;
            let is_alive = match self.random.below(if self.erases { 22 } else { 20 }) {
                0..=11 => self.append(writer),
                12..=15 => writer.commit().is_ok(),
                16 => writer.maintain().is_ok(),
                17 => self.snapshot(writer),
                20 => self.erase(writer),
                _ => self.look_up(&writer.reader()),
            };
            self.note_durable(writer);
            if !is_alive {
                assert_ended(writer);
                return;
            }
        }
    }

    fn append(&mut self, writer: &mut Writer) -> bool {
        let payload = self.payload();
        let partition = PartitionId::new(self.random.below(5) as u8).unwrap();
        let base_offset = self.offsets.get(&partition).copied().unwrap_or(0);
        let records = self.random.below(4) as u32;
        let class = if self.random.one_in(3) { Class::Outcome } else { Class::Intake };
        let written_at = Timestamp::from_secs(self.now);
        let frame = Frame { partition, class, base_offset, records, written_at, payload: &payload };
        match writer.append(&frame) {
            Ok(end) => {
                let stored = 48_u64 + payload.len() as u64;
                let position = Position::new(end.get() - stored.next_multiple_of(8));
                self.offsets.insert(partition, base_offset + u64::from(records));
                self.pending.push(StoredFrame {
                    partition,
                    class,
                    base_offset,
                    records,
                    written_at,
                    position,
                    end,
                    payload,
                });
                true
            }
            Err(AppendError::DiskFull) => true,
            Err(AppendError::Failed(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Zeros, noise, or bytes of the log itself, which a reader that lost its
    /// way might take for frames. In some worlds all of one length, so that
    /// new frames end where old ones began.
    fn payload(&mut self) -> Vec<u8> {
        let length = match self.random.below(8) {
            _ if self.is_even => 464,
            0 => 0,
            1 => self.random.below(6000),
            _ => self.random.below(400),
        } as usize;
        match self.random.below(4) {
            0 => vec![0; length],
            1 => self.bytes_of_a_segment(length),
            _ => (0..length).map(|_| self.random.number() as u8).collect(),
        }
    }

    fn bytes_of_a_segment(&mut self, length: usize) -> Vec<u8> {
        let Some(last) = self.durable.last() else { return vec![1; length] };
        let number = last.frame.position.get() / self.options.segment_bytes;
        let Some(bytes) = self.disk.content(&format!("segments/{number:016x}.seg")) else {
            return vec![2; length];
        };
        let from = 8 * self.random.below((bytes.len() - length) as u64 / 8) as usize;
        bytes[from..from + length].to_vec()
    }

    /// Whatever the log says is durable, was told.
    fn note_durable(&mut self, writer: &Writer) {
        let durable = writer.reader().durable();
        let told = self.pending.iter().take_while(|frame| frame.end <= durable).count();
        self.commits += 1;
        let commit = self.commits;
        self.durable.extend(self.pending.drain(..told).map(|frame| Told { frame, commit }));
    }

    fn snapshot(&mut self, writer: &Writer) -> bool {
        self.note_durable(writer);
        let Ok(mut snapshot) = writer.snapshot() else { return true };
        let durable = writer.reader().durable();
        let ahead = self.pending.last().map(|frame| frame.end).filter(|_| self.random.one_in(4));
        let covered = ahead.unwrap_or(durable);
        let mut parts = Vec::new();
        for partition in PartitionId::all().take(8) {
            let most = if self.random.one_in(10) { 3000 } else { 100 };
            let length = self.random.below(most);
            let bytes: Vec<u8> = (0..length).map(|_| self.random.number() as u8).collect();
            if snapshot.add(partition, covered, &bytes).is_err() {
                return true;
            }
            parts.push(Part { partition, covered, bytes });
        }
        if ahead.is_some() {
            let refused = snapshot.finish();
            assert!(matches!(refused, Err(SnapshotError::AheadOfLog { .. } | SnapshotError::Io(_))));
            return true;
        }
        // From here on it may turn up, whether or not `finish` says so.
        let report = snapshot.finish();
        let number = report.as_ref().map_or(0, |report| report.number);
        self.snapshots.push(Snapshot { number, parts });
        if report.is_ok() {
            self.snapshots_told = self.snapshots.len();
        }
        true
    }

    fn look_up(&mut self, reader: &Reader) -> bool {
        let Ok(kept) = reader.read_from(Position::START).collect::<Result<Vec<_>, _>>() else { return true };
        let key = match self.random.below(4) {
            0 => self.random.below(6),
            1 => 1000 + self.random.below(7),
            2 => 2000 + self.random.below(5),
            _ => u64::MAX - self.random.below(50),
        };
        let from = kept.get(self.random.below(kept.len() as u64 + 1) as usize);
        let from = from.map_or(Position::START, |frame| frame.position);
        let mut expected = Vec::new();
        for frame in kept.iter().filter(|frame| frame.position >= from) {
            let mut own = Vec::new();
            keys(frame, &mut own);
            expected.extend(own.contains(&key).then_some(frame.position));
        }
        if let Ok(found) = reader.find(key, from) {
            assert_eq!(found, expected, "key {key} from {from}");
        }
        let partition = PartitionId::new(self.random.below(6) as u8).unwrap();
        let offset = self.random.below(60);
        let holds = |frame: &&StoredFrame| {
            let range = frame.base_offset..frame.base_offset + u64::from(frame.records);
            frame.partition == partition && range.contains(&offset)
        };
        if let Ok(found) = reader.locate(partition, offset) {
            assert_eq!(found, kept.iter().find(holds).map(|frame| frame.position), "{partition:?} {offset}");
        }
        if let Some(frame) = kept.get(self.random.below(kept.len() as u64 + 1) as usize) {
            reader.read_at(frame.position).into_iter().for_each(|read| assert_eq!(&read, frame));
        }
        true
    }

    /// False when the disk gave out while checking.
    fn check_opened(&mut self, writer: &Writer, report: &OpenReport) -> bool {
        let reader = writer.reader();
        let Ok(kept) = reader.read_from(Position::START).collect::<Result<Vec<_>, _>>() else { return false };
        let Ok(snapshot) = reader.load_snapshot() else { return false };
        self.take_over_erased(&kept);
        let first = kept.first().map_or(report.end, |frame| frame.position);
        let retired = self.durable.iter().take_while(|told| told.frame.position < first).count();
        let told = self.durable[retired..].iter().map(|told| &told.frame);
        let expected: Vec<&StoredFrame> = told.chain(&self.pending).take(kept.len()).collect();
        assert!(kept.len() >= self.durable.len() - retired, "told to be durable, and gone");
        assert_same(&kept, &expected, "not what was appended");
        if self.flips == 0 {
            assert_eq!(report.damage, [], "damage where there is none");
            assert_eq!(report.bad_snapshots, [] as [String; 0]);
        }
        self.check_snapshot(snapshot.as_ref());
        self.adopt(&kept[self.durable.len() - retired..]);
        self.check_replay(&reader, snapshot.as_ref(), report.lost_before);
        true
    }

    fn check_snapshot(&mut self, found: Option<&Snapshot>) {
        let place =
            found.and_then(|found| self.snapshots.iter().rposition(|known| known.parts == found.parts));
        assert_eq!(place.is_some(), found.is_some(), "a snapshot nobody wrote");
        let newest = place.map_or(0, |place| place + 1);
        assert!(newest >= self.snapshots_told || self.flips > 0, "a snapshot is lost");
        // A later one that is not there now will never be.
        self.snapshots.truncate(newest);
        self.snapshots_told = newest;
    }

    /// What was found is durable now; what was not, is gone for good.
    fn adopt(&mut self, found: &[StoredFrame]) {
        self.commits += 1;
        let commit = self.commits;
        self.durable.extend(found.iter().cloned().map(|frame| Told { frame, commit }));
        self.pending.clear();
        self.offsets.clear();
        for told in &self.durable {
            let end = told.frame.base_offset + u64::from(told.frame.records);
            self.offsets.insert(told.frame.partition, end);
        }
    }

    /// Snapshot and replay together hold everything, retired or not.
    fn check_replay(&self, reader: &Reader, snapshot: Option<&Snapshot>, lost_before: Option<Position>) {
        assert!(lost_before.is_none() || self.flips > 1, "lost without two damaged snapshots");
        let lost_before = lost_before.unwrap_or_default();
        let replayed: Result<Vec<_>, _> = reader.recover(snapshot).collect();
        let Ok(replayed) = replayed else { return };
        let covered = |frame: &StoredFrame| {
            let mut parts = snapshot.iter().flat_map(|snapshot| &snapshot.parts);
            parts.find(|part| part.partition == frame.partition).map_or(Position::START, |part| part.covered)
        };
        let frames = self.durable.iter().map(|told| &told.frame);
        let expected: Vec<&StoredFrame> =
            frames.filter(|frame| frame.position >= covered(frame).max(lost_before)).collect();
        assert_same(&replayed, &expected, "not what the snapshot lacks");
    }

    /// Flips a bit of some file, opens, and checks what that cost.
    pub(crate) fn flip_a_bit(&mut self) {
        let files = self.disk.files();
        let mut file = files[self.random.below(files.len() as u64) as usize].clone();
        let Some(content) = self.disk.content(&file).filter(|content| !content.is_empty()) else { return };
        let mut bit = self.random.below(8 * content.len() as u64);
        // Every other time where it matters most: in the last commits.
        if let Some(at) = self.place_near_the_end().filter(|_| self.random.one_in(2)) {
            file = format!("segments/{:016x}.seg", at / self.options.segment_bytes);
            bit = 8 * (at % self.options.segment_bytes) + self.random.below(8);
        }
        self.flips += 1;
        assert!(self.disk.flip_bit(&file, bit));
        let number = file.strip_prefix("segments/").and_then(|name| name.strip_suffix(".seg"));
        let Some(number) = number.and_then(|digits| u64::from_str_radix(digits, 16).ok()) else {
            return self.check_other_flip();
        };
        if bit < 8 * 56 {
            let Err(OpenError::DamagedHeader { file: named }) = self.open() else { panic!("opened {file}") };
            assert_eq!(named, file);
            self.disk.flip_bit(&file, bit);
            return;
        }
        self.check_flip(Position::new(number * self.options.segment_bytes + bit / 8));
    }

    /// Fills segments between two snapshots, has the log retire what it may,
    /// damages the newest snapshot, and replays from the one before.
    pub(crate) fn fall_back_to_the_older_snapshot(&mut self) {
        self.options.retain_bytes = 2 * self.options.segment_bytes;
        let (mut writer, _) = self.open().unwrap();
        for _ in 0..2 {
            for _ in 0..150 {
                assert!(self.append(&mut writer));
                writer.commit().unwrap();
            }
            assert!(self.snapshot(&writer));
        }
        writer.maintain().unwrap();
        drop(writer);
        self.disk.power_loss(self.random.number());
        let newest = self.disk.files().into_iter().filter(|name| name.ends_with(".snap")).max().unwrap();
        self.flips += 1;
        assert!(self.disk.flip_bit(&newest, 8 * 50));
        let (writer, report) = self.open().unwrap();
        assert_eq!((report.bad_snapshots, report.snapshot), (vec![newest], Some(1)));
        let first = writer.read_from(Position::START).next().unwrap().unwrap();
        assert!(first.position > Position::new(self.options.segment_bytes), "something has gone");
        let older = writer.reader().load_snapshot().unwrap();
        self.check_replay(&writer.reader(), older.as_ref(), None);
    }

    fn place_near_the_end(&mut self) -> Option<u64> {
        let back = 1 + self.random.below(8) as usize;
        let frame = &self.durable[self.durable.len().checked_sub(back)?].frame;
        Some(frame.position.get() + self.random.below(frame.end.get() - frame.position.get()))
    }

    /// Nothing else that is flipped may cost a frame; a snapshot may be lost.
    fn check_other_flip(&mut self) {
        let (writer, report) = self.open().unwrap();
        assert!(self.check_opened(&writer, &report));
        for _ in 0..20 {
            assert!(self.look_up(&writer.reader()));
        }
    }

    fn check_flip(&mut self, at: Position) {
        let last_commit = self.durable.last().map(|told| told.commit);
        let is_hit = |told: &Told| {
            let sound_end = told.frame.position.get() + 48 + told.frame.payload.len() as u64;
            (told.frame.position.get()..sound_end).contains(&at.get())
        };
        let hit = self.durable.iter().position(is_hit);
        let (writer, report) = self.open().unwrap();
        if let Some(hit) = hit {
            let commit = self.durable[hit].commit;
            let is_told = report.damage.iter().any(|damage| (damage.from..damage.to).contains(&at));
            if is_told {
                self.durable.remove(hit);
                assert!(report.damage.iter().all(|damage| damage.quarantined_as.is_some()));
            } else if report.torn.as_ref().is_some_and(|torn| torn.position <= at) {
                assert_eq!(Some(commit), last_commit, "a durable commit was cut");
                self.durable.truncate(hit);
            } else {
                // Not read at opening: an old segment that has its index.
                let read: Vec<_> = writer.read_from(Position::START).collect();
                assert!(read.iter().all(Result::is_ok));
                let damage = writer.reader().damage();
                assert!(damage.iter().any(|damage| (damage.from..damage.to).contains(&at)), "not told");
                self.durable.remove(hit);
            }
        }
        assert!(self.check_opened(&writer, &report));
    }
}

/// As `assert_eq`, without the payloads in the message.
fn assert_same(found: &[StoredFrame], expected: &[&StoredFrame], what: &str) {
    let places = |frame: &StoredFrame| (frame.position.get(), frame.end.get());
    let found_at: Vec<_> = found.iter().map(places).collect();
    let expected_at: Vec<_> = expected.iter().copied().map(places).collect();
    assert_eq!(found_at, expected_at, "{what}");
    assert!(found.iter().eq(expected.iter().copied()), "{what}: other content");
}

fn assert_ended(writer: &mut Writer) {
    let frame = Frame {
        partition: PartitionId::new(0).unwrap(),
        class: Class::Outcome,
        base_offset: 0,
        records: 0,
        written_at: Timestamp::default(),
        payload: &[],
    };
    assert!(matches!(writer.append(&frame), Err(AppendError::Failed(_))));
    assert!(writer.commit().is_err());
    assert!(matches!(writer.health(), openclaw_journal::Health::Failed(_)));
}
