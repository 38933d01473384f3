//! On the real file system: opening again, the lock, segments used again,
//! and kills in the middle of things.

mod common;

use common::{SEGMENT_BYTES, append, frame, options};
use openclaw_alert::{PartitionId, Timestamp};
use openclaw_journal::{LockError, Log, OpenError, OpenReport, Options, Position, RealDisk, Writer};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

fn open(folder: &Path, options: Options) -> Result<(Writer, OpenReport), OpenError> {
    Writer::open(Arc::new(RealDisk::new(folder).unwrap()), options, Timestamp::from_secs(1_700_000_000))
}

fn fill(writer: &mut Writer, numbers: std::ops::Range<u64>) {
    for number in numbers {
        writer.append(&frame(2, number, &[number as u8; 1000])).unwrap();
        writer.commit().unwrap();
    }
}

fn numbers(writer: &Writer) -> Vec<u64> {
    writer.read_from(Position::START).map(|frame| frame.unwrap().base_offset).collect()
}

#[test]
fn a_log_is_opened_again_with_all_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, report) = open(folder.path(), options()).unwrap();
    assert_eq!((report.segments, report.torn), (1, None));
    fill(&mut writer, 0..200);
    drop(writer);
    // Another segment size is for a new log; this one keeps its own.
    let other = Options { segment_bytes: 2 * SEGMENT_BYTES, ..options() };
    let (mut writer, report) = open(folder.path(), other).unwrap();
    assert_eq!((report.segment_bytes, report.torn, report.damage), (SEGMENT_BYTES, None, vec![]));
    fill(&mut writer, 200..300);
    assert_eq!(numbers(&writer), (0..300).collect::<Vec<_>>());
    for number in 0..300 {
        let found = writer.reader().locate(PartitionId::new(2).unwrap(), number).unwrap().unwrap();
        assert_eq!(writer.reader().read_at(found).unwrap().base_offset, number);
    }
}

#[test]
fn two_can_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _) = open(folder.path(), options()).unwrap();
    let Err(OpenError::Lock(LockError::Held { pid, .. })) = open(folder.path(), options()) else {
        panic!("opened twice")
    };
    assert_eq!(pid, Some(std::process::id()));
    drop(writer);
    assert!(open(folder.path(), options()).is_ok());
}

#[test]
fn files_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), options()).unwrap());
    let segment = folder.path().join("segments/0000000000000000.seg");
    assert_eq!(fs::metadata(segment).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn retired_segments_are_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { retain_bytes: 3 * SEGMENT_BYTES, reserve_bytes: 0, ..options() };
    let (mut writer, _) = open(folder.path(), small.clone()).unwrap();
    let mut inodes = std::collections::HashSet::new();
    for round in 0..30 {
        fill(&mut writer, 60 * round..60 * (round + 1));
        let mut snapshot = writer.snapshot().unwrap();
        snapshot.add(PartitionId::new(2).unwrap(), writer.reader().durable(), b"state").unwrap();
        snapshot.finish().unwrap();
        writer.maintain().unwrap();
        for entry in fs::read_dir(folder.path().join("segments")).unwrap() {
            let entry = entry.unwrap();
            if entry.path().extension().is_some_and(|extension| extension == "seg") {
                inodes.insert(entry.metadata().unwrap().ino());
            }
        }
    }
    assert!(writer.stats().segments <= 5, "{:?}", writer.stats());
    assert!(inodes.len() <= 8, "files are used again: {}", inodes.len());
    let left = numbers(&writer);
    drop(writer);
    let (writer, report) = open(folder.path(), small).unwrap();
    assert_eq!((report.torn, report.damage), (None, vec![]));
    assert_eq!(numbers(&writer), left);
    assert_eq!(left.last(), Some(&1799));
}

