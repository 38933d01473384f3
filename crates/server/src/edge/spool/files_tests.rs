//! The spool against a list, with restarts, cuts and a disk that fails.

use super::*;
use openclaw_alert::TenantName;
use openclaw_journal::{FolderLock, LockError, RealDisk};
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// So small that a test fills many.
const SMALL: u64 = 1024;
const PLENTY: u64 = 1 << 30;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Spool {
        let disk = Arc::new(RealDisk::new(self.0.path()).unwrap());
        let mut spool = Spool::open(disk, PLENTY).unwrap();
        spool.segment_bytes = SMALL;
        spool
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(self.0.path().join(FOLDER)).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn row(id: u64) -> Row {
    let tenant = TenantName::new("acme").unwrap();
    let client = "c".repeat(1 + (id as usize * 7) % 60).into();
    Row { tenant, client, at_nanos: id, latency_us: 1, status: 200 }
}

fn rows(ids: impl IntoIterator<Item = u64>) -> Vec<Row> {
    ids.into_iter().map(row).collect()
}

/// All that is left, in order; nothing stays.
fn drained(spool: &mut Spool) -> Vec<u64> {
    let mut ids = Vec::new();
    loop {
        let given = spool.next(7);
        if given.is_empty() {
            return ids;
        }
        given.iter().for_each(|given| assert_eq!(*given, row(given.at_nanos)));
        ids.extend(given.iter().map(|given| given.at_nanos));
        spool.done();
    }
}

#[derive(Debug, Clone)]
enum Act {
    Append(u64),
    Front(u64),
    Next(usize),
    Done,
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..40_u64).prop_map(Act::Append),
        1 => (1..40_u64).prop_map(Act::Front),
        3 => (1..30_usize).prop_map(Act::Next),
        3 => Just(Act::Done),
        1 => Just(Act::Reopen),
    ]
}

/// What should be there: rows in order, and how many of them have arrived.
#[derive(Default)]
struct Model {
    ids: Vec<u64>,
    done: usize,
    given: usize,
    next_id: u64,
    /// Rows that have arrived may come again.
    was_reopened: bool,
}

impl Model {
    fn new_ids(&mut self, count: u64) -> Vec<u64> {
        let first = self.next_id;
        self.next_id += count;
        (first..self.next_id).collect()
    }

    fn take(&mut self, given: &[Row]) {
        let ids: Vec<u64> = given.iter().map(|row| row.at_nanos).collect();
        self.given = ids.len();
        let Some(first) = ids.first() else {
            assert!(self.done == self.ids.len() || self.ids.is_empty(), "rows are missing");
            return;
        };
        let at = self.ids.iter().position(|id| id == first).unwrap();
        assert!(at == self.done || (self.was_reopened && at < self.done), "{at}, {} arrived", self.done);
        (self.done, self.was_reopened) = (at, false);
        assert_eq!(ids, self.ids[at..at + ids.len()]);
    }
}

