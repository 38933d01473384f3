//! What stays and what goes: crashes between two steps, age, erasure, a disk
//! that refuses.

use crate::made::{BEGIN_MS, DAY_MS, Hand, all_series, recorder, tenant, window};
use openclaw_alert::Timestamp;
use openclaw_telemetry::{Dropped, Kind, Store};
use std::fs;
use std::path::{Path, PathBuf};

fn after_days(days: i64) -> Timestamp {
    Timestamp::from_nanos((BEGIN_MS + days * DAY_MS) * 1_000_000)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
    }
    found.sort();
    found
}

/// Writes `count` files of five windows each.
fn written(folder: &Path, count: u64) {
    let hand = Hand::at(BEGIN_MS + DAY_MS / 2);
    let recorder = recorder(folder, &hand);
    for file in 0..count {
        let rows = (0..5).map(|row| (tenant("acme"), window(row, BEGIN_MS + (file * 12_000).cast_signed())));
        recorder.windows(rows.collect());
        recorder.flush();
    }
    recorder.stop();
}

fn rows(store: &Store) -> usize {
    all_series(store).iter().map(|series| series.rows.len()).sum()
}

/// A crash after the merged file has come and before its parts have gone, at
/// each part.
#[test]
fn a_merge_that_is_cut_off_doubles_nothing() {
    for gone in 0..7 {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), 6);
        let parts = files(&folder.path().join("windows"));
        assert_eq!(parts.len(), 6);
        let copies: Vec<_> = parts.iter().map(|path| fs::read(path).unwrap()).collect();
        let store = Store::at(folder.path());
        assert_eq!(store.tend(after_days(2), 90).merged, 6);
        let merged = files(&folder.path().join("windows"));
        assert_eq!(merged.len(), 1);
        for (path, copy) in parts.iter().zip(&copies).skip(gone) {
            fs::write(path, copy).unwrap();
        }
        assert_eq!(rows(&store), 30, "{gone} parts have gone");
        // The process that comes after it writes on behind all of them.
        written(folder.path(), 1);
        assert_eq!(rows(&store), 35, "{gone} parts have gone");
        let _ = store.tend(after_days(2), 90);
        assert_eq!(files(&folder.path().join("windows")).len(), 1);
        assert_eq!(rows(&store), 35);
    }
}

/// Who has looked at the files before they are merged still reads each once.
#[test]
fn who_reads_while_files_are_merged_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 40);
    let store = Store::at(folder.path());
    let windows = store.windows(&crate::made::query(u64::MAX)).unwrap();
    assert_eq!(store.tend(after_days(0), 90).merged, 40);
    let read: usize = windows.map(|series| series.unwrap().rows.len()).sum();
    assert_eq!(read, 200);
    assert_eq!(rows(&store), 200);
}

#[test]
fn few_files_of_a_running_day_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 31);
    let store = Store::at(folder.path());
    assert_eq!(store.tend(after_days(0), 90).merged, 0);
    written(folder.path(), 1);
    // Unless whoever wrote the last one has done so already.
    let _ = store.tend(after_days(0), 90);
    assert_eq!(files(&folder.path().join("windows")).len(), 1);
    written(folder.path(), 31);
    assert_eq!(store.tend(after_days(0), 90).merged, 0, "what is merged isn't merged anew each time");
    assert_eq!(store.tend(after_days(2), 90).merged, 32);
    assert_eq!((rows(&store), files(&folder.path().join("windows")).len()), (315, 1));
}

#[test]
fn what_is_old_goes() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 2);
    let store = Store::at(folder.path());
    assert_eq!(store.tend(after_days(90), 90).removed_days, 0);
    assert_eq!(rows(&store), 10);
    assert_eq!(store.tend(after_days(91), 90).removed_days, 1);
    assert_eq!(files(&folder.path().join("windows")), [] as [PathBuf; 0]);
}

#[test]
fn nothing_is_left_of_an_erased_tenant() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 40);
    let store = Store::at(folder.path());
    let _ = store.tend(after_days(0), 90);
    let hand = Hand::at(BEGIN_MS + DAY_MS / 2);
    let recorder = recorder(folder.path(), &hand);
    let both = ["acme", "globex"].map(|name| (tenant(name), window(7, BEGIN_MS)));
    recorder.windows(both.to_vec());
    recorder.erase(&tenant("acme")).unwrap();
    recorder.flush();
    recorder.stop();
    let left = files(folder.path());
    assert!(left.iter().all(|path| !path.to_string_lossy().contains("acme")), "{left:?}");
    assert_eq!(store.tenants(Kind::Windows).unwrap(), [tenant("globex")]);
    assert_eq!(rows(&store), 1);
    // Nobody writes any more, and it is done all the same.
    recorder.erase(&tenant("globex")).unwrap();
    assert_eq!(store.tenants(Kind::Windows).unwrap(), []);
}

/// What can't be written is counted and the next is tried again.
#[test]
fn a_disk_that_refuses_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(BEGIN_MS);
    let recorder = recorder(folder.path(), &hand);
    // A file where the folder has to be.
    fs::write(folder.path().join("windows"), "").unwrap();
    recorder.windows(vec![(tenant("acme"), window(1, BEGIN_MS))]);
    recorder.flush();
    assert_eq!(recorder.counts().dropped(Kind::Windows, Dropped::DiskFailed), 1);
    fs::remove_file(folder.path().join("windows")).unwrap();
    recorder.windows(vec![(tenant("acme"), window(2, BEGIN_MS))]);
    recorder.flush();
    assert_eq!(recorder.counts().rows(Kind::Windows), 1);
    assert_eq!(rows(&Store::at(folder.path())), 1);
}

/// Rows wait for a minute of the clock, and no longer.
#[test]
fn rows_are_written_after_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(BEGIN_MS);
    let recorder = recorder(folder.path(), &hand);
    recorder.windows(vec![(tenant("acme"), window(1, BEGIN_MS))]);
    let within = std::time::Instant::now() + std::time::Duration::from_secs(20);
    // Not before they have been taken in.
    hand.put(BEGIN_MS + 30_000);
    let mut seconds = 30;
    while recorder.counts().rows(Kind::Windows) == 0 {
        assert!(std::time::Instant::now() < within, "nothing is written");
        seconds += 10;
        hand.put(BEGIN_MS + seconds * 1000);
        std::thread::yield_now();
    }
    assert!(seconds >= 60, "{seconds}");
}

#[test]
fn a_damaged_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 1);
    let path = files(&folder.path().join("windows")).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 3;
    bytes.truncate(middle);
    fs::write(&path, bytes).unwrap();
    let error = Store::at(folder.path()).windows(&crate::made::query(9)).unwrap_err().to_string();
    assert!(error.contains("00000000.parquet"), "{error}");
}