/// What is changed in a folder, and what opening it says.
#[test]
fn what_can_not_be_trusted_is_refused_by_name() {
    let header_of = |number: u64| format!("segments/{number:016x}.seg");
    let flip = |folder: &Path, name: &str, at: u64, bytes: &[u8]| {
        let file = fs::OpenOptions::new().write(true).open(folder.join(name)).unwrap();
        file.write_all_at(bytes, at).unwrap();
    };
    let check = |change: &dyn Fn(&Path), expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, _) = open(folder.path(), options()).unwrap();
        fill(&mut writer, 0..200);
        drop(writer);
        change(folder.path());
        let error = open(folder.path(), options()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{error}");
    };
    check(
        &|folder| flip(folder, &header_of(1), 20, &[9]),
        "the header of `segments/0000000000000001.seg` is damaged",
    );
    check(
        &|folder| fs::remove_file(folder.join(header_of(1))).unwrap(),
        "`segments/0000000000000001.seg` is missing",
    );
    check(
        &|folder| {
            fs::copy(folder.join(header_of(0)), folder.join(header_of(1))).unwrap();
        },
        "`segments/0000000000000001.seg` does not belong",
    );
    let mut later = b"oclawseg\x02\0\0\0".to_vec();
    later.extend_from_slice(&crc32c::crc32c(&later).to_le_bytes());
    check(
        &|folder| flip(folder, &header_of(2), 0, &later),
        "`segments/0000000000000002.seg` has format version `2`, this program reads `1`",
    );
}

const CHILD: &str = "OPENCLAW_TEST_CHILD_FOLDER";

/// Not a test: what the test below runs in a process of its own, until it is
/// killed.
#[test]
#[ignore = "run by what_was_told_survives_a_kill_at_any_stage"]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let folder = Path::new(&folder);
    let (writer, _) = open(folder, options()).unwrap();
    let mut told = fs::File::create(folder.join("told")).unwrap();
    let log = Log::start(writer).unwrap();
    for number in 0..100_000_u64 {
        let end = append(&log, &frame(2, number, &[number as u8; 1000]));
        log.wait(end).unwrap();
        writeln!(told, "{number}").unwrap();
        if number % 50 == 49 {
            let mut snapshot = log.snapshot().unwrap();
            snapshot.add(PartitionId::new(2).unwrap(), end, &number.to_le_bytes()).unwrap();
            snapshot.finish().unwrap();
            writeln!(told, "snapshot {number}").unwrap();
        }
    }
}

#[test]
fn what_was_told_survives_a_kill_at_any_stage() {
    for stage in ["commit-write:120", "commit-synced:120", "seal:2", "snapshot:1", "snapshot:3"] {
        let folder = tempfile::tempdir().unwrap();
        let crash_log = folder.path().join("crashes");
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child"])
            .env(CHILD, folder.path())
            .env("OPENCLAW_CRASH_AT", stage)
            .env("OPENCLAW_CRASH_LOG", &crash_log)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(9), "{stage}: {status}");
        assert_eq!(fs::read_to_string(crash_log).unwrap().trim(), stage.split(':').next().unwrap());
        check_after_kill(folder.path(), stage);
    }
}

fn check_after_kill(folder: &Path, stage: &str) {
    let told = fs::read_to_string(folder.join("told")).unwrap();
    let (writer, report) = open(folder, options()).unwrap();
    assert_eq!((&report.damage, &report.bad_snapshots), (&vec![], &vec![]), "{stage}");
    let kept = numbers(&writer);
    assert_eq!(kept, (0..kept.len() as u64).collect::<Vec<_>>(), "{stage}");
    let last = told.lines().rev().find_map(|line| line.parse::<u64>().ok()).unwrap();
    assert!(kept.len() as u64 > last, "{stage}: {last} was told, {} are there", kept.len());
    let snapshot = writer.reader().load_snapshot().unwrap();
    let told = told.lines().rev().find_map(|line| line.strip_prefix("snapshot ")?.parse::<u64>().ok());
    let found =
        snapshot.as_ref().map(|found| u64::from_le_bytes(*found.parts[0].bytes.first_chunk().unwrap()));
    assert!(found >= told, "{stage}");
    let replayed = writer.reader().recover(snapshot.as_ref()).count() as u64;
    assert_eq!(replayed + found.map_or(0, |number| number + 1), kept.len() as u64, "{stage}");
}