fn run(acts: Vec<Act>) {
    let folder = Folder::new();
    let (mut spool, mut model) = (folder.open(), Model::default());
    for act in acts {
        match act {
            Act::Append(count) => {
                let ids = model.new_ids(count);
                spool.append(&rows(ids.iter().copied()));
                model.ids.extend(ids);
            }
            // Only ever done with a first segment that nothing was read of.
            Act::Front(_) if model.was_reopened || spool.cursor.rows > 0 || spool.given.is_some() => {}
            Act::Front(count) => {
                let ids = model.new_ids(count);
                spool.put_front(&rows(ids.iter().copied()));
                model.ids.splice(model.done..model.done, ids);
            }
            Act::Next(count) => model.take(&spool.next(count)),
            Act::Done => {
                spool.done();
                model.done += std::mem::take(&mut model.given);
            }
            Act::Reopen => {
                drop(spool);
                spool = folder.open();
                (model.given, model.was_reopened) = (0, true);
            }
        }
    }
    let left = drained(&mut spool);
    let first = model.ids.len() - left.len();
    assert!(first == model.done || (model.was_reopened && first < model.done));
    assert_eq!(left, model.ids[first..]);
    assert_eq!((spool.bytes(), folder.files().len(), spool.take_lost()), (0, 0, Lost::default()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_come_in_order_until_they_have_arrived(acts in prop::collection::vec(act(), 1..40)) {
        run(acts);
    }

    #[test]
    fn what_is_before_a_cut_is_read(count in 1..200_u64, cut in any::<prop::sample::Index>()) {
        let folder = Folder::new();
        folder.open().append(&rows(0..count));
        let last = folder.files().pop().unwrap();
        let size = std::fs::metadata(&last).unwrap().len();
        let file = std::fs::OpenOptions::new().write(true).open(&last).unwrap();
        file.set_len(cut.index(size as usize) as u64).unwrap();
        let mut spool = folder.open();
        spool.append(&rows(1000..1010));
        let left = drained(&mut spool);
        let before: Vec<u64> = left.iter().copied().filter(|id| *id < 1000).collect();
        prop_assert_eq!(&before, &(0..before.len() as u64).collect::<Vec<_>>());
        prop_assert_eq!(&left[before.len()..], (1000..1010).collect::<Vec<_>>());
        prop_assert!(count - (before.len() as u64) <= SMALL / 28, "{} of {count}", before.len());
    }

    #[test]
    fn damage_takes_the_rest_of_one_segment(count in 100..300_u64, which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let folder = Folder::new();
        folder.open().append(&rows(0..count));
        let files = folder.files();
        let file = &files[which.index(files.len())];
        let mut bytes = std::fs::read(file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        std::fs::write(file, bytes).unwrap();
        let left = drained(&mut folder.open());
        let gaps = left.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        prop_assert!(gaps <= 1 && left.len() < count as usize && left.is_sorted(), "{left:?}");
        prop_assert!(count - (left.len() as u64) <= SMALL / 28);
    }

    #[test]
    fn the_oldest_go_where_there_is_no_room(batches in prop::collection::vec(1..200_u64, 1..20)) {
        let folder = Folder::new();
        let bytes_max = 8 * SMALL;
        let disk = Arc::new(RealDisk::new(folder.0.path()).unwrap());
        let mut spool = Spool::open(disk, bytes_max).unwrap();
        let mut total = 0;
        for batch in batches {
            spool.append(&rows(total..total + batch));
            total += batch;
            prop_assert!(spool.bytes() <= bytes_max);
            let on_disk: u64 = folder.files().iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
            prop_assert_eq!(on_disk, spool.bytes());
        }
        let lost = spool.take_lost();
        prop_assert_eq!(drained(&mut spool), (lost.full..total).collect::<Vec<_>>());
        prop_assert_eq!(lost.failed, 0);
    }
}

#[test]
fn rows_under_way_are_not_lost_with_their_segment() {
    let folder = Folder::new();
    let disk = Arc::new(RealDisk::new(folder.0.path()).unwrap());
    let mut spool = Spool::open(disk, 4 * SMALL).unwrap();
    spool.append(&rows(0..10));
    let given = spool.next(4).len() as u64;
    spool.append(&rows(10..300));
    spool.done();
    let lost = spool.take_lost().full;
    assert_eq!(drained(&mut spool), (given + lost..300).collect::<Vec<_>>());
}

/// A real disk until it is told to fail: then half of what is written arrives.
struct Failing {
    disk: RealDisk,
    fails: Arc<AtomicBool>,
}

struct FailingFile {
    file: Arc<dyn DiskFile>,
    fails: Arc<AtomicBool>,
}

impl Failing {
    fn wrapped(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FailingFile { file, fails: Arc::clone(&self.fails) })
    }
}

impl Disk for Failing {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrapped(self.disk.create(path)?))
    }
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrapped(self.disk.open(path)?))
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn lock(&self) -> Result<FolderLock, LockError> {
        self.disk.lock()
    }
}

impl DiskFile for FailingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if !self.fails.load(Ordering::Relaxed) {
            return self.file.write_at(bytes, offset);
        }
        self.file.write_at(&bytes[..bytes.len() / 2], offset)?;
        Err(io::ErrorKind::StorageFull.into())
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}

#[test]
fn a_full_disk_loses_what_it_refuses_and_counts_it() {
    let folder = Folder::new();
    let fails = Arc::<AtomicBool>::default();
    let disk = RealDisk::new(folder.0.path()).unwrap();
    let mut spool = Spool::open(Arc::new(Failing { disk, fails: Arc::clone(&fails) }), PLENTY).unwrap();
    spool.segment_bytes = SMALL;
    spool.append(&rows(0..5));
    fails.store(true, Ordering::Relaxed);
    for turn in 0..20 {
        spool.append(&rows(100 + turn..101 + turn));
    }
    spool.put_front(&rows(200..210));
    assert!(folder.files().len() <= 2, "{:?}", folder.files());
    assert_eq!(spool.take_lost(), Lost { full: 0, failed: 30 });
    fails.store(false, Ordering::Relaxed);
    spool.append(&rows(5..10));
    drop(spool);
    assert_eq!(drained(&mut folder.open()), (0..10).collect::<Vec<_>>());
}
